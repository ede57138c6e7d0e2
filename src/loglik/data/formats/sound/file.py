"""One recording: what its header states, checked, and the file opened for its samples.

A program that writes to a pipe cannot go back and write the length, so WAV files come with lengths of 0 or as large as
they can be. Players read those to the end, and so does this.
"""

import io
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loglik.arguments.memory import in_bytes
from loglik.data.formats.paths import check_file
from loglik.data.formats.signatures import described, remedy
from loglik.data.formats.stderr import discarding_stderr
from loglik.errors import EmptyData, LoglikError, UnreadableData

if TYPE_CHECKING:
    import soundfile

LEVELS = {"PCM_U8": 256, "PCM_S8": 256, "PCM_16": 65536}  # what other subtypes hold is looked at
WIDER = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")
CLIPPED = re.compile(r"data : (\d+) \(should be (\d+)\)")  # in libsndfile's log
MOST_OF_RIFF = (1 << 32) + 8  # bytes: the length, of 32 bits, counts what follows it
NOT_WRITTEN = 0x7FFFF000  # the least length that stands for none in a header; sox writes this one to pipes
MOST_FRAMES = 6554  # in a byte: FLAC takes at least 10 bytes for a block of 65535 equal samples
COUNTED_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Recording:
    """A mono file of `frames` samples; `unclosed` if their number was never written: all there are."""

    path: Path
    subtype: str
    frames: int
    rate: int
    unclosed: bool

    @property
    def levels(self) -> int:
        return LEVELS.get(self.subtype, 65536)


def read_header(path: Path) -> Recording:
    """What a file says of itself, once it is known to be whole, mono and not empty.

    Raises:
        UnreadableData: no recording, damaged, of several channels, or not of linear samples. EmptyData: no sample.
    """
    with opened(path) as file:
        if file.subtype not in LEVELS and file.subtype not in WIDER:
            raise UnreadableData(
                f"Expected linear samples (PCM); got {file.subtype_info} in {path}. Decode it to 16 bits first: "
                f"ffmpeg -i in{path.suffix} -c:a pcm_s16le out.wav."
            )
        if file.channels != 1:
            raise UnreadableData(
                f"Expected one channel; got {file.channels} in {path}. Mix them down: sox in.wav out.wav remix -."
            )
        clipped = CLIPPED.search(file.extra_info)
        stated, there = (int(clipped[1]), int(clipped[2])) if clipped else (0, 0)
        if there < stated < NOT_WRITTEN:
            raise UnreadableData(
                f"Expected {stated} bytes of samples in {path}; got {there}: it is cut short. Copy it again."
            )
        unclosed = stated >= NOT_WRITTEN or isinstance(file.name, _Unclosed)
        frames, size = file.frames, path.stat().st_size
        if frames >= 2**62:  # FLAC that says nothing
            frames, unclosed = _counted(file), True
        if frames > MOST_FRAMES * size:
            raise UnreadableData(
                f"Expected at most {MOST_FRAMES * size} samples in {size} bytes; {path} states {frames}."
            )
        if not frames:
            raise EmptyData(f"Expected samples; got none in {path}. Leave it out.")
        return Recording(path, file.subtype, frames, file.samplerate, unclosed)


@contextmanager
def opened(path: Path) -> Iterator["soundfile.SoundFile"]:
    """libsndfile's file; any error of it becomes an UnreadableData."""
    import soundfile

    check_file(str(path))
    _check_size(path)
    place = _length_not_written(path)
    try:
        with discarding_stderr():
            # Bytes, for names that are no UTF-8.
            file = soundfile.SoundFile(os.fsencode(path) if place is None else _Unclosed(path, place))
        with file:
            file.seekable = lambda: False  # or soundfile seeks after each read, which FLAC of unknown length cannot
            yield file
    except LoglikError:
        raise
    except (soundfile.SoundFileError, OSError, ValueError, TypeError, RuntimeError):
        what = described(str(path))
        if what in ("a WAV recording", "a FLAC recording", "a RIFF file"):
            told, advice = f"{what} that is damaged or cut short", "Copy it again."
        else:
            told = what or "in no known format, or damaged"
            advice = remedy(what, "Convert it to WAV (ffmpeg -i in out.wav), or name another.")
        raise UnreadableData(
            f"Expected a recording, WAV or FLAC; {path} cannot be read: it is {told}. {advice}"
        ) from None


def _check_size(path: Path) -> None:
    """Raises UnreadableData for a WAV file of more bytes than its header can state: some would be lost unnoticed."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size > MOST_OF_RIFF and file.read(4) == b"RIFF":
            raise UnreadableData(
                f"Expected a WAV file of at most {in_bytes(MOST_OF_RIFF)}, the most its header can state; got {path} "
                f"of {in_bytes(size)}. Cut it, or save it as FLAC or W64."
            )


def _length_not_written(path: Path) -> int | None:
    """Where a WAV file states 0 bytes of samples though some follow, the place of that figure."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE" or struct.unpack("<I", head[4:8])[0] + 8 == size:
            return None
        while len(chunk := file.read(8)) == 8:
            (length,) = struct.unpack("<I", chunk[4:])
            if chunk[:4] == b"data":
                return file.tell() - 4 if length == 0 and file.tell() < size else None
            file.seek(length + length % 2, io.SEEK_CUR)
    return None


class _Unclosed:
    """A WAV file as if its header said that the samples never end, for libsndfile to read as many as there are."""

    def __init__(self, path: Path, place: int) -> None:
        self._file = path.open("rb")
        head = bytearray(self._file.read(place + 4))
        head[4:8] = head[place:] = b"\xff" * 4
        self._head = bytes(head)
        self._file.seek(0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, count: int) -> bytes:
        start = self._file.tell()
        content = self._file.read(count)
        own = self._head[start : start + len(content)]
        return own + content[len(own) :]

    def __del__(self) -> None:
        self._file.close()


def _counted(file: "soundfile.SoundFile") -> int:
    total = 0
    while count := len(file.read(COUNTED_AT_ONCE, dtype="int16")):
        total += count
    return total
