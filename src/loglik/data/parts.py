"""A path of the user's as a data set, cut into train, valid and test as `splits` cuts its source.

Rows of tables and images are shuffled. A text and a single recording are cut in order, and of several recordings each
lies in one part whole.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from loglik.arguments.memory import in_bytes, memory_at_hand
from loglik.data.files import check_options, kind_of, open_file
from loglik.data.formats.folders import files_of, label_space, subfolder_labels
from loglik.data.formats.sound.recordings import WINDOW as SOUND_WINDOW
from loglik.data.formats.sound.recordings import Recordings
from loglik.data.formats.text import SHARED, open_text
from loglik.data.formats.text import WINDOW as TEXT_WINDOW
from loglik.data.formats.text_file import read_text
from loglik.data.source import Dataset, Memory
from loglik.data.splits import PARTS, check_length, split_source
from loglik.data.weights import check_some
from loglik.errors import EmptyData, TooLarge, UsageError
from loglik.spaces import Space


def dataset_at(
    path: str,
    seed: int,
    *,
    context: Sequence[str] | bool,
    space: Space | str | None,
    columns: Sequence[str] | None,
    window: int | None,
    keep_equal_rows_together: bool = False,
    weights: str | None = None,
) -> Dataset:
    """What is at a path, cut into three parts; see `open_dataset`."""
    kind = kind_of(path)
    check_options(kind, path, context=context, space=space, window=window)
    if weights is not None and kind != "table":
        raise UsageError(f"Weights are a column of a table; got {weights!r} for {path}. Leave them out.")
    if kind in ("text", "sound"):
        if keep_equal_rows_together:
            raise UsageError(f"Equal rows are kept together in tables and images; {path} holds windows. Leave it out.")
        if columns is not None:
            raise UsageError(f"Columns are those of tables; got some for {path}. Leave them out.")
        data = _text(path, window) if kind == "text" else _sound(path, seed, bool(context), window)
        data = replace(data, read_as=data.train.read_as)
        if space is not None and space != data.space:
            raise UsageError(f"{path} holds {data.space}; got space={space!s}.")
    else:
        if kind == "table":
            _check_size(path)
        whole = open_file(path, context=context, space=space, columns=columns, weights=weights).read()
        if whole.weights is not None:
            check_some(whole.weights)
        data = split_source(_name(path), whole, seed, keep_equal_rows_together=keep_equal_rows_together)
        if kind == "images" and context:
            data.split["labels"] = list(subfolder_labels(files_of(path), Path(path))[1])
        data = replace(data, read_as=whole.read_as, remark=whole.remark)
    return replace(data, name=_name(path), about=path)


def _text(path: str, window: int | None) -> Dataset:
    """A text, 90 / 5 / 5 % in order; the vocabulary is that of the training windows.

    Raises:
        EmptyData: too short for a window in each part. UnreadableData: see `read_text`.
    """
    text, T = read_text(path).characters, window or TEXT_WINDOW
    if text.isspace():
        raise EmptyData(f"Expected a text; got {path}, which holds only blanks. Name a text with words.")
    check_length(len(text), T, "characters", path)
    whole = open_text(path, window=T)
    data = split_source(Path(path).name, whole)
    unseen = {key: _unseen(getattr(data, key)) for key in PARTS}
    for key, count in unseen.items():
        getattr(data, key).remark = SHARED.format(count) if count else ""
    data.split.update(
        {
            "window": T,
            "characters that fill no window": len(text) - whole.x.numel(),
            "characters that the training part lacks": unseen,
        }
    )
    return data


def _unseen(part: Memory) -> int:
    """How many characters of a part are at the level that stands for all others."""
    assert part.vocabulary is not None
    return int((part.x == len(part.vocabulary) - 1).sum())


def _check_size(path: str) -> None:
    """Raises TooLarge for a table that cannot fit, before it is read through to tell its space.

    In memory twice, values take at least a quarter of what they do in a CSV or NPY file; the other formats compress.
    """
    size = os.path.getsize(path) if path.lower().endswith((".csv", ".tsv", ".npy")) else 0
    at_hand = memory_at_hand()
    if size > 4 * at_hand:
        raise TooLarge(
            f"Expected a table that fits into the {in_bytes(at_hand)} of memory at hand; got {path} of "
            f"{in_bytes(size)}. Take fewer rows or columns."
        )


def _sound(path: str, seed: int, labelled: bool, window: int | None) -> Dataset:
    T = window or SOUND_WINDOW
    paths = files_of(path)
    labels, names = subfolder_labels(paths, Path(path)) if labelled else (None, ())
    source = Recordings(paths, window=T, labels=labels, label_space=label_space(names) if labelled else None)
    usable = source.facts["files"] - source.facts["too short for a window"]
    if source.stream:
        check_length(source.rows * T + source.left_out, T, "samples", path)
    elif usable < 3:
        raise EmptyData(
            f"Expected one recording or at least 3, for train, valid and test; got {usable} of {T} samples or more in "
            f"{path}. Choose a shorter window, or add recordings."
        )
    data = split_source(path, source.read(), seed)
    if not source.stream:
        data.split["how"] = str(data.split["how"]).replace("groups of rows", "recordings")
        data.split["recordings"] = data.split.pop("groups")
        data.split["recordings too short for a window"] = source.facts["too short for a window"]
    data.split.update({"window": T, "samples that fill no window": source.left_out})
    if labelled:
        data.split["labels"] = list(names)
    return data


def _name(path: str) -> str:
    return os.path.basename(os.path.normpath(path))
