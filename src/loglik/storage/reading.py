"""Read the files of a run, which somebody else may have written: each is checked before it is used.

Only plain files that lie in the run folder itself are opened: no links (they may lead out of it), no pipes, no devices.
JSON is small, in UTF-8, not deep, and says each thing once. Files of tensors are safetensors with a checksum, never
pickles; their names, types and shapes are known before a number is read.
"""

import errno
import json
import math
import os
import pickletools
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import torch
from torch import Tensor

from loglik.errors import CorruptRun, PickleRefused, RunNotFound
from loglik.records import Json, Record
from loglik.storage.writing import checksum

MOST_TEXT = 32 << 20  # bytes of a JSON file or a history: 100 000 columns with their names take a tenth of it
ZIP = b"PK\x03\x04"  # torch.save wraps its pickle in such an archive
PICKLED = re.compile(rb"\x80[\x02-\x05][^\0]")  # how one begins since protocol 2; before, only its opcodes show it
MOST_HEADER = 100_000_000  # bytes, a limit of safetensors
PICKLE_BYTES = 1 << 20  # of a file that may be an older pickle are parsed
DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "BOOL": torch.bool,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
}  # fmt: skip


class Kind(NamedTuple):
    """The type and shape of a tensor, read from the header of its file."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @classmethod
    def of(cls, t: Tensor) -> "Kind":
        return cls(t.dtype, tuple(t.shape))

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} {self.shape}"


def open_plain(path: Path) -> BinaryIO:
    """A plain file, opened to be read; links are not followed, and a pipe is not waited for.

    Raises:
        RunNotFound: there is none. CorruptRun: it is something else, or cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise RunNotFound(
            f"Expected {path}; there is no such file. Restore it, or fit again with `loglik fit`."
        ) from None
    except OSError as error:
        link = error.errno in (errno.ELOOP, errno.EMLINK)
        what = "a link, and a run reads no file outside its folder" if link else f"unreadable ({error.strerror})"
        raise CorruptRun(f"Expected a plain file at {path}; it is {what}. Put the file itself there.") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise CorruptRun(f"Expected a plain file at {path}; it is a folder, a pipe or a device. Restore the run.")
    return os.fdopen(handle, "rb")


def read_text(path: Path) -> str:
    """A text in UTF-8, with a byte-order mark or without.

    Raises:
        RunNotFound, CorruptRun: see `open_plain`; too long, or not UTF-8.
    """
    with open_plain(path) as file:
        content = file.read(MOST_TEXT + 1)
    if len(content) > MOST_TEXT:
        raise CorruptRun(
            f"Expected {path} to take {MOST_TEXT >> 20} MB at most; it is longer. Restore it, or fit again."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorruptRun(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}). Restore it.") from None


def read_json(path: Path) -> Json:
    """The value in a JSON file. What it should be is for `schema` to say.

    Raises:
        RunNotFound, CorruptRun: see `read_text`; not JSON, nested too deep, or a key twice.
    """
    return parse_json(read_text(path), str(path))


def parse_json(text: str, place: str) -> Json:
    """As `read_json`, of a text that is at hand."""
    try:
        value: Json = json.loads(text, object_pairs_hook=_each_once)
        return value
    except RecursionError:
        raise CorruptRun(f"{place} is damaged: it is nested too deep. Restore it, or fit again.") from None
    except ValueError as error:
        raise CorruptRun(f"{place} is damaged: {error}. Restore it, or fit again.") from None


def _each_once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    fields: dict[str, Json] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"the key {name[:80]!r} stands there twice")
        fields[name] = value
    return fields


def read_kinds(path: Path) -> dict[str, Kind]:
    """name -> type and shape of each tensor in a file that `storage.write_tensors` wrote; no tensor is read.

    Raises:
        RunNotFound, CorruptRun, PickleRefused.
    """
    return _opened(path)[0]


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Record]:
    """The inverse of `storage.write_tensors`.

    Raises:
        RunNotFound, CorruptRun, PickleRefused.
    """
    from safetensors import SafetensorError, safe_open

    before = _file_there(path)
    kinds, header = _opened(path)
    try:
        with open_plain(path) as plain, safe_open(_named(path, plain), framework="pt") as file:
            # Copied to where torch aligns memory: sums over tensors that begin elsewhere differ in their last bits.
            tensors = {name: file.get_tensor(name).clone() for name in kinds}
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptRun(f"{path} is damaged or cut short ({error}). Restore it, or fit again.") from None
    if header.get("checksum") != checksum(tensors):
        if _file_there(path) != before:  # a fit that goes on put a newer one in its place between the two looks
            return read_tensors(path)
        raise CorruptRun(f"{path} was changed after it was written: its checksum differs. Restore it, or fit again.")
    return tensors, header["about"]


def _file_there(path: Path) -> tuple[int, int] | None:
    """Which file stands at a path: a new one in its place is another."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _opened(path: Path) -> tuple[dict[str, Kind], Record]:
    """What tensors there are, and the header beside them."""
    from safetensors import SafetensorError, safe_open

    with open_plain(path) as file:
        pickled = _is_pickle(file)
    if pickled:
        raise PickleRefused(
            f"{path} is a pickle (as torch.save writes), and loading one may run any code. Expected safetensors; "
            "refit with loglik, or convert the file where you trust it."
        )
    try:
        with open_plain(path) as plain, safe_open(_named(path, plain), framework="pt") as file:
            text = (file.metadata() or {}).get("loglik", "")
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            kinds = {name: (s.get_dtype(), tuple(s.get_shape())) for name, s in slices.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptRun(f"{path} is damaged or cut short ({error}). Restore it, or fit again.") from None
    if not text:
        raise CorruptRun(f"{path} was not written by loglik: it holds no checksum. Restore it, or fit again.")
    header = parse_json(text, f"What {path} says beside its tensors")
    if not isinstance(header, dict) or not isinstance(header.get("about"), dict):
        raise CorruptRun(f"{path} is damaged: what it says beside its tensors is no table. Restore it, or fit again.")
    unknown = next((f"{name} is {dtype}" for name, (dtype, _) in kinds.items() if dtype not in DTYPES), "")
    if unknown:
        raise CorruptRun(f"{path} holds a type of numbers that loglik does not write: {unknown}. Restore it.")
    return {name: Kind(DTYPES[dtype], shape) for name, (dtype, shape) in kinds.items()}, header


def _named(path: Path, opened: BinaryIO) -> str:
    """A name that safetensors can open, which takes UTF-8 alone: that of the open file where the path is not."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return f"/dev/fd/{opened.fileno()}"
    return str(path)


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle, as torch.save writes; it is looked at, never loaded.

    Raises:
        RunNotFound, CorruptRun: see `open_plain`.
    """
    with open_plain(path) as file:
        return _is_pickle(file)


def _is_pickle(file: BinaryIO) -> bool:
    """A safetensors file begins with the length of its header, whose bytes may be those that begin a pickle."""
    head = file.read(9)
    length = int.from_bytes(head[:8], "little")
    if len(head) >= 8 and length <= MOST_HEADER and head[8:] in (b"{", b""):  # also where the rest is cut off
        return False
    if head.startswith(ZIP) or PICKLED.match(head):
        return True
    file.seek(0)
    try:
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(file.read(PICKLE_BYTES)))
    except Exception:  # pickletools raises many kinds of error for a file that is no pickle
        return False


def check_kinds(found: Mapping[str, Kind], expected: Mapping[str, Kind], place: str) -> None:
    """Refuse tensors that have other names, types or shapes than those expected.

    Raises:
        CorruptRun: with the first that differs.
    """
    advice = (
        f"run.json (its model, hyperparameters or space) or {Path(place).name} was changed. Restore it, or fit again."
    )
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    if missing or extra:
        name, what = (missing[0], "has no") if missing else (extra[0], "holds an unknown")
        raise CorruptRun(
            f"Expected the tensors that run.json asks for; {place} {what} tensor {name[:80]!r}, and "
            f"{len(missing) + len(extra)} in all differ: {advice}"
        )
    for name, kind in expected.items():
        if found[name] != kind:
            raise CorruptRun(f"Expected {name} in {place} to be {kind}; got {found[name]}: {advice}")
