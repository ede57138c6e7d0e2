"""NPY and NPZ arrays: the rows of an array (N, *event), memory-mapped, read as they are asked for."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from loglik.data.arrays import as_tensor, in_memory
from loglik.data.checks import Origin, conform, one_line
from loglik.data.infer import Evidence, stated_space
from loglik.data.source import Batch, Source
from loglik.errors import ContextError, EmptyData, UnknownName, UnreadableData, UsageError
from loglik.spaces import Real, Space

ARRAYS = ("x", "X", "train")  # what the data of an NPZ file is usually called
NPY, NPZ = b"\x93NUMPY", b"PK\x03\x04"  # how the files begin
DAMAGE = (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error, SyntaxError)


class NpySource(Source):
    """The rows of an array that may lie on the disk, (N, *event), converted and checked batch by batch."""

    def __init__(self, array: "np.ndarray[Any, Any]", name: str, space: Space | str | None = None) -> None:
        self._array = array if array.ndim != 1 else array[:, None]
        self._origin = Origin(name)
        as_tensor(self._array[:1] if array.ndim else array, self._origin)  # raises what is wrong with type or sizes
        shape = tuple(self._array.shape[1:])
        self.rows: int = len(array)
        self.space = self._inferred(shape) if space is None else stated_space(space, shape, name)

    def batches(self, size: int) -> Iterator[Batch]:
        for start in range(0, self.rows, size):
            x = as_tensor(self._array[start : start + size], self._origin)
            yield conform(x, self.space, self._origin, start), None

    def _inferred(self, shape: tuple[int, ...]) -> Space:
        if self._array.dtype.kind not in "biu":
            return Real(shape)
        evidence = Evidence()
        for start in range(0, self.rows, 4096):
            evidence.update(as_tensor(self._array[start : start + 4096], self._origin))
        return evidence.space(shape)


def open_npy(path: str, name: str, *, context: Sequence[str] = (), space: Space | str | None = None) -> Source:
    """Raises UnreadableData for a damaged file, or for Python objects, whose loading would run code."""
    if context:
        raise ContextError(f"An array has no named columns; got context {context[0]!r} for {name}.")
    _check_magic(path, name, NPY)
    return NpySource(_load(path, name, mmap_mode="r"), name, space)


def open_npz(
    path: str, name: str, key: str = "", *, context: Sequence[str] = (), space: Space | str | None = None
) -> Source:
    """The array called `key`, or x, X or train, or else the first; `context` names another array of the file.

    Raises:
        UnknownName: no such array. UnreadableData: damaged, or Python objects.
    """
    _check_magic(path, name, NPZ)
    # numpy leaves a file open that it opened itself and found damaged.
    with open(path, "rb") as file, _load(file, name) as archive:
        names = list(archive.files)
        if not names:
            raise EmptyData(f"Expected at least one array; got none in {name}.")
        chosen = key or next((n for n in ARRAYS if n in names), names[0])
        x = NpySource(_member(archive, chosen, name), f"{name}:{chosen}", space)
        if not context:
            return x
        if len(context) != 1:
            raise UsageError(f"The context of an NPZ file is one array; got {len(context)} names.")
        beside = _member(archive, context[0], name)
    whole = x.read()
    both = in_memory(whole.x, beside, whole.space)
    both.context_columns = tuple(context)
    return both


def _check_magic(path: str, name: str, magic: bytes) -> None:
    with open(path, "rb") as file:
        start = file.read(len(magic))
    if start != magic:  # numpy would take anything else for a pickle
        kind = "NPY array" if magic == NPY else "NPZ archive"
        raise UnreadableData(f"Expected an {kind}; got {name}, which begins with {start!r}. Save it with numpy.")


def _load(file: Any, name: str, mmap_mode: Any = None) -> Any:
    try:
        return np.load(file, mmap_mode=mmap_mode, allow_pickle=False)
    except DAMAGE as error:
        raise _unreadable(name, error) from None


def _member(archive: Any, key: str, name: str) -> "np.ndarray[Any, Any]":
    if key not in archive.files:
        raise UnknownName("array", key, archive.files, f"These are the arrays of {name}.")
    try:
        array: np.ndarray[Any, Any] = archive[key]
    except DAMAGE as error:
        raise _unreadable(f"{name}:{key}", error) from None
    return array


def _unreadable(name: str, error: Exception) -> UnreadableData:
    if "object" in str(error).lower():
        return UnreadableData(
            f"Expected an array of numbers; got Python objects in {name}, which are pickled: loading them would run "
            "code. Save a numeric array."
        )
    return UnreadableData(f"Expected a NumPy file; got {name}, which is damaged ({one_line(error)}).")
