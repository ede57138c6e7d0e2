"""Standard image data sets, read from their official files (see `places`).

Splits are the official ones; where none is given for validation it is the last rows of the training part.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loglik.data.builtin.places import find
from loglik.data.formats.cifar_pickle import read_batch
from loglik.data.formats.idx import read_bytes, read_idx
from loglik.data.formats.npy import open_npy
from loglik.data.source import Dataset, Memory
from loglik.data.splits import split_source
from loglik.errors import UnreadableData
from loglik.spaces import Category, Integer, Space

LABELS = Category((), levels=10)
# Of a video: a frame is much more like those nearer than these (distance to the nearest 248, then 362).
FRAMES_ALIKE = 50


def load_idx(name: str, context: bool = False) -> Dataset:
    """MNIST or Fashion-MNIST: 50 000 / 10 000 / 10 000 grey images (1, 28, 28) of 256 levels."""
    images, classes, test_images, test_classes = (read_idx(path) for path in find(name))
    for x, c in ((images, classes), (test_images, test_classes)):
        if x.ndim != 3 or c.shape != x.shape[:1]:
            sizes = f"{tuple(x.shape)} and {tuple(c.shape)}"
            raise UnreadableData(f"Expected images and as many labels in the files of {name}; got sizes {sizes}.")
    space = Integer((1, *images.shape[1:]), levels=256)
    train, test = (images.unsqueeze(1), classes.long()), (test_images.unsqueeze(1), test_classes.long())
    return official(name, space, train, test, valid_rows=10_000, context=context)


def load_cifar10(context: bool = False) -> Dataset:
    """45 000 / 5000 / 10 000 colour images (3, 32, 32) of 256 levels."""
    batches = [read_batch(path) for path in find("cifar10")]
    images = torch.cat([x for x, _ in batches[:-1]])
    classes = torch.cat([c for _, c in batches[:-1]])
    space = Integer((3, 32, 32), levels=256)
    return official("cifar10", space, (images, classes), batches[-1], valid_rows=5000, context=context)


def load_binarized_mnist() -> Dataset:
    """50 000 / 10 000 / 10 000 binary images (1, 28, 28), binarised once for all.

    H. Larochelle, I. Murray 2011, The Neural Autoregressive Distribution Estimator, AISTATS.
    """
    space = Integer((1, 28, 28), levels=2)
    train, valid, test = (Memory(space, read_amat(path)) for path in find("binarized-mnist"))
    split = {"how": "official files", "train": train.rows, "valid": valid.rows, "test": test.rows}
    return Dataset("binarized-mnist", train, valid, test, split)


def load_freyfaces() -> Dataset:
    """Frey faces (S. Roweis, B. Frey): 1965 frames (1, 28, 20) of one video, about 1376 / 196 / 393 rows.

    No split is official. Frames next to each other are nearly the same, so every 50 of them are a group, which lies in
    one part whole; still it is one man, and the test rows are no measure of other faces.
    """
    (path,) = find("freyfaces")
    x = open_npy(str(path), path.name).read().x
    if x.shape[1:] != (28, 20):
        raise UnreadableData(f"Expected frames (N, 28, 20); got {tuple(x.shape)} in {path}.")
    groups = torch.arange(len(x)) // FRAMES_ALIKE
    return split_source("freyfaces", Memory(Integer((1, 28, 20), levels=256), x[:, None], groups=groups), seed=0)


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
    rows = dict(zip(("train", "valid", "test"), (p.rows for p in parts), strict=True))
    split = {"how": f"official; valid is the last {valid_rows} rows of the training part", **rows}
    return Dataset(name, *parts, split)
