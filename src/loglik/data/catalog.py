"""The built-in data sets by name, and the two doors to all data: `open_dataset` to fit, `open_source` to score."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from loglik.data.builtin.binary import BINARY_SETS
from loglik.data.builtin.bsds300 import BSDS300, BSDS300_COLOUR, BSDS300_PATCHES
from loglik.data.builtin.digits import DIGITS
from loglik.data.builtin.entry import Builtin
from loglik.data.builtin.freyfaces import FREYFACES
from loglik.data.builtin.fsdd import FSDD
from loglik.data.builtin.images import IMAGE_SETS
from loglik.data.builtin.tinyshakespeare import TINYSHAKESPEARE
from loglik.data.builtin.uci import UCI_SETS
from loglik.data.files import open_file
from loglik.data.infer import stated_space
from loglik.data.parts import dataset_at
from loglik.data.reading import Reading
from loglik.data.source import Dataset, Memory, Source
from loglik.data.splits import PARTS, joined_groups
from loglik.data.synthetic.dead_leaves import DEAD_LEAVES
from loglik.data.synthetic.ising import ISING
from loglik.data.synthetic.markov import MARKOV
from loglik.data.synthetic.toys import TOY_SETS
from loglik.errors import ContextError, ShapeMismatch, UnknownName, UsageError
from loglik.spaces import Space

Context = bool | str | Sequence[str] | None


CATALOG: dict[str, Builtin] = {
    entry.name: entry
    for entry in (
        DIGITS, *TOY_SETS, MARKOV, ISING, DEAD_LEAVES, *IMAGE_SETS, TINYSHAKESPEARE, FSDD, BSDS300, BSDS300_COLOUR,
        BSDS300_PATCHES, FREYFACES, *BINARY_SETS, *UCI_SETS,
    )
}  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """What `loglik data` prints of one data set."""

    name: str
    space: str
    about: str
    available: bool


def catalog() -> list[Listing]:
    """All built-in data sets, without loading any; official sets are available if their files are there."""
    return [Listing(name, entry.space, entry.about, entry.available) for name, entry in CATALOG.items()]


def open_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    seed: int = 0,
    context: Context = None,
    space: Space | str | None = None,
    columns: Sequence[str] | None = None,
    window: int | None = None,
    keep_equal_rows_together: bool = False,
    weights: str | None = None,
) -> Dataset:
    """A built-in data set with its fixed split, or what is at a path, cut into train, valid and test.

    The rows of a table and the images of a folder are cut at random into 70, 10 and 20 %, recordings of a folder too,
    each whole in one part. The windows of a text or a single recording are cut in order, 90, 5 and 5 %; one between two
    parts is left out.

    Args:
        name_or_path: a name of the catalog, or the path of a file or folder; what looks like a path is taken for one.
        seed: of the shuffle of a file's rows; built-in data sets have fixed splits.
        context: True attaches the labels of a built-in set, or the classes that the subfolders of a folder stand for;
            names of columns make them the context of a table.
        space: the space of a file's events, as a Space or in words ("integer:17"); inferred if None.
        columns: the columns of a file to read, in this order; all but the context if None.
        window: T, the length of the windows that a text (128) or sound (1024) is cut into; of bsds300 the side (16).
        keep_equal_rows_together: rows of a table, or images, that are equal lie in one part.
        weights: the column of a table that says how many times each row counts in a fit, 0 or more.

    Raises:
        UnknownName: neither a name nor a path. DataError: the data cannot be used. UsageError: an impossible argument.
    """
    entry = _entry(name_or_path)
    if entry is None:
        place = os.fspath(name_or_path)
        return dataset_at(
            place, seed, context=_of_path(context), space=space, columns=columns, window=window,
            keep_equal_rows_together=keep_equal_rows_together, weights=weights,
        )  # fmt: skip
    if weights is not None:
        raise UsageError(f"Weights are a column of a table; the built-in data set {name_or_path!r} has none.")
    if keep_equal_rows_together:
        raise UsageError(f"The split of the built-in data set {name_or_path!r} is fixed, equal rows or not.")
    return _built_in(entry, context=context, space=space, columns=columns, window=window)


def open_source(
    name_or_path: str | os.PathLike[str],
    *,
    part: str | None = None,
    context: Context = None,
    space: Space | str | None = None,
    columns: Sequence[str] | None = None,
    window: int | None = None,
    reading: Reading | None = None,
) -> Source:
    """Rows to score: all those of a path, or a part of a built-in data set, "test" unless stated.

    Args:
        part: "train", "valid", "test" or "all"; files have no parts. For the others see `open_dataset`.
        reading: how a run read its data; what is opened is read in the same way, or refused.
    """
    if part not in (None, "all", *PARTS):
        raise UnknownName("part", str(part), (*PARTS, "all"))
    entry = _entry(name_or_path)
    if entry is None:
        if part not in (None, "all"):
            raise UsageError(f"A file has no parts; got part={part!r} for {name_or_path}. Leave it out.")
        return open_file(
            name_or_path, context=_of_path(context), space=space, columns=columns, window=window, reading=reading
        )
    data = _built_in(entry, context=context, space=space, columns=columns, window=window)
    if reading is not None:
        _check_reading(str(name_or_path), Reading.of(data), reading)
    chosen = {"train": data.train, "valid": data.valid, "test": data.test, None: data.test}
    return _all_parts(data) if part == "all" else chosen[part]


def _entry(name: str | os.PathLike[str]) -> Builtin | None:
    """The catalog's entry, or None for what is, or looks like, a path."""
    if not isinstance(name, (str, os.PathLike)):
        raise UsageError(
            f"Expected the name of a data set or a path; got {type(name).__name__}. What is in memory needs no "
            "opening: `fit` and `evaluate` take it as it is."
        )
    if isinstance(name, str) and name in CATALOG:
        return CATALOG[name]
    text = os.fspath(name)
    if not isinstance(name, str) or os.sep in text or "." in text or os.path.exists(text):
        return None
    raise UnknownName("data set", text, CATALOG, "The path of a file is accepted too, such as table.csv.")


def _built_in(
    entry: Builtin,
    *,
    context: Context,
    space: Space | str | None,
    columns: Sequence[str] | None,
    window: int | None,
) -> Dataset:
    _check_options(entry, context, columns, window)
    if isinstance(space, Space) and space.shape:
        window = window or space.shape[-1]
    load = partial(entry.load, context=True) if context else entry.load
    data = load(window=window) if entry.windowed else load()
    if space is not None and stated_space(space, data.space.shape, entry.name) != data.space:
        raise UsageError(f"The built-in data set {entry.name!r} holds {data.space}; got space={space!s}.")
    return replace(data, about=entry.about)


def _check_options(entry: Builtin, context: Context, columns: Sequence[str] | None, window: int | None) -> None:
    """Raises UsageError or ContextError for what a built-in set cannot have."""
    name = entry.name
    if columns is not None:
        raise UsageError(f"Columns are chosen in files; the built-in data set {name!r} has none.")
    if context not in (None, True, False):
        raise UsageError(f"The contexts of {name!r} are its labels: expected context=True; got {context!r}.")
    if context and not entry.labelled:
        raise ContextError(f"The built-in data set {name!r} has no labels; got context=True. Leave it out.")
    if window is not None and (not entry.windowed or window < 1):
        raise UsageError(f"Expected a window of at least 1, of data cut into windows; got {window} for {name!r}.")


def _of_path(context: Context) -> Sequence[str] | bool:
    """Names of columns, or whether the classes of a folder are wanted."""
    return (context,) if isinstance(context, str) else (context or ())


def _check_reading(name: str, own: Reading, wanted: Reading) -> None:
    """Raises ShapeMismatch where levels or samples of a built-in set mean something else than the run's."""
    if own.vocabulary != wanted.vocabulary:
        raise ShapeMismatch(
            f"Expected a text in the vocabulary of the run; {name!r} has another. Name the path of its file instead."
        )
    if own.sample_rate != wanted.sample_rate:
        raise ShapeMismatch(f"Expected sound of {wanted.sample_rate} Hz, as the run's; {name!r} has {own.sample_rate}.")


def _all_parts(data: Dataset) -> Memory:
    """Train, valid and test rows in this order."""
    parts = [data.train, data.valid, data.test]
    contexts = [part.context for part in parts if part.context is not None]
    c = torch.cat(contexts) if contexts else None
    whole = data.train.replaced(torch.cat([part.x for part in parts]), c, stream=False)
    whole.groups = joined_groups(parts)
    weights = [part.weights for part in parts if part.weights is not None]
    whole.weights = torch.cat(weights) if len(weights) == len(parts) else None
    return whole
