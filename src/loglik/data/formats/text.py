"""Text as windows of T characters: Category((T,), V), one level for each character of the training part, and one more.

The last level stands for every character that the training part lacks, so that all text has a score. Characters are
those of the file (see `text_file`), case and line ends included.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loglik.data.formats.text_file import read_text
from loglik.data.source import Memory
from loglik.data.splits import LEAST_WINDOWS, split_stream
from loglik.data.windows import windows
from loglik.errors import EmptyData, OutsideSpace, ShapeMismatch, UsageError
from loglik.spaces import Category, Space

WINDOW = 128
UNSEEN = "\ufffd"  # what Unicode replaces the unknown by
SHARED = "{} characters that the training text lacks share one level"
AT_ONCE = 1 << 20


def open_text(
    path: str | Path,
    *,
    space: Space | None = None,
    vocabulary: tuple[str, ...] | None = None,
    window: int | None = None,
) -> Memory:
    """All windows of a text, in the vocabulary and space of a run, or in its own.

    The text's own vocabulary is that of the windows that a split trains on, so that other windows have unseen
    characters as well. A text shorter than a run's window is one event of its own length.

    Args:
        window: T, where no space states it.

    Raises:
        UsageError: a space without the vocabulary that its levels stand for. ShapeMismatch: not a space of text.
        OutsideSpace: a character unseen in training, where the vocabulary has no level for such.
    """
    read = read_text(path)
    text = read.characters
    if vocabulary is None:
        if space is not None:
            raise UsageError(
                f"The levels of {space} have no characters to read {path} by: text is scored by runs that were fitted "
                "to text, and in Python with open_source(..., reading=...)."
            )
        vocabulary = vocabulary_of(_training_text(text, window or WINDOW))
    chosen = space or Category((window or WINDOW,), len(vocabulary))
    if chosen != Category((chosen.dims,), len(vocabulary)):
        raise ShapeMismatch(f"Expected events of {chosen}; got a text, {path}, read by {len(vocabulary)} characters.")
    levels, unseen = encode(text, vocabulary, str(path))
    T = min(chosen.dims, len(text))
    if chosen.dims > T and space is None:
        raise EmptyData(
            f"Expected at least one window of {chosen.dims} characters; got {T} in {path}. Choose a shorter window."
        )
    x = windows(levels, T)
    source = Memory(replace(chosen, shape=(T,)), x, stream=chosen.dims == T, vocabulary=vocabulary)
    source.read_as, source.remark = read.read_as, _remark(len(text), chosen.dims, unseen)
    return source


def _remark(characters: int, T: int, unseen: int) -> str:
    """What a user should know of windows of T characters cut from a text."""
    left = characters % T
    told = [SHARED.format(unseen)] if unseen else []
    if characters < T:
        told.append(f"{characters} characters are less than a window of {T}, and are taken as they are")
    elif left:
        told.append(f"the last {left} characters fill no window of {T} and are left out")
    return "; ".join(told)


def _training_text(text: str, T: int) -> str:
    """The characters of the training windows; all of them where there are too few windows to split."""
    count = len(text) // T
    return text if count < LEAST_WINDOWS else text[: len(split_stream(count)["train"]) * T]


def vocabulary_of(text: str) -> tuple[str, ...]:
    """The distinct characters in the order of Unicode, then the one that stands for all others."""
    return (*sorted(set(text) - {UNSEEN}), UNSEEN)


def encode(text: str, vocabulary: tuple[str, ...], name: str) -> tuple[Tensor, int]:
    """The level of each character, (n,), and how many were unseen; uint8 up to 256 levels, else int32."""
    if any(len(symbol) != 1 for symbol in vocabulary):
        raise UsageError(f"Expected a vocabulary of characters to read {name}; got symbols of other lengths.")
    codes = np.array([ord(symbol) for symbol in vocabulary], np.uint32)
    order = np.argsort(codes)
    levels = np.empty(len(text), np.uint8 if len(codes) <= 256 else np.int32)
    unseen = 0
    for start in range(0, len(text), AT_ONCE):
        part = np.frombuffer(text[start : start + AT_ONCE].encode("utf-32-le", "surrogatepass"), np.uint32)
        place = order[np.searchsorted(codes[order], part).clip(max=len(codes) - 1)]
        strange = codes[place] != part
        if strange.any() and vocabulary[-1] != UNSEEN:
            place_of = int(strange.argmax())
            raise OutsideSpace(
                f"Expected characters of the run's text; got {text[start + place_of]!r} at character "
                f"{start + place_of + 1} of {name}."
            )
        place[strange] = len(codes) - 1
        unseen += int((place == len(codes) - 1).sum()) if vocabulary[-1] == UNSEEN else 0
        levels[start : start + len(part)] = place
    return torch.from_numpy(levels), unseen


def decode(x: Tensor, vocabulary: tuple[str, ...]) -> list[str]:
    """Windows (N, T) as N strings.

    Raises:
        ShapeMismatch: levels that the vocabulary does not name, of a run whose record is another's.
    """
    if x.numel() and int(x.max()) >= len(vocabulary):
        raise ShapeMismatch(
            f"Expected levels below {len(vocabulary)}, one for each character of the vocabulary; got {int(x.max())}. "
            "The record of the run does not belong to its weights; restore it."
        )
    return ["".join(vocabulary[level] for level in row) for row in x.reshape(len(x), -1).tolist()]
