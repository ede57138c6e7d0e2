"""MNIST, Fashion-MNIST, binarised MNIST and CIFAR-10, read from their official files (see `places`).

Splits are the official ones; where none is given for validation it is the last rows of the training part.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loglik.data.builtin.entry import Builtin
from loglik.data.builtin.places import find
from loglik.data.formats.cifar_pickle import read_batch
from loglik.data.formats.idx import read_bytes, read_idx
from loglik.data.source import Dataset, Memory
from loglik.errors import UnreadableData
from loglik.spaces import Category, Integer, Space

LABELS = Category((), levels=10)
PARTS = ("train", "valid", "test")
GREY, BINARY = "Integer(1, 28, 28) with 256 levels", "Integer(1, 28, 28) with 2 levels"
CIFAR10_FILES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
IDX_FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
IDX_SETS = {"mnist": ("MNIST", "handwritten digits"), "fashion-mnist": ("FashionMNIST", "clothes")}


def load_idx(name: str, context: bool = False) -> Dataset:
    """MNIST or Fashion-MNIST: 50 000 / 10 000 / 10 000 grey images (1, 28, 28) of 256 levels."""
    images, classes, test_images, test_classes = (read_idx(path) for path in find(_idx_files(name)))
    for x, c in ((images, classes), (test_images, test_classes)):
        if x.ndim != 3 or c.shape != x.shape[:1]:
            sizes = f"{tuple(x.shape)} and {tuple(c.shape)}"
            raise UnreadableData(f"Expected images and as many labels in the files of {name}; got sizes {sizes}.")
    space = Integer((1, *images.shape[1:]), levels=256)
    train, test = (images.unsqueeze(1), classes.long()), (test_images.unsqueeze(1), test_classes.long())
    return official(name, space, train, test, valid_rows=10_000, context=context)


def _idx_files(name: str) -> tuple[str, ...]:
    folder, _ = IDX_SETS[name]
    return tuple(f"{folder}/raw/{file}" for file in IDX_FILES)


def load_cifar10(context: bool = False) -> Dataset:
    """45 000 / 5000 / 10 000 colour images (3, 32, 32) of 256 levels."""
    batches = [read_batch(path) for path in find(CIFAR10.files)]
    images = torch.cat([x for x, _ in batches[:-1]])
    classes = torch.cat([c for _, c in batches[:-1]])
    space = Integer((3, 32, 32), levels=256)
    return official(CIFAR10.name, space, (images, classes), batches[-1], valid_rows=5000, context=context)


def load_binarized_mnist() -> Dataset:
    """50 000 / 10 000 / 10 000 binary images (1, 28, 28), binarised once for all.

    H. Larochelle, I. Murray 2011, The Neural Autoregressive Distribution Estimator, AISTATS.
    """
    space = Integer((1, 28, 28), levels=2)
    train, valid, test = (Memory(space, read_amat(path)) for path in find(BINARIZED_MNIST.files))
    split = {"how": "official files", "train": train.rows, "valid": valid.rows, "test": test.rows}
    return Dataset(BINARIZED_MNIST.name, train, valid, test, split)


def read_amat(path: Path) -> Tensor:
    """Lines of 784 zeros and ones, as (N, 1, 28, 28) in uint8."""
    content = np.frombuffer(read_bytes(path), np.uint8)
    blank = np.isin(content, np.frombuffer(b" \t\r\n", np.uint8))
    bits = content[~blank] - ord("0")  # bytes below "0" wrap around to large ones
    if len(bits) % 784 or not len(bits) or int(bits.max()) > 1:
        raise UnreadableData(f"Expected lines of 784 zeros and ones; got others in {path}. Fetch it again.")
    return torch.from_numpy(bits.copy()).reshape(-1, 1, 28, 28)


def official(
    name: str,
    space: Space,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    valid_rows: int,
    context: bool,
) -> Dataset:
    """The official parts, each a pair of images and labels; validation is the end of the training part."""

    def part(pair: tuple[Tensor, Tensor], rows: slice) -> Memory:
        x, c = pair[0][rows], pair[1][rows]
        return Memory(space, x, c, LABELS) if context else Memory(space, x)

    cut = len(train[0]) - valid_rows
    if cut < 1:
        raise UnreadableData(f"Expected more than {valid_rows} training rows of {name}; got {len(train[0])}.")
    parts = part(train, slice(cut)), part(train, slice(cut, None)), part(test, slice(None))
    rows = dict(zip(PARTS, (p.rows for p in parts), strict=True))
    split = {"how": f"official; valid is the last {valid_rows} rows of the training part", **rows}
    return Dataset(name, *parts, split)


BINARIZED_MNIST = Builtin(
    "binarized-mnist",
    load_binarized_mnist,
    BINARY,
    "handwritten digits in black and white",
    files=tuple(f"binarized_mnist/binarized_mnist_{part}.amat" for part in PARTS),
)
CIFAR10 = Builtin(
    "cifar10",
    load_cifar10,
    "Integer(3, 32, 32) with 256 levels",
    "small colour photographs",
    files=tuple(f"cifar-10-batches-py/{file}" for file in CIFAR10_FILES),
    labelled=True,
)
IMAGE_SETS = (
    *(
        Builtin(name, partial(load_idx, name), GREY, about, files=_idx_files(name), labelled=True)
        for name, (_, about) in IDX_SETS.items()
    ),
    BINARIZED_MNIST,
    CIFAR10,
)
