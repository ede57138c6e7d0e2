"""The beginning of samples (`--given`): a text, the first values of a sequence, or a recording."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from loglik.arguments.ranges import shown
from loglik.contract import Model
from loglik.data import Reading, open_source
from loglik.data.formats.folders import SOUNDS
from loglik.data.formats.text import encode
from loglik.errors import UsageError
from loglik.tasks.sample import check_guided

UNITS = ("characters", "samples", "values")


@dataclass(frozen=True)
class Given:
    """A beginning (1, k), the length of the samples (None: that of the model), and a remark for the user."""

    values: Tensor | None
    length: int | None
    remark: str = ""


def read_given(model: Model, words: str | None, reading: Reading, length: int | None) -> Given:
    """Read the words of --given, and cut them to a beginning that the model can continue.

    A beginning of one window or more leaves nothing to draw, unless a greater length is stated. So only its last window
    is used, and one more window is drawn. A model of one length alone uses the last half window, and draws the other
    half.

    Raises:
        UsageError: a model that takes no beginning, characters that the training text lacks, values of no sequence, no
            more length than is given.
        DataError: the recording.
    """
    if words is None:
        return Given(None, length)
    check_guided(model)
    values = parse_given(model, words, reading)
    T, k = model.space.dims, values.shape[1]
    if length is not None and k >= length:
        raise UsageError(f"Expected a length beyond the {k} values given; got {length}. State more, or give fewer.")
    if length is not None or k < T:
        return Given(values, length)
    kept, follow = (T, T) if model.lengthens else (T // 2, T - T // 2)
    unit = UNITS[0] if reading.vocabulary else UNITS[1] if reading.sample_rate else UNITS[2]
    remark = f"{k} {unit} are given, and a window holds {T}: the last {kept} are used, and {follow} follow"
    return Given(values[:, k - kept :], kept + follow if model.lengthens else None, remark)


def parse_given(model: Model, words: str, reading: Reading) -> Tensor:
    """(1, k): text where levels are characters, a recording where they are samples, else "3,0,12", values of (T,)."""
    if reading.vocabulary is not None:
        return _characters(words, reading.vocabulary)[None].to(model.device)
    if reading.sample_rate is not None and words.lower().endswith(SOUNDS):
        return _samples(model, words, reading).to(model.device)
    if len(model.space.shape) != 1:
        raise UsageError(
            f"Expected a run of text or sequences (T,) for --given; got one of {model.space}. Leave it out, or give "
            "the first rows to `loglik.sample`."
        )
    try:
        values = torch.tensor([float(word) for word in words.split(",")])
    except ValueError:
        or_file = ", or the path of a recording (FILE.wav)" if reading.sample_rate is not None else ""
        raise UsageError(
            f"Expected the first values, separated by commas{or_file}, for --given; got {words!r}. Write it as 3,0,12."
        ) from None
    return values[None].to(model.device)


def _characters(words: str, vocabulary: tuple[str, ...]) -> Tensor:
    """The levels of the characters, all of which the training text has."""
    if not words:
        raise UsageError("Expected a text for --given; got none. Leave it out.")
    if Path(words).suffix and os.path.isfile(words):
        raise UsageError(
            f"Expected the words of a text for --given, for the run is of text; got the file {shown(words)}. Give the "
            "words themselves."
        )
    levels, unseen = encode(words, vocabulary, "--given")
    if unseen:
        place = int((levels == len(vocabulary) - 1).int().argmax())
        more = f", and {unseen - 1} more such" if unseen > 1 else ""
        raise UsageError(
            f"Expected characters of the training text for --given; got {words[place]!r} (U+{ord(words[place]):04X}) "
            f"at character {place + 1}{more}. Replace it."
        )
    return levels


def _samples(model: Model, path: str, reading: Reading) -> Tensor:
    """(1, k): all samples of a recording of the run's rate and width."""
    space = replace(model.space, shape=(1,))
    return open_source(path, window=1, space=space, reading=reading).read().x.reshape(1, -1)
