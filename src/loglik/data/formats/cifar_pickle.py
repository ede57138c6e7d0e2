"""The batches of CIFAR-10's python distribution (A. Krizhevsky 2009, Learning Multiple Layers of Features).

They are pickles, and a pickle may run any code while it loads. This reader allows only the names that arrays of bytes
need, and replaces them by its own functions. Any other name is refused.
"""

import io
import pickle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loglik.data.checks import Array, one_line
from loglik.errors import UnreadableData

SHAPE = (3, 32, 32)


def read_batch(path: Path) -> tuple[Tensor, Tensor]:
    """One batch: images (N, 3, 32, 32) in uint8, classes (N,) in int64.

    Raises:
        UnreadableData: damaged, or not such a batch, or a pickle that names anything but arrays.
    """
    try:
        content = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except UnreadableData as error:
        raise UnreadableData(f"{error} Fetch {path} again from its official source.") from None
    except Exception as error:  # a damaged pickle fails in as many ways as there are opcodes
        raise UnreadableData(f"Expected a batch of CIFAR-10; {path} is damaged ({one_line(error)}).") from None
    images, classes = (content.get(key) for key in ("data", "labels")) if isinstance(content, dict) else (None, None)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (3072,):
        raise UnreadableData(f"Expected a batch of CIFAR-10, images (N, 3072) in bytes; got other content in {path}.")
    if not isinstance(classes, list) or len(classes) != len(images):
        raise UnreadableData(f"Expected one label per image, {len(images)}; got others in {path}. Fetch it again.")
    return torch.from_numpy(images.copy()).reshape(-1, *SHAPE), torch.tensor(classes, dtype=torch.int64)


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that can make dicts, lists, numbers, strings and arrays of bytes, and nothing else."""

    def find_class(self, module: str, name: str) -> object:
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): _empty_array,
            ("numpy._core.multiarray", "_reconstruct"): _empty_array,
            ("_codecs", "encode"): _bytes,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _byte_type,
        }
        if (module, name) not in allowed:
            raise UnreadableData(f"Expected arrays alone; got a pickle that names {module}.{name}, which is refused.")
        return allowed[module, name]


def _empty_array(*_: object) -> Array:
    """What numpy's own `_reconstruct` gives: an array that the pickle then fills."""
    return np.ndarray((0,), np.uint8)


def _bytes(text: str, *_: object) -> bytes:
    """How Python 3 writes bytes in a pickle that Python 2 can read."""
    return text.encode("latin1")


def _byte_type(code: str, *_: object) -> "np.dtype[np.uint8]":
    if code not in ("u1", "|u1"):
        raise UnreadableData(f"Expected arrays of bytes; got type {code!r}.")
    return np.dtype(np.uint8)
