"""A path as rows of events: the ending of the name decides how it is read."""

import os
from collections.abc import Sequence

from loglik.data.formats.folders import IMAGES, SOUNDS, files_in, is_sound, open_images, open_sound
from loglik.data.formats.paths import check_file
from loglik.data.formats.signatures import described, remedy
from loglik.data.formats.tables.file import TABLES, check_columns, open_table, without_key
from loglik.data.formats.text import open_text
from loglik.data.reading import Reading
from loglik.data.source import Source
from loglik.errors import ContextError, UnreadableData, UsageError
from loglik.spaces import Space

TEXTS = (".txt",)
KINDS = {"table": TABLES, "text": TEXTS, "sound": SOUNDS, "images": IMAGES}


def open_file(
    path: str | os.PathLike[str],
    *,
    context: Sequence[str] | bool = (),
    space: Space | str | None = None,
    columns: Sequence[str] | None = None,
    window: int | None = None,
    reading: Reading | None = None,
    weights: str | None = None,
) -> Source:
    """The rows of a table (CSV, TSV, Parquet, NPY, NPZ; `file.npz:key`), a text, recordings, or images.

    Args:
        context: names of columns of a table; True for the classes that subfolders of images or recordings stand for.
        space: of the events. Texts and recordings have their own; there it is a run's, with which it must agree.
        window: T of texts and recordings, where no space states it.
        reading: the vocabulary, classes and sample rate of the run whose space it is.
        weights: the name of the column of a table that says how many times each row counts in a fit.

    Raises:
        DataNotFound: no such file. EmptyData: an empty one. UnreadableData: an unknown or damaged format.
        NotNumeric, NotFinite, OutsideSpace: what the file holds, by row and column. ShapeMismatch: a missing column,
        or other sizes. ContextError: no such classes. UsageError: a space or a window where there can be none.
    """
    kind, place, known = kind_of(path), os.fspath(path), reading or Reading()
    check_options(kind, place, context=context, space=space, window=window)
    if kind == "table":
        assert not isinstance(context, bool)
        return open_table(place, context, space, columns, weights)
    if weights is not None:
        raise UsageError(f"Weights are a column of a table; got {weights!r} for {place}. Leave them out.")
    if kind == "text":
        assert not isinstance(space, str)
        source: Source = open_text(place, space=space, vocabulary=known.vocabulary, window=window)
    elif kind == "sound":
        assert not isinstance(space, str)
        source = open_sound(place, bool(context), space, window, known)
    else:
        source = open_images(place, bool(context), space, known)
    check_columns(source, columns, place)
    return source


def kind_of(path: str | os.PathLike[str]) -> str:
    """What a path holds, by its name and, of a folder, by its files: a key of `KINDS`.

    Raises:
        DataNotFound: nothing there. UnreadableData: an unknown format, or a folder of neither images nor recordings.
    """
    place, _ = without_key(os.fspath(path))
    if os.path.isdir(place):
        return "sound" if is_sound(files_in(place)[0]) else "images"
    check_file(place)
    for kind, endings in KINDS.items():
        if place.lower().endswith(endings):
            return kind
    known = ", ".join(ending for endings in KINDS.values() for ending in endings)
    kind = described(place)
    what, advice = f", which is {kind}" if kind else "", remedy(kind, "Convert it to one of these.")
    raise UnreadableData(f"Expected a file ending in {known}; got {os.path.basename(place)}{what}. {advice}")


def check_options(
    kind: str, path: str, *, context: Sequence[str] | bool, space: Space | str | None, window: int | None
) -> None:
    """Raises UsageError or ContextError for what a table, text, recording or image cannot have."""
    _check_context(kind, path, context)
    if kind in ("text", "sound") and isinstance(space, str):
        raise UsageError(f"The space of {path} follows from its {kind}; got space={space!r}. Leave it out.")
    if window is not None and kind in ("table", "images"):
        raise UsageError(f"Windows are cut from texts and recordings; got a window for {path}. Leave it out.")
    if window is not None and window < 1:
        raise UsageError(f"Expected a window of at least 1; got {window}.")


def _check_context(kind: str, path: str, context: Sequence[str] | bool) -> None:
    if not context:
        return
    if kind == "table" and context is True:
        raise UsageError("The contexts of a table are named columns: context=('a', 'b'); got True.")
    if kind == "text":
        raise ContextError(f"A text has neither columns nor classes; got a context for {path}. Leave it out.")
    if kind in ("sound", "images") and context is not True:
        raise ContextError(f"The contexts of {path} are its subfolders: expected context=True; got {context!r}.")
