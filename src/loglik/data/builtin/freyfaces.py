"""Frey faces (S. Roweis, B. Frey): the face of one man, frame by frame from a video.

No split is official. Frames next to each other are nearly the same, so every 50 of them are a group, which lies in one
part whole; still it is one man, and the test rows are no measure of other faces.
"""

import torch

from loglik.data.builtin.entry import Builtin
from loglik.data.builtin.places import find
from loglik.data.formats.npy import open_npy
from loglik.data.source import Dataset, Memory
from loglik.data.splits import split_source
from loglik.errors import UnreadableData
from loglik.spaces import Integer

# Of a video: a frame is much more like those nearer than these (distance to the nearest 248, then 362).
FRAMES_ALIKE = 50


def load_freyfaces() -> Dataset:
    """1965 frames (1, 28, 20) of one video, about 1376 / 196 / 393 rows; a group is 50 frames."""
    (path,) = find(FREYFACES.files)
    x = open_npy(str(path), path.name).read().x
    if x.shape[1:] != (28, 20):
        raise UnreadableData(f"Expected frames (N, 28, 20); got {tuple(x.shape)} in {path}.")
    groups = torch.arange(len(x)) // FRAMES_ALIKE
    return split_source(FREYFACES.name, Memory(Integer((1, 28, 20), levels=256), x[:, None], groups=groups), seed=0)


FREYFACES = Builtin(
    "freyfaces",
    load_freyfaces,
    "Integer(1, 28, 20) with 256 levels",
    "the face of one man, from a video",
    files=("freyfaces/freyfaces.npy",),
)
