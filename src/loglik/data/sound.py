"""Sound as windows of T samples: Integer((T,), 65536) of 16-bit recordings, level = sample + 32768.

Samples are taken as they were recorded: 8 bits make 256 levels, 16 bits 65536. Wider files, of 24 or 32 bits or floats,
are read if all their samples are whole 16-bit values, as of recordings that were only stored so; what would have to be
rounded, mixed down or resampled is refused, for that changes what a score means.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loglik.data.checks import one_line
from loglik.data.source import Batch, Source
from loglik.errors import EmptyData, NotFinite, ShapeMismatch, UnreadableData
from loglik.spaces import Integer, Space

WINDOW = 1024
LEVELS = {"PCM_U8": 256, "PCM_S8": 256, "PCM_16": 65536}  # what other subtypes hold is looked at
WIDER = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")
CUT_SHORT = re.compile(r"data : (\d+) \(should be (\d+)\)")  # in libsndfile's log; pipes declare 2^32 - 1 bytes


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
        window: int = WINDOW,
        space: Space | None = None,
        labels: Sequence[int] | None = None,
        label_space: Space | None = None,
    ) -> None:
        T = window if space is None else space.dims
        infos = [_header(path) for path in paths]
        self.sample_rate, self.levels = _agreeing(paths, infos)
        self.space = Integer((T,), self.levels)
        if space is not None and space != self.space:
            raise ShapeMismatch(f"Expected events of {space}; got sound of {self.levels} levels, {paths[0]}.")
        self._labels, self.context_space = labels, None if labels is None else label_space
        self._files = [(path, info.subtype, info.frames // T) for path, info in zip(paths, infos, strict=True)]
        counts = torch.tensor([count for _, _, count in self._files])
        self.rows: int = int(counts.sum())
        self.stream = len(paths) == 1
        if not self.stream:
            self.groups = torch.arange(len(paths)).repeat_interleave(counts)
        self.left_out = sum(info.frames for info in infos) - self.rows * T
        if not self.rows:
            longest = max(info.frames for info in infos)
            raise EmptyData(f"Expected a window of {T} samples; the longest of {_named(paths)} has {longest}.")
        if self.left_out:
            self.remark = f"{self.left_out} samples at the ends fill no window of {T} and are left out"

    @property
    def facts(self) -> dict[str, int]:
        """What a split says of its recordings."""
        short = sum(count == 0 for _, _, count in self._files)
        return {"files": len(self._files), "too short for a window": short, "samples left out": self.left_out}

    def batches(self, size: int) -> Iterator[Batch]:
        held: list[tuple[Tensor, Tensor | None]] = []
        T = self.space.dims
        for number, (path, subtype, count) in enumerate(self._files):
            if not count:
                continue
            x = read_samples(path, subtype)[: count * T].reshape(count, T)
            c = None if self._labels is None else torch.full((count,), self._labels[number])
            held.append((x, c))
            while sum(len(x) for x, _ in held) >= size:
                x, c = _joined(held)
                yield x[:size], None if c is None else c[:size]
                held = [(x[size:], None if c is None else c[size:])]
        if sum(len(x) for x, _ in held):
            yield _joined(held)


def read_samples(path: Path, subtype: str) -> Tensor:
    """All samples of a mono recording as levels (n,): int32, or uint8 of 8 bits.

    Raises:
        UnreadableData, NotFinite: see the beginning of this file.
    """
    import soundfile

    wide = subtype in WIDER
    try:
        samples, _ = soundfile.read(str(path), dtype="float64" if wide else "int16")
    except (soundfile.SoundFileError, OSError) as error:
        raise UnreadableData(f"Expected a recording; {path} is damaged ({one_line(error)}).") from None
    if wide:
        samples = _narrowed(samples, subtype, path)
    if LEVELS.get(subtype) == 256:
        return torch.from_numpy(((samples >> 8) + 128).astype(np.uint8))
    return torch.from_numpy(samples.astype(np.int32) + 32768)


def _narrowed(samples: "np.ndarray[Any, Any]", subtype: str, path: Path) -> "np.ndarray[Any, Any]":
    """Samples in [-1, 1) that are multiples of 2^-15, as 16-bit values; others are refused."""
    if not np.isfinite(samples).all():
        place = int(np.isfinite(samples).argmin())
        raise NotFinite(f"Expected finite samples; got {samples[place]} at sample {place + 1} of {path}.")
    scaled = samples * 32768.0
    whole = (scaled == np.floor(scaled)) & (scaled >= -32768) & (scaled <= 32767)
    if not whole.all():
        place = int(whole.argmin())
        raise UnreadableData(
            f"Expected samples of 16 bits; {path} ({subtype}) holds {samples[place]:.9g} at sample {place + 1}, which "
            "would have to be rounded or clipped. Convert it first: sox in.wav -b 16 -e signed-integer out.wav."
        )
    return scaled


def _header(path: Path) -> Any:
    """What a file says of itself, once it is known to be whole, mono and not empty."""
    import soundfile

    try:
        info = soundfile.info(str(path), verbose=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise UnreadableData(f"Expected a recording, WAV or FLAC; {path} cannot be read ({one_line(error)}).") from None
    if info.subtype not in LEVELS and info.subtype not in WIDER:
        raise UnreadableData(
            f"Expected linear samples (PCM); got {info.subtype_info} in {path}. Convert it to 16 bits."
        )
    if info.channels != 1:
        raise UnreadableData(
            f"Expected one channel; got {info.channels} in {path}. Mix them down: sox in.wav out.wav remix -."
        )
    short = CUT_SHORT.search(info.extra_info)
    if short and int(short[2]) < int(short[1]) < 2**31 - 1:
        raise UnreadableData(f"Expected {short[1]} bytes of samples in {path}; got {short[2]}: it is cut short.")
    if not info.frames:
        raise EmptyData(f"Expected samples; got none in {path}.")
    return info


def _agreeing(paths: Sequence[Path], infos: Sequence[Any]) -> tuple[int, int]:
    """The sample rate and the levels of all files, which must be the same."""
    first = infos[0]
    levels = [LEVELS.get(info.subtype, 65536) for info in infos]
    for path, info, mine in zip(paths, infos, levels, strict=True):
        if info.samplerate != first.samplerate:
            raise ShapeMismatch(
                f"Expected one sample rate; got {first.samplerate} Hz in {paths[0]} and {info.samplerate} Hz in "
                f"{path}. Resample one: sox in.wav -r {first.samplerate} out.wav."
            )
        if mine != levels[0]:
            raise ShapeMismatch(
                f"Expected samples of one width; got {levels[0]} levels in {paths[0]} and {mine} in {path}. "
                "Convert one."
            )
    return int(first.samplerate), levels[0]


def _joined(parts: list[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    if len(parts) == 1:
        return parts[0]
    contexts = [c for _, c in parts if c is not None]
    return torch.cat([x for x, _ in parts]), torch.cat(contexts) if contexts else None


def _named(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)} recordings ({paths[0]}, ...)"
