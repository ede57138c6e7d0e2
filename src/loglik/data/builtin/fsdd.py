"""The Free Spoken Digit Dataset: the digits 0 to 9, spoken by several people, 8 kHz, 16 bits, mono.

Z. Jackson et al. 2018, Jakobovski/free-spoken-digit-dataset, DOI 10.5281/zenodo.1342401 (CC BY-SA 4.0). Files are named
{digit}_{speaker}_{index}.wav; the authors test on the recordings 0 to 4 of each digit and speaker.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from loglik.data.builtin.entry import Builtin
from loglik.data.builtin.places import find
from loglik.data.formats.sound.recordings import WINDOW, Recordings
from loglik.data.source import Dataset, Memory
from loglik.data.splits import PARTS
from loglik.errors import UnreadableData
from loglik.spaces import Category

NAME = re.compile(r"\d_[a-z]+_\d+\.wav")
DIGITS = Category((), levels=10)


@dataclass(frozen=True)
class _Spoken:
    """A recording, by its name."""

    path: Path
    digit: int
    speaker: str
    index: int

    @classmethod
    def of(cls, path: Path) -> "_Spoken":
        digit, speaker, index = path.stem.split("_")
        return cls(path, int(digit), speaker, int(index))

    @property
    def part(self) -> str:
        return "test" if self.index < 5 else "valid" if self.index < 10 else "train"


def load_fsdd(window: int | None = None, context: bool = False) -> Dataset:
    """Windows of T samples of all recordings of a part, 1024 unless stated; with `context`, the digit of each.

    A group is a recording. Speakers are not groups: each is in every part, so no score tells of other speakers.

    The shortest recording has 1149 samples, so every one gives at least one window of 1024. What is left of each, less
    than a window, is left out and counted.
    """
    (folder,) = find(FSDD.files)
    recordings = [_Spoken.of(path) for path in sorted(folder.glob("*.wav")) if NAME.fullmatch(path.name)]
    part: dict[str, Memory] = {}
    facts = {}
    for key in PARTS:
        mine = [recording for recording in recordings if recording.part == key]
        if not mine:
            raise UnreadableData(f"Expected recordings DIGIT_SPEAKER_INDEX.wav to {key} on in {folder}; got none.")
        paths, labels = [spoken.path for spoken in mine], [spoken.digit for spoken in mine] if context else None
        source = Recordings(paths, window=window or WINDOW, labels=labels, label_space=DIGITS)
        part[key], facts[key] = source.read(), source.facts
    split = {
        "how": "official: recordings 0 to 4 of each digit and speaker to test; here 5 to 9 to validate",
        "speakers": sorted({recording.speaker for recording in recordings}),
        "window": window or WINDOW,
        **{key: memory.rows for key, memory in part.items()},
        "recordings": facts,
    }
    return Dataset(FSDD.name, part["train"], part["valid"], part["test"], split)


FSDD = Builtin(
    "fsdd",
    load_fsdd,
    "Integer(1024,) with 65536 levels",
    "spoken digits, 8 kHz",
    files=("fsdd/recordings",),
    labelled=True,
    windowed=True,
)
