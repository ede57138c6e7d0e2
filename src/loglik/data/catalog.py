"""The built-in data sets by name, and the two doors to all data: `open_dataset` to fit, `open_source` to score."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from loglik.data.builtin.binary import SETS, load_binary
from loglik.data.builtin.bsds300 import load_bsds300
from loglik.data.builtin.digits import load_digits
from loglik.data.builtin.fsdd import load_fsdd
from loglik.data.builtin.images import load_binarized_mnist, load_cifar10, load_freyfaces, load_idx
from loglik.data.builtin.places import FILES, missing
from loglik.data.builtin.uci import UCI, load_uci
from loglik.data.files import open_file
from loglik.data.formats.text import load_tinyshakespeare
from loglik.data.infer import stated_space
from loglik.data.parts import dataset_at
from loglik.data.reading import Reading
from loglik.data.source import Dataset, Memory, Source
from loglik.data.splits import PARTS, joined_groups
from loglik.data.synthetic.dead_leaves import load_dead_leaves
from loglik.data.synthetic.ising import load_ising
from loglik.data.synthetic.markov import load_markov
from loglik.data.synthetic.toys import TOYS, load_toy
from loglik.errors import ContextError, ShapeMismatch, UnknownName, UsageError
from loglik.spaces import Space

Context = bool | str | Sequence[str] | None


@dataclass(frozen=True)
class Entry:
    """One line of the catalog; `labelled` loads the data with its labels as contexts, where it has labels.

    Both take `window=` if the data are cut into windows: T of a text or of sound, the side of crops of photographs.
    """

    load: Callable[..., Dataset]
    space: str
    about: str
    labelled: Callable[..., Dataset] | None = None
    windowed: bool = False


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
    "tinyshakespeare": Entry(
        load_tinyshakespeare, "Category(128,) with 66 levels", "plays of Shakespeare, 1.1 MB of text", windowed=True
    ),
    "fsdd": Entry(
        load_fsdd,
        "Integer(1024,) with 65536 levels",
        "spoken digits, 8 kHz",
        partial(load_fsdd, context=True),
        windowed=True,
    ),
    "bsds300": Entry(load_bsds300, "Integer(1, 16, 16) with 256 levels", "crops of grey photographs", windowed=True),
    "bsds300-colour": Entry(
        partial(load_bsds300, colour=True),
        "Integer(3, 16, 16) with 256 levels",
        "crops of colour photographs",
        windowed=True,
    ),
    "freyfaces": Entry(load_freyfaces, "Integer(1, 28, 20) with 256 levels", "the face of one man, from a video"),
    **{
        name: Entry(partial(load_binary, name), f"Integer({dims},) with 2 levels", f"{what} ({origin})")
        for name, (dims, what, origin) in SETS.items()
    },
    **{name: Entry(partial(load_uci, name), "Real(D,)", f"{what} (UCI)") for name, (_, what) in UCI.items()},
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
    window: int | None = None,
    keep_equal_rows_together: bool = False,
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

    Raises:
        UnknownName: neither a name nor a path. DataError: the data cannot be used. UsageError: an impossible argument.
    """
    entry = _entry(name_or_path)
    if entry is None:
        place = os.fspath(name_or_path)
        return dataset_at(place, seed, _of_path(context), space, columns, window, keep_equal_rows_together)
    if keep_equal_rows_together:
        raise UsageError(f"The split of the built-in data set {name_or_path!r} is fixed, equal rows or not.")
    return _built_in(entry, str(name_or_path), context, space, columns, window)


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
    data = _built_in(entry, str(name_or_path), context, space, columns, window)
    if reading is not None:
        _check_reading(str(name_or_path), Reading.of(data), reading)
    chosen = {"train": data.train, "valid": data.valid, "test": data.test, None: data.test}
    return _all_parts(data) if part == "all" else chosen[part]


def _entry(name: str | os.PathLike[str]) -> Entry | None:
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
    entry: Entry,
    name: str,
    context: Context,
    space: Space | str | None,
    columns: Sequence[str] | None,
    window: int | None,
) -> Dataset:
    if columns is not None:
        raise UsageError(f"Columns are chosen in files; the built-in data set {name!r} has none.")
    if context not in (None, True, False):
        raise UsageError(f"The contexts of {name!r} are its labels: expected context=True; got {context!r}.")
    if context and entry.labelled is None:
        raise ContextError(f"The built-in data set {name!r} has no labels; got context=True. Leave it out.")
    if window is not None and (not entry.windowed or window < 1):
        raise UsageError(f"Expected a window of at least 1, of data cut into windows; got {window} for {name!r}.")
    load = entry.labelled if context and entry.labelled is not None else entry.load
    if isinstance(space, Space) and space.shape:
        window = window or space.shape[-1]
    data = load(window=window) if entry.windowed else load()
    if space is not None and stated_space(space, data.space.shape, name) != data.space:
        raise UsageError(f"The built-in data set {name!r} holds {data.space}; got space={space!s}.")
    return replace(data, about=entry.about)


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
    return whole
