"""Sound as windows of T samples: Integer((T,), 65536) of 16-bit recordings, level = sample + 32768.

Samples are taken as they were recorded: 8 bits make 256 levels, 16 bits 65536. Wider files, of 24 or 32 bits or floats,
are read if all their samples are whole 16-bit values, as of recordings that were only stored so; what would have to be
rounded, mixed down or resampled is refused, for that changes what a score means.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loglik.arguments.memory import check_memory
from loglik.data.checks import Array
from loglik.data.formats.sound.file import WIDER, Recording, opened, read_header
from loglik.data.source import Batch, Memory, Source, rebatched
from loglik.errors import EmptyData, NotFinite, ShapeMismatch, UnreadableData
from loglik.spaces import Integer, Space

WINDOW = 1024
SAMPLES_AT_ONCE = 1 << 24  # of a file; wide ones take 8 bytes each while they are read


class Recordings(Source):
    """The windows of recordings, one file after the other; what is left of each, less than T samples, is left out.

    The windows of one file are a group; those of a single file are a stream.

    Args:
        labels: the class of each file, which is the context of its windows.

    Raises:
        EmptyData: no file with T samples. UnreadableData: damaged, or neither mono nor 16-bit. ShapeMismatch: files of
        different rates or widths. All of them at once, but for damage beyond a file's header.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        window: int = WINDOW,
        space: Space | None = None,
        labels: Sequence[int] | None = None,
        label_space: Space | None = None,
    ) -> None:
        T = window if space is None else space.dims
        files = [read_header(path) for path in paths]
        self.sample_rate, self.levels = _agreeing(files)
        self.space = Integer((T,), self.levels)
        if space is not None and space != self.space:
            raise ShapeMismatch(f"Expected events of {space}; got sound of {self.levels} levels, {paths[0]}.")
        self._name = _named(paths)
        self._labels, self.context_space = labels, None if labels is None else label_space
        self._files = [(file, file.frames // T) for file in files]
        counts = torch.tensor([count for _, count in self._files])
        self.rows: int = int(counts.sum())
        self.stream = len(paths) == 1
        if not self.stream:
            self.groups = torch.arange(len(paths)).repeat_interleave(counts)
        self.left_out = sum(file.frames for file in files) - self.rows * T
        if not self.rows:
            longest = max(file.frames for file in files)
            raise EmptyData(
                f"Expected a window of {T} samples; the longest of {self._name} has {longest}. Choose a shorter window."
            )
        if self.left_out:
            self.remark = f"{self.left_out} samples at the ends fill no window of {T} and are left out"
        self.read_as = _read_as(files)

    def read(self) -> Memory:
        size = 1 if self.levels == 256 else 4
        what = f"{self.rows * self.space.dims} samples of {self._name}"
        check_memory(float(size) * self.rows * self.space.dims, what, "Cut them, or take fewer recordings.")
        return super().read()

    @property
    def facts(self) -> dict[str, int]:
        """What a split says of its recordings."""
        short = sum(count == 0 for _, count in self._files)
        return {"files": len(self._files), "too short for a window": short, "samples left out": self.left_out}

    def batches(self, size: int) -> Iterator[Batch]:
        return rebatched(self._parts(size), size)

    def _parts(self, size: int) -> Iterator[Batch]:
        """The windows of each file, some at a time, and their classes."""
        T = self.space.dims
        at_once = min(size, max(1, SAMPLES_AT_ONCE // T))
        for number, (file, count) in enumerate(self._files):
            for x in windows_of(file, T, at_once) if count else ():
                yield x, None if self._labels is None else torch.full((len(x),), self._labels[number])


def _read_as(files: Sequence[Recording]) -> str:
    unclosed = sum(file.unclosed for file in files)
    if not unclosed:
        return ""
    return f"to the end, for the length was never written ({unclosed} of {len(files)} recordings)"


def windows_of(recording: Recording, T: int, at_once: int) -> Iterator[Tensor]:
    """All windows of a recording as levels, (n, T) with n of at most `at_once`: int32, or uint8 of 8 bits.

    Raises:
        UnreadableData, NotFinite: see the beginning of this file.
    """
    left = recording.frames // T
    with opened(recording.path) as file:
        while left:
            count = min(left, at_once)
            samples = file.read(count * T, dtype="float64" if recording.subtype in WIDER else "int16")
            if len(samples) < count * T:
                there = recording.frames - recording.frames % T - left * T + len(samples)
                raise UnreadableData(
                    f"Expected {recording.frames} samples, as {recording.path} states; got {there}: it is damaged."
                )
            first = recording.frames // T * T - left * T
            yield levels_of(samples, recording, first).reshape(count, T)
            left -= count


def levels_of(samples: Array, recording: Recording, first: int = 0) -> Tensor:
    """Samples as they come from the file, beginning with number `first`, as levels of the same shape."""
    if recording.subtype in WIDER:
        samples = _narrowed(samples, recording, first)
    if recording.levels == 256:
        return torch.from_numpy(((samples >> 8) + 128).astype(np.uint8))
    return torch.from_numpy(samples.astype(np.int32) + 32768)


def _narrowed(samples: Array, recording: Recording, first: int) -> Array:
    """Samples in [-1, 1) that are multiples of 2^-15, as 16-bit values; others are refused."""
    path = recording.path
    if not np.isfinite(samples).all():
        place = int(np.isfinite(samples).argmin())
        raise NotFinite(f"Expected finite samples; got {samples[place]} at sample {first + place + 1} of {path}.")
    scaled: Array = samples * 32768.0
    whole = (scaled == np.floor(scaled)) & (scaled >= -32768) & (scaled <= 32767)
    if not whole.all():
        place = int(whole.argmin())
        raise UnreadableData(
            f"Expected samples of 16 bits; {path} ({recording.subtype}) holds {samples[place]:.9g} at sample "
            f"{first + place + 1}, which would have to be rounded or clipped. Convert it first: sox in.wav -b 16 -e "
            "signed-integer out.wav."
        )
    return scaled


def _agreeing(files: Sequence[Recording]) -> tuple[int, int]:
    """The sample rate and the levels of all files, which must be the same."""
    first = files[0]
    for file in files:
        if file.rate != first.rate:
            raise ShapeMismatch(
                f"Expected one sample rate; got {first.rate} Hz in {first.path} and {file.rate} Hz in {file.path}. "
                f"Resample one: sox in.wav -r {first.rate} out.wav."
            )
        if file.levels != first.levels:
            raise ShapeMismatch(
                f"Expected samples of one width; got {first.levels} levels in {first.path} and {file.levels} in "
                f"{file.path}. Convert one."
            )
    return first.rate, first.levels


def _named(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)} recordings ({paths[0]}, ...)"
