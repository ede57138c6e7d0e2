"""What is written into a run, and reading so that nothing damaged or harmful passes for good.

Tensors are kept in safetensors files, each with JSON beside the tensors and a checksum over them; never in pickles.
"""

import hashlib
import json
import pickletools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from loglik.errors import CorruptRun, PickleRefused, RunNotFound
from loglik.output.manifest import write_own

ZIP = b"PK\x03\x04"  # torch.save wraps its pickle in such an archive
PICKLED = re.compile(rb"\x80[\x02-\x05]")  # how one begins since protocol 2; before, only its opcodes show it


def write_json(path: Path, value: Any) -> None:
    write_own(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise RunNotFound(f"Expected {path}; there is no such file.") from None
    except (ValueError, OSError) as error:
        raise CorruptRun(f"{path} is damaged: {error}. Restore it, or fit again.") from None


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Tensors and the JSON-able `about`, in one safetensors file."""
    from safetensors.torch import save

    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    # One entry: safetensors keeps several in no order, and equal runs should be equal files.
    said = json.dumps({"about": dict(about), "checksum": _checksum(plain)})
    write_own(path, save(plain, {"loglik": said}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The inverse of `write_tensors`.

    Raises:
        RunNotFound, CorruptRun, PickleRefused.
    """
    from safetensors import SafetensorError, safe_open

    try:
        pickled = is_pickle(path)
    except OSError:
        raise RunNotFound(f"Expected weights at {path}; there are none.") from None
    if pickled:
        raise PickleRefused(
            f"{path} is a pickle (as torch.save writes), and loading one may run any code. Expected safetensors; "
            "refit with loglik, or convert the file where you trust it."
        )
    try:
        with safe_open(path, framework="pt") as file:
            said = json.loads((file.metadata() or {}).get("loglik", "{}"))
            # Copied to where torch aligns memory: sums over tensors that begin elsewhere differ in their last bits.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptRun(f"{path} is damaged or cut short ({error}). Restore it, or fit again.") from None
    if said.get("checksum") != _checksum(tensors):
        raise CorruptRun(f"{path} was changed after it was written: its checksum differs. Restore it, or fit again.")
    return tensors, said["about"]


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle, as torch.save writes; it is looked at, never loaded.

    A safetensors file begins with the length of its header, eight bytes of which may be those that begin a pickle.
    """
    with path.open("rb") as file:
        head = file.read(9)
        length = int.from_bytes(head[:8], "little")
        if head[8:] == b"{" and 8 + length <= path.stat().st_size:
            return False
        if head.startswith(ZIP) or PICKLED.match(head):
            return True
        file.seek(0)
        try:
            return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(file))
        except Exception:  # what pickletools cannot parse is no pickle, whatever it stumbled over
            return False


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        t = tensors[name]
        digest.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        digest.update(t.reshape(-1).view(torch.uint8).numpy().data if t.numel() else b"")
    return digest.hexdigest()
