"""The Free Spoken Digit Dataset: the digits 0 to 9, spoken by several people, 8 kHz, 16 bits, mono.

Z. Jackson et al. 2018, Jakobovski/free-spoken-digit-dataset, DOI 10.5281/zenodo.1342401 (CC BY-SA 4.0). Files are named
{digit}_{speaker}_{index}.wav; the authors test on the recordings 0 to 4 of each digit and speaker.
"""

import re

from loglik.data.builtin.entry import Builtin
from loglik.data.builtin.places import find
from loglik.data.formats.sound.recordings import WINDOW, Recordings
from loglik.data.source import Dataset, Memory
from loglik.errors import UnreadableData
from loglik.spaces import Category

NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")
DIGITS = Category((), levels=10)


def load_fsdd(window: int | None = None, context: bool = False) -> Dataset:
    """Windows of T samples of all recordings of a part, 1024 unless stated; with `context`, the digit of each.

    A group is a recording. Speakers are not groups: each is in every part, so no score tells of other speakers.

    The shortest recording has 1149 samples, so every one gives at least one window of 1024. What is left of each, less
    than a window, is left out and counted.
    """
    (folder,) = find(FSDD.files)
    named = [(path, NAME.fullmatch(path.name)) for path in sorted(folder.glob("*.wav"))]
    chosen = [(path, int(m[1]), m[2], int(m[3])) for path, m in named if m]
    part: dict[str, Memory] = {}
    facts = {}
    for key in ("train", "valid", "test"):
        mine = [(path, digit) for path, digit, _, index in chosen if _part_of(index) == key]
        if not mine:
            raise UnreadableData(f"Expected recordings DIGIT_SPEAKER_INDEX.wav to {key} on in {folder}; got none.")
        labels = [digit for _, digit in mine] if context else None
        source = Recordings([path for path, _ in mine], window=window or WINDOW, labels=labels, label_space=DIGITS)
        part[key], facts[key] = source.read(), source.facts
    split = {
        "how": "official: recordings 0 to 4 of each digit and speaker to test; here 5 to 9 to validate",
        "speakers": sorted({speaker for _, _, speaker, _ in chosen}),
        "window": window or WINDOW,
        **{key: memory.rows for key, memory in part.items()},
        "recordings": facts,
    }
    return Dataset(FSDD.name, part["train"], part["valid"], part["test"], split)


def _part_of(index: int) -> str:
    """The part that a recording belongs to, by its index."""
    return "test" if index < 5 else "valid" if index < 10 else "train"


FSDD = Builtin(
    "fsdd",
    load_fsdd,
    "Integer(1024,) with 65536 levels",
    "spoken digits, 8 kHz",
    files=("fsdd/recordings",),
    labelled=True,
    windowed=True,
)
