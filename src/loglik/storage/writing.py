"""What is written into a run; `reading` reads it back.

Tensors are kept in safetensors files, each with JSON beside the tensors and a checksum over them; never in pickles.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from loglik.output.manifest import write_own


def write_json(path: Path, value: object) -> None:
    write_own(path, (json.dumps(value, indent=2) + "\n").encode())


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, object]) -> None:
    """Tensors and the JSON-able `about`, in one safetensors file."""
    from safetensors.torch import save

    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    # One entry: safetensors keeps several in no order, and equal runs should be equal files.
    header = json.dumps({"about": dict(about), "checksum": checksum(plain)})
    write_own(path, save(plain, {"loglik": header}))


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """Of names, types, shapes and all numbers."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        t = tensors[name]
        digest.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        digest.update(t.reshape(-1).view(torch.uint8).numpy().data if t.numel() else b"")
    return digest.hexdigest()
