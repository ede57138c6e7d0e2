"""Square crops of the Berkeley photographs, BSDS300.

D. Martin, C. Fowlkes, D. Tal, J. Malik 2001, A database of human segmented natural images, ICCV. They are JPEG files,
so the smallest patterns bear traces of compression. These crops are cut here, at places drawn from a seed.
Papers score 8x8 patches of D. Zoran, Y. Weiss 2011; these are others, so the scores do not compare.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loglik.data.builtin.entry import Builtin
from loglik.data.builtin.places import find
from loglik.data.formats.images.file import read_image
from loglik.data.source import Dataset, Memory
from loglik.errors import EmptyData, UnreadableData, UsageError
from loglik.spaces import Integer, Real

FOLDERS = ("BSDS300/images/train", "BSDS300/images/test")
SIDE = 16
SEED = 0
CROPS = {"train": 500, "valid": 500, "test": 100}  # of each photograph
VALID_PHOTOGRAPHS = 20
PATCH = 8  # the side of a patch
PATCHES = {"train": 500, "valid": 500, "test": 200}  # of each photograph


def load_bsds300(colour: bool = False, window: int | None = None) -> Dataset:
    """90 000 / 10 000 / 10 000 crops (1 or 3, S, S) of 256 levels, S = 16 unless stated; a group is a photograph.

    The official parts; the last 20 training photographs validate. Grey is 0.299 R + 0.587 G + 0.114 B, rounded (ITU-R
    BT.601, as Pillow computes it).
    """
    entry, side = BSDS300_COLOUR if colour else BSDS300, window or SIDE
    return _dataset(entry, Integer((3 if colour else 1, side, side), levels=256), CROPS)


def load_bsds300_patches() -> Dataset:
    """90 000 / 10 000 / 20 000 patches (63,): the 8 x 8 crops of grey photographs without their mean.

    x = (levels + u) / 256, u ~ U[0, 1) drawn once from the seed, minus the mean of the patch, without its last pixel:
    B. Uria, I. Murray, H. Larochelle 2013, RNADE, arXiv:1306.0186, section 5.2. Photographs as `load_bsds300` splits
    them.
    """
    levels = _dataset(BSDS300_PATCHES, Integer((1, PATCH, PATCH), levels=256), PATCHES)
    random = torch.Generator().manual_seed(SEED)
    train, valid, test = (_without_mean(part.read(), random) for part in (levels.train, levels.valid, levels.test))
    how = levels.split | {"noise": "uniform, drawn once", "values": "over 256, minus the mean, without the last pixel"}
    return Dataset(levels.name, train, valid, test, how)


def _without_mean(levels: Memory, random: torch.Generator) -> Memory:
    flat = levels.x.flatten(1).double()
    x = (flat + torch.rand(flat.shape, generator=random, dtype=torch.float64)) / 256
    x = (x - x.mean(1, keepdim=True))[:, :-1]
    return Memory(Real((x.shape[1],)), x, groups=levels.groups)


def _dataset(entry: Builtin, space: Integer, counts: dict[str, int]) -> Dataset:
    train, test = (sorted(folder.glob("*.jpg")) for folder in find(entry.files))
    if len(train) <= VALID_PHOTOGRAPHS or not test:
        raise EmptyData(
            f"Expected the photographs of BSDS300, *.jpg; got {len(train)} to train and {len(test)} to test."
        )
    cut = len(train) - VALID_PHOTOGRAPHS
    photographs = {"train": train[:cut], "valid": train[cut:], "test": test}
    random = np.random.Generator(np.random.PCG64(SEED))
    part = {}
    for key, paths in photographs.items():
        crops = _crops(paths, counts[key], space, random)
        part[key] = Memory(space, crops, groups=torch.arange(len(paths)).repeat_interleave(counts[key]))
    split = {
        "how": "official photographs, of the training part the last 20 to validate; crops at places drawn by PCG64",
        "seed": SEED,
        "window": space.shape[-1],
        "photographs": {key: len(paths) for key, paths in photographs.items()},
        **{key: memory.rows for key, memory in part.items()},
    }
    return Dataset(entry.name, part["train"], part["valid"], part["test"], split)


def _crops(paths: list[Path], count: int, space: Integer, random: np.random.Generator) -> Tensor:
    """`count` crops of each photograph, (N, C, S, S)."""
    C, side, _ = space.shape
    x = torch.empty(len(paths) * count, C, side, side, dtype=torch.uint8)
    for number, path in enumerate(paths):
        image = _photograph(path, C)
        height, width = image.shape[1:]
        if side > min(height, width):
            raise UsageError(f"Expected crops of at most {min(height, width)}, the size of {path}; got {side}.")
        tops, lefts = random.integers(height - side + 1, size=count), random.integers(width - side + 1, size=count)
        for place, (top, left) in enumerate(zip(tops, lefts, strict=True), start=number * count):
            x[place] = image[:, top : top + side, left : left + side]
    return x


def _photograph(path: Path, channels: int) -> Tensor:
    """(C, H, W) in uint8."""
    from PIL import Image

    header, image = read_image(path)
    if not header.colour:
        raise UnreadableData(f"Expected a colour photograph; got another image in {path}. Fetch it again.")
    if channels == 3:
        return image
    grey = Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L")
    return torch.from_numpy(np.array(grey))[None]


BSDS300 = Builtin(
    "bsds300",
    load_bsds300,
    "Integer(1, 16, 16) with 256 levels",
    "crops of grey photographs",
    files=FOLDERS,
    windowed=True,
)
BSDS300_PATCHES = Builtin(
    "bsds300-patches",
    load_bsds300_patches,
    "Real(63)",
    "8 x 8 patches of grey photographs, without their mean",
    files=FOLDERS,
)
BSDS300_COLOUR = Builtin(
    "bsds300-colour",
    partial(load_bsds300, colour=True),
    "Integer(3, 16, 16) with 256 levels",
    "crops of colour photographs",
    files=FOLDERS,
    windowed=True,
)
