"""NPY and NPZ arrays: the rows of an array (N, *event), memory-mapped, read as they are asked for."""

import errno
import os
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, Literal

import numpy as np
from numpy.lib.npyio import NpzFile

from loglik.arguments.memory import check_memory, in_bytes
from loglik.data.checks import Array, Origin, conform
from loglik.data.formats.arrays import as_tensor, in_memory
from loglik.data.formats.signatures import described, remedy, true_format
from loglik.data.infer import Evidence, stated_space
from loglik.data.source import Batch, Memory, Source
from loglik.errors import ContextError, EmptyData, TooLarge, UnknownName, UnreadableData, UsageError
from loglik.ops import missing_in_words
from loglik.spaces import Real, Space

ARRAYS = ("x", "X", "train")  # what the data of an NPZ file is usually called
NPY, NPZ = b"\x93NUMPY", b"PK\x03\x04"  # how the files begin
DAMAGE = (
    ValueError, TypeError, EOFError, OSError, RuntimeError, OverflowError, SyntaxError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
CAUSES = {  # by what numpy and zipfile say
    "EOF: reading": "is damaged: cut short in its header",
    "mmap length": "is damaged: it is cut short, with fewer values than its header states",
    "more values than": "is damaged: it holds fewer values than its header states",
    "not a zip file": "is damaged or cut short: the list of its arrays at its end is missing",
    "Bad CRC": "is damaged: its checksum is another",
    "format version": "is of a version that this numpy does not know",
}


class NpySource(Source):
    """The rows of an array that may lie on the disk, (N, *event), converted and checked batch by batch."""

    def __init__(self, array: Array, name: str, space: Space | str | None = None) -> None:
        self._array = array if array.ndim != 1 else array[:, None]
        self._origin = Origin(name)
        # Raises what is wrong with type or sizes; of text, all of it tells whether it is of numbers.
        as_tensor(self._array if array.dtype.kind in "US" or not array.ndim else self._array[:1], self._origin)
        shape = tuple(self._array.shape[1:])
        self.rows: int = len(array)
        self.space = self._inferred(shape) if space is None else stated_space(space, shape, name)
        self.read_as = f"array of shape {array.shape}, {array.dtype}"

    def read(self) -> Memory:
        size = min(self.space.dtype.itemsize, self._array.dtype.itemsize)
        what = f"{self._origin.name}, {self.rows} rows of {self.space.dims} values,"
        check_memory(2.0 * self.rows * self.space.dims * size, what, "Take fewer rows, or a narrower type.")
        whole = super().read()
        whole.read_as += missing_in_words(whole.gaps)
        return whole

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
    """The array called `key`, or the only one, or x, X or train; `context` names another array of the file.

    Raises:
        UnknownName: no such array. UsageError: several that it may be. UnreadableData: damaged, or Python objects.
        TooLarge: beyond the memory at hand.
    """
    _check_magic(path, name, NPZ)
    # numpy leaves a file open that it opened itself and found damaged.
    with open(path, "rb") as file, _load(file, name) as archive:
        members = set(archive.zip.namelist())
        names = [n for n in archive.files if f"{n}.npy" in members]  # numpy gives bytes of what is no array
        if not names:
            raise EmptyData(
                f"Expected at least one array; got none in {name}, which is {true_format(path)}. Save one with numpy."
            )
        if len(context) > 1:
            raise UsageError(f"The context of an NPZ file is one array; got {len(context)} names.")
        chosen = key or _chosen([n for n in names if n not in context], names, name)
        x = NpySource(_member(archive, chosen, names, name), f"{name}:{chosen}", space)
        if len(names) > 1:
            x.read_as = f"{x.read_as}, called {chosen!r} of {_listed(names)}"
            x.remark = "" if key or context else _others(names, chosen, name)
        if not context:
            return x
        beside = _member(archive, context[0], names, name)
    whole = x.read()
    both = in_memory(whole.x, beside, whole.space)
    both.context_columns, both.read_as = tuple(context), whole.read_as
    return both


def _chosen(among: Sequence[str], names: Sequence[str], name: str) -> str:
    """The array to read: the only one, or the only one with a usual name."""
    usual = [n for n in ARRAYS if n in among]
    if len(among) == 1 or len(usual) == 1:
        return usual[0] if usual else among[0]
    raise UsageError(
        f"Expected one array, or one called x, X or train; got {_listed(names)} in {name}. Choose one: "
        f"{name}:{(usual or among or names)[0]}."
    )


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = (name if name.isprintable() and name else repr(name) for name in names[:most])
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def _others(names: Sequence[str], chosen: str, name: str) -> str:
    """How to choose another array than the one that was."""
    other = next(n for n in names if n != chosen)
    return f"the array {chosen!r} is read; for {other!r}, name {name}:{_listed([other])}"


def _check_magic(path: str, name: str, magic: bytes) -> None:
    with open(path, "rb") as file:
        start = file.read(len(magic))
    if start != magic:  # numpy would take anything else for a pickle
        kind = "NPY array" if magic == NPY else "NPZ archive"
        found = described(path)
        what = f"is {found}" if found else "begins as no format that is known here"
        advice = remedy(found, "Save the array with numpy.save or numpy.savez.")
        raise UnreadableData(f"Expected an {kind}; got {name}, which {what}. {advice}")


def _load(file: str | IO[bytes], name: str, mmap_mode: Literal["r"] | None = None) -> Any:
    try:
        with _quiet():
            return np.load(file, mmap_mode=mmap_mode, allow_pickle=False)
    except DAMAGE as error:
        if getattr(error, "errno", None) == errno.ENOMEM:  # `ulimit -v` holds for what is only mapped, too
            size = in_bytes(os.path.getsize(file if isinstance(file, str) else file.name))
            raise TooLarge(
                f"Expected room for the {size} of {name}; the system grants less. Take fewer rows."
            ) from None
        raise _unreadable(name, error) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without numpy's warnings of impossible shapes, and of headers written by Python 2, which can be read."""
    with np.errstate(over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _member(archive: NpzFile, key: str, names: Sequence[str], name: str) -> Array:
    if key not in names:
        raise UnknownName("array", key, names, f"These are the arrays of {name}.")
    assert archive.zip is not None
    size = archive.zip.getinfo(f"{key}.npy").file_size  # as stated: what is longer is cut, and then damaged
    check_memory(size, f"{name}:{key}, unpacked,", "Save the array as NPY, which is read in parts.")
    try:
        with _quiet():
            array: Array = archive[key]
    except MemoryError:  # a shape of nonsense
        raise _unreadable(f"{name}:{key}", ValueError("more values than the file holds")) from None
    except DAMAGE as error:
        raise _unreadable(f"{name}:{key}", error) from None
    return array


def _unreadable(name: str, error: Exception) -> UnreadableData:
    if any(words in str(error) for words in ("Object arrays cannot be loaded", "Python objects in dtype")):
        return UnreadableData(
            f"Expected an array of numbers; got Python objects in {name}, which are pickled: loading them would run "
            "code. Save a numeric array."
        )
    what = next((what for words, what in CAUSES.items() if words in str(error)), "is damaged")
    return UnreadableData(f"Expected a NumPy file; got {name}, which {what}. Copy or save it again.")
