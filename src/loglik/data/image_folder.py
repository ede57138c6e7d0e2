"""Images of one size as events: Integer((C, H, W), 256), grey or colour; 2 levels of black and white, 65536 of 16 bits.

Pixels are taken as they are stored, without turning a photograph upright. A palette is looked up, and alpha that is
opaque everywhere is taken off, which loses nothing; what would have to be scaled, blended or rounded is refused.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loglik.data.checks import Origin, conform, one_line
from loglik.data.infer import stated_space
from loglik.data.source import Batch, Source
from loglik.errors import OutsideSpace, ShapeMismatch, UnreadableData
from loglik.spaces import Discrete, Integer, Space

KINDS = {"1": "black and white", "L": "grey", "RGB": "colour", "I;16": "16-bit grey"}
LEVELS = {"1": 2, "L": 256, "RGB": 256, "I;16": 65536}
PNG, DEEP_COLOURS = b"\x89PNG\r\n\x1a\n", (2, 4, 6)  # PNG's types of colour of which Pillow halves 16 bits, unsaid
AT_ONCE = 256


class Images(Source):
    """The images of files in this order, read as they are asked for.

    Args:
        labels: the class of each file, its context.

    Raises:
        ShapeMismatch: images of another size or kind than the first. UnreadableData: damaged, or of a kind that would
        have to be changed. OutsideSpace: values beyond the levels of a stated space. At the file concerned.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        space: Space | str | None = None,
        labels: Sequence[int] | None = None,
        label_space: Space | None = None,
    ) -> None:
        self._paths, self._labels = list(paths), labels
        self.context_space = None if labels is None else label_space
        self.rows: int = len(paths)
        mode, first = read_image(self._paths[0])
        self._mode, self._shape = mode, tuple(first.shape)
        own = Integer(self._shape, LEVELS[mode])
        self.space = own if space is None else stated_space(space, self._shape, str(paths[0]))
        if isinstance(self.space, Discrete) and self.space.levels > own.levels:
            raise OutsideSpace(
                f"Expected images of {self.space.levels} levels; got {KINDS[mode]}, of {own.levels}, in {paths[0]}. "
                "Save them with the depth of those that were trained on."
            )

    def batches(self, size: int) -> Iterator[Batch]:
        for start in range(0, self.rows, size):
            numbers = range(start, min(start + size, self.rows))
            c = None if self._labels is None else torch.tensor([self._labels[i] for i in numbers])
            yield self._stacked(numbers), c

    def _stacked(self, numbers: range) -> Tensor:
        """(B, C, H, W), filled one by one: no image is in memory twice."""
        first = self._image(numbers[0])
        x = first.new_empty(len(numbers), *first.shape)
        x[0] = first
        for place, number in enumerate(numbers[1:], start=1):
            x[place] = self._image(number)
        return x

    def _image(self, number: int) -> Tensor:
        path = self._paths[number]
        mode, image = read_image(path)
        if (mode, tuple(image.shape)) != (self._mode, self._shape):
            raise ShapeMismatch(
                f"Expected images of one size and kind; got {_said(self._mode, self._shape)} in {self._paths[0]} and "
                f"{_said(mode, tuple(image.shape))} in {path}. Crop or convert them first: magick mogrify -resize "
                f"{self._shape[2]}x{self._shape[1]}! *{path.suffix}."
            )
        event = conform(image[None], self.space, Origin(str(path)))[0]
        return event.int() if event.dtype == torch.int64 else event


def read_image(path: Path) -> tuple[str, Tensor]:
    """An image's kind, a key of `KINDS`, and its pixels (C, H, W): uint8, or int32 of 16 bits.

    Raises:
        UnreadableData: damaged; several images in one file; transparent; colours of 16 bits, CMYK and other kinds.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            _check_frames(image, path)
            image.load()
            pixels = _plain(image, path)
    except UnreadableData:
        raise
    except Exception as error:  # Pillow's readers fail in as many ways as there are formats
        raise UnreadableData(f"Expected an image; {path} cannot be read ({one_line(error)}).") from None
    array = np.asarray(pixels)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    dtype = np.int32 if pixels.mode == "I;16" else np.uint8
    return pixels.mode, torch.from_numpy(np.array(array, dtype=dtype, order="C"))


def _check_frames(image: Any, path: Path) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise UnreadableData(f"Expected one image in a file; got {frames} in {path}. Save them one by one.")
    with path.open("rb") as file:
        head = file.read(26)
    if head.startswith(PNG) and head[24] == 16 and head[25] in DEEP_COLOURS:
        raise UnreadableData(
            f"Expected colours of 8 bits; got 16 in {path}. Convert it: magick in.png -depth 8 out.png."
        )


def _plain(image: Any, path: Path) -> Any:
    """The same pixels in one of the plain modes."""
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
    if image.mode in ("LA", "RGBA"):
        low, _ = image.getchannel("A").getextrema()
        if low < 255:
            raise UnreadableData(
                f"Expected opaque pixels; {path} is transparent in places. Choose what is behind it: "
                "magick in.png -background white -flatten out.png."
            )
        image = image.convert(image.mode.removesuffix("A"))
    if image.mode in ("I", "I;16B", "I;16L", "I;16N"):
        low, high = image.getextrema() if image.mode == "I" else (0, 65535)
        if low >= 0 and high <= 65535:
            from PIL import Image

            return Image.fromarray(np.asarray(image).astype(np.uint16))
    if image.mode not in KINDS:
        raise UnreadableData(f"Expected grey or RGB; got pixels of kind {image.mode} in {path}. Convert it to RGB.")
    return image


def _said(mode: str, shape: tuple[int, ...]) -> str:
    """ "481 x 321 colour", width first, as image programs say it."""
    return f"{shape[2]} x {shape[1]} {KINDS[mode]}"
