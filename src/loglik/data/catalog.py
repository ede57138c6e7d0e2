"""The built-in data sets by name, and the two doors to all data: `open_dataset` to fit, `open_source` to score."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from loglik.data.binary_sets import SETS, load_binary
from loglik.data.dead_leaves import load_dead_leaves
from loglik.data.digits import load_digits
from loglik.data.infer import stated_space
from loglik.data.ising import load_ising
from loglik.data.markov import load_markov
from loglik.data.opening import as_source
from loglik.data.places import FILES, missing
from loglik.data.source import Dataset, Memory, Source
from loglik.data.splits import shuffled
from loglik.data.standard import load_binarized_mnist, load_cifar10, load_idx
from loglik.data.toys import TOYS, load_toy
from loglik.errors import ContextError, EmptyData, UnknownName, UsageError
from loglik.spaces import Space

Context = bool | str | Sequence[str] | None
PARTS = ("train", "valid", "test", "all")


@dataclass(frozen=True)
class Entry:
    """One line of the catalog; `labelled` loads the data with its labels as contexts, where it has labels."""

    load: Callable[[], Dataset]
    space: str
    about: str
    labelled: Callable[[], Dataset] | None = None


GREY, BINARY = "Integer(1, 28, 28) with 256 levels", "Integer(1, 28, 28) with 2 levels"
CATALOG: dict[str, Entry] = {
    "digits": Entry(
        load_digits,
        "Integer(1, 8, 8) with 17 levels",
        "handwritten digits 8x8, shipped with scikit-learn",
        partial(load_digits, context=True),
    ),
    **{name: Entry(partial(load_toy, name), "Real(2,)", f"{about}; log p known") for name, (_, about) in TOYS.items()},
    "markov": Entry(load_markov, "Category(32,) with 12 levels", "random text; log p and entropy known"),
    "ising": Entry(load_ising, "Integer(1, 8, 8) with 2 levels", "magnetic spins; log p and entropy known"),
    "dead-leaves": Entry(
        load_dead_leaves, "Integer(1, 16, 16) with 256 levels", "discs that occlude each other, as things do"
    ),
    "mnist": Entry(partial(load_idx, "mnist"), GREY, "handwritten digits", partial(load_idx, "mnist", context=True)),
    "fashion-mnist": Entry(
        partial(load_idx, "fashion-mnist"), GREY, "clothes", partial(load_idx, "fashion-mnist", context=True)
    ),
    "binarized-mnist": Entry(load_binarized_mnist, BINARY, "handwritten digits in black and white"),
    "cifar10": Entry(
        load_cifar10,
        "Integer(3, 32, 32) with 256 levels",
        "small colour photographs",
        partial(load_cifar10, context=True),
    ),
    **{
        name: Entry(partial(load_binary, name), f"Integer({dims},) with 2 levels", f"{what} ({origin})")
        for name, (dims, what, origin) in SETS.items()
    },
}


@dataclass(frozen=True)
class Listing:
    """What `loglik data` prints of one data set."""

    name: str
    space: str
    about: str
    available: bool


def catalog() -> list[Listing]:
    """All built-in data sets, without loading any; the standard ones are available if their files are there."""
    there = {name: name not in FILES or not missing(name) for name in CATALOG}
    return [Listing(name, entry.space, entry.about, there[name]) for name, entry in CATALOG.items()]


def open_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    seed: int = 0,
    context: Context = None,
    space: Space | str | None = None,
    columns: Sequence[str] | None = None,
) -> Dataset:
    """A built-in data set with its fixed split, or a file cut at random into 70 % train, 10 % valid and 20 % test.

    Args:
        name_or_path: a name of the catalog, or the path of a file; what looks like a path is taken for one.
        seed: of the shuffle of a file's rows; built-in data sets have fixed splits.
        context: True attaches the labels of a built-in set; names of columns make them the context of a table.
        space: the space of a file's events, as a Space or in words ("integer:17"); inferred if None.
        columns: the columns of a file to read, in this order; all but the context if None.

    Raises:
        UnknownName: neither a name nor a path. DataError: the data cannot be used. UsageError: an impossible argument.
    """
    entry = _entry(name_or_path)
    if entry is not None:
        return _built_in(entry, str(name_or_path), context, space, columns)
    whole = as_source(os.fspath(name_or_path), _column_names(context), space, columns=columns).read()
    if whole.rows < 3:
        raise EmptyData(f"Expected at least 3 rows, for train, valid and test; got {whole.rows} in {name_or_path}.")
    path = os.fspath(name_or_path)
    return replace(shuffled(os.path.basename(path), whole, seed), about=path)


def open_source(
    name_or_path: str | os.PathLike[str],
    *,
    part: str | None = None,
    context: Context = None,
    space: Space | str | None = None,
    columns: Sequence[str] | None = None,
) -> Source:
    """Rows to score: those of a file, streamed, or a part of a built-in data set, "test" unless stated.

    Args:
        part: "train", "valid", "test" or "all"; files have no parts. For the others see `open_dataset`.
    """
    if part is not None and part not in PARTS:
        raise UnknownName("part", part, PARTS)
    entry = _entry(name_or_path)
    if entry is None:
        if part not in (None, "all"):
            raise UsageError(f"A file has no parts; got part={part!r} for {name_or_path}. Leave it out.")
        return as_source(os.fspath(name_or_path), _column_names(context), space, columns=columns)
    data = _built_in(entry, str(name_or_path), context, space, columns)
    chosen = {"train": data.train, "valid": data.valid, "test": data.test, None: data.test}
    return _all_parts(data) if part == "all" else chosen[part]


def _entry(name: str | os.PathLike[str]) -> Entry | None:
    """The catalog's entry, or None for what is, or looks like, a path."""
    if isinstance(name, str) and name in CATALOG:
        return CATALOG[name]
    text = os.fspath(name)
    if not isinstance(name, str) or os.sep in text or "." in text or os.path.exists(text):
        return None
    raise UnknownName("data set", text, CATALOG, "The path of a file is accepted too, such as table.csv.")


def _built_in(
    entry: Entry, name: str, context: Context, space: Space | str | None, columns: Sequence[str] | None
) -> Dataset:
    if columns is not None:
        raise UsageError(f"Columns are chosen in files; the built-in data set {name!r} has none.")
    if context not in (None, True, False):
        raise UsageError(f"The contexts of {name!r} are its labels: expected context=True; got {context!r}.")
    if context and entry.labelled is None:
        raise ContextError(f"The built-in data set {name!r} has no labels; got context=True. Leave it out.")
    data = entry.labelled() if context and entry.labelled is not None else entry.load()
    if space is not None and stated_space(space, data.space.shape, name) != data.space:
        raise UsageError(f"The built-in data set {name!r} holds {data.space}; got space={space!s}.")
    return replace(data, about=entry.about)


def _column_names(context: Context) -> str | Sequence[str] | None:
    if isinstance(context, bool):
        if context:
            raise UsageError("The contexts of a file are named columns: context=('a', 'b'); got True.")
        return None
    return context


def _all_parts(data: Dataset) -> Memory:
    """Train, valid and test rows in this order."""
    parts = [data.train, data.valid, data.test]
    contexts = [part.context for part in parts if part.context is not None]
    c = torch.cat(contexts) if contexts else None
    return Memory(data.space, torch.cat([part.x for part in parts]), c, data.context_space)
