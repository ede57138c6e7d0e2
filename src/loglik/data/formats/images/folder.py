"""Images of one size as events: Integer((C, H, W), levels), grey or colour, upright, with their own levels.

8 bits are 256 levels, black and white 2, 16 bits 65536. What means the same is read the same: a palette is looked up,
alpha that is opaque everywhere is taken off, photographs are turned as the camera noted, colour images without any
colour are grey. In a folder of several kinds each image becomes the richest of them (grey becomes colour, 4 bits become
8), which loses nothing; `read_as` says so. What would have to be scaled, blended or rounded is refused.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from loglik.data.checks import Origin, conform
from loglik.data.formats.images.file import Header, read_header, read_image
from loglik.data.infer import stated_space
from loglik.data.source import Batch, Source
from loglik.errors import OutsideSpace, ShapeMismatch, UnreadableData
from loglik.spaces import Integer, Space


class Images(Source):
    """The images of files in this order, read as they are asked for; their headers are read at once.

    Args:
        space: that of a run, or in words; images that mean the same are given the channels and levels of a run.
        labels: the class of each file, its context.

    Raises:
        ShapeMismatch: images of another size than the first, or colours where a run knows grey. UnreadableData:
        damaged, or of a kind that would have to be changed. OutsideSpace: values beyond the levels of a stated space.
        At the file concerned.
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
        self._headers = [read_header(path) for path in self._paths]
        self._check_sizes()
        run = space if isinstance(space, Space) else None
        known = run is not None and len(run.shape) == 3 and run.shape[0] in (1, 3)
        self._channels = run.shape[0] if run is not None and known else 3 if self._in_colour() else 1
        shape = (self._channels, self._headers[0].height, self._headers[0].width)
        chosen = None if space is None else stated_space(space, shape, str(paths[0]))
        self._top = self._common_top(chosen)
        self.space = chosen or Integer(shape, self._top + 1)
        self.read_as = _changes(self._paths, self._headers, self._channels, self._top)

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
        header, image = read_image(path)
        if header != self._headers[number]:
            raise UnreadableData(f"Expected files that stay as they are; {path} changed while it was read. Try again.")
        levels = self._in_top(image, header.top)
        event = conform(self._in_channels(levels, path)[None], self.space, Origin(str(path)))[0]
        return event.int() if event.dtype == torch.int64 else event

    def _in_top(self, image: Tensor, top: int) -> Tensor:
        """Values 0..top as the same ones of 0..self._top, where that is exact; else as they are stored."""
        if top == self._top:
            return image
        if self._top % top == 0:
            return image.int() * (self._top // top)
        ratio = top // self._top
        exact = top % self._top == 0 and bool((image % ratio == 0).all())
        return image // ratio if exact else image

    def _in_channels(self, image: Tensor, path: Path) -> Tensor:
        """Grey as colour of three equal channels, and the other way."""
        if len(image) == self._channels:
            return image
        if len(image) == 1:
            return image.expand(self._channels, -1, -1)
        if not _is_grey(image):
            raise ShapeMismatch(f"Expected grey images, as the first or the run's; got colours in {path}. Convert it.")
        return image[:1]

    def _check_sizes(self) -> None:
        """Raises ShapeMismatch with the first two that differ in size."""
        first = self._headers[0]
        for path, header in zip(self._paths, self._headers, strict=True):
            if (header.width, header.height) != (first.width, first.height):
                raise ShapeMismatch(
                    f"Expected images of one size; got {first} in {self._paths[0]} and {header} in {path}. Crop or "
                    f"scale copies of them first: magick in{path.suffix} -resize {first.width}x{first.height}! out.png."
                )

    def _in_colour(self) -> bool:
        """Whether any image has a pixel that is not grey; the first one usually tells."""
        coloured = (path for path, header in zip(self._paths, self._headers, strict=True) if header.colour)
        return any(not _is_grey(read_image(path)[1]) for path in coloured)

    def _common_top(self, stated: Space | None) -> int:
        """The value of white that all images are read by: of the stated levels, or the deepest of the files.

        Raises:
            ShapeMismatch: depths of which one is no multiple of the other. OutsideSpace: fewer levels than stated.
        """
        deepest = max(range(self.rows), key=lambda i: self._headers[i].top)
        top = self._headers[deepest].top
        for path, header in zip(self._paths, self._headers, strict=True):
            if top % header.top:
                raise ShapeMismatch(
                    f"Expected images of one depth; got {header} in {path} and {self._headers[deepest]} in "
                    f"{self._paths[deepest]}. Convert one."
                )
        if stated is None or stated.limits is None:
            return top if stated is None else max(top, 255)
        wanted = stated.limits[1]
        for path, header in zip(self._paths, self._headers, strict=True):
            if wanted > header.top and wanted % header.top:
                raise OutsideSpace(
                    f"Expected images of {wanted + 1} levels; got {header}, of {header.top + 1}, in {path}. "
                    "Save them with the depth of those that were trained on."
                )
        # White of a run of 17 levels is none of a byte's: such images hold the levels themselves.
        return wanted if wanted % top == 0 or top % wanted == 0 else top


def _is_grey(image: Tensor) -> bool:
    return bool((image[0] == image[1]).all()) and bool((image[0] == image[2]).all())


def _alone(paths: Sequence[Path], headers: Sequence[Header]) -> str:
    """Names the only image with colours, or the only one without: it may be in the wrong folder."""
    coloured = [header.colour for header in headers]
    for which, what in ((True, "only {} has colours"), (False, "only {} has none")):
        if len(headers) > 2 and coloured.count(which) == 1:
            return f" ({what.format(paths[coloured.index(which)].name)})"
    return ""


def _changes(paths: Sequence[Path], headers: Sequence[Header], channels: int, top: int) -> str:
    """How many images were changed, and how; empty if none was."""
    other = (
        f"grey as colour{_alone(paths, headers)}" if channels == 3 else "colour whose channels are all equal, as grey"
    )
    steps: dict[str, Callable[[Header], bool]] = {
        "turned upright as the camera noted (EXIF)": lambda header: header.turned,
        other: lambda header: header.colour != (channels == 3),
        f"with their levels spread over 0..{top}": lambda header: header.top < top,
        f"with their levels as the same of 0..{top}": lambda header: header.top > top,
        "with a palette, looked up": lambda header: header.palette,
        "with opaque alpha, left out": lambda header: header.alpha,
        "with several pictures, of which the first": lambda header: header.first,
    }
    counts = {step: sum(map(concerns, headers)) for step, concerns in steps.items()}
    done = [step if len(headers) == 1 else f"{count} {step}" for step, count in counts.items() if count]
    before = f"of {len(headers)} images " if done and len(headers) > 1 else ""
    return before + ", ".join(done)
