"""A path of the user's as a data set: how each kind of data is cut into train, valid and test.

Rows of tables and images are shuffled. A text and a single recording are cut in order, and of several recordings each
lies in one part whole: windows next to each other are alike, so a shuffle would test on what was nearly trained on.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from loglik.data.files import check_options, kind_of, open_file
from loglik.data.folders import files_of, label_space, subfolder_labels
from loglik.data.sequences import HOW, in_order, longest_window, windows
from loglik.data.sound import WINDOW, Recordings, read_recording
from loglik.data.source import Dataset, Memory, split_rows
from loglik.data.splits import shuffled
from loglik.data.text import load_text
from loglik.errors import EmptyData, UsageError
from loglik.spaces import Integer, Space

PARTS = ("train", "valid", "test")


def dataset_at(
    path: str,
    seed: int,
    context: Sequence[str] | bool,
    space: Space | str | None,
    columns: Sequence[str] | None,
    window: int | None,
) -> Dataset:
    """What is at a path, cut into three parts; see `open_dataset`."""
    kind = kind_of(path)
    check_options(kind, path, context, space, window)
    if kind in ("text", "sound"):
        if columns is not None:
            raise UsageError(f"Columns are those of tables; got some for {path}. Leave them out.")
        data = load_text(path, window) if kind == "text" else _sound(path, seed, bool(context), window or WINDOW)
        if space is not None and space != data.space:
            raise UsageError(f"{path} holds {data.space}; got space={space!s}.")
    else:
        whole = open_file(path, context=context, space=space, columns=columns).read()
        if whole.rows < 3:
            raise EmptyData(f"Expected at least 3 rows, for train, valid and test; got {whole.rows} in {path}.")
        data = shuffled(_name(path), whole, seed)
        if kind == "images" and context:
            data.split["labels"] = list(subfolder_labels(files_of(path), Path(path))[1])
    return replace(data, name=_name(path), about=path)


def _sound(path: str, seed: int, labelled: bool, T: int) -> Dataset:
    paths = files_of(path)
    if len(paths) == 1 and not labelled:
        return _one_recording(paths[0], T)
    labels, names = subfolder_labels(paths, Path(path)) if labelled else (None, ())
    whole = Recordings(paths, T)  # raises what is wrong with any of them, before they are parted
    usable = whole.long_enough
    if len(usable) < 3:
        raise EmptyData(
            f"Expected one recording or at least 3, for train, valid and test; got {len(usable)} of {T} samples or "
            f"more in {path}. Choose a shorter window, or add recordings."
        )
    part, facts = {}, {}
    index = split_rows(len(usable), seed)
    for key in PARTS:
        chosen = [usable[i] for i in sorted(index[key].tolist())]
        mine = [labels[i] for i in chosen] if labels is not None else None
        source = Recordings([paths[i] for i in chosen], T, None, mine, label_space(names) if labelled else None)
        part[key], facts[key] = source.read(), {"files": len(chosen), "samples left out": source.left_out}
    split = {
        "how": "recordings shuffled by numpy's PCG64, then cut; each lies in one part whole",
        "seed": seed,
        "window": T,
        **{key: part[key].rows for key in PARTS},
        "recordings": facts,
        "recordings too short for a window": len(paths) - len(usable),
        **({"labels": list(names)} if labelled else {}),
    }
    return Dataset(path, part["train"], part["valid"], part["test"], split)


def _one_recording(path: Path, T: int) -> Dataset:
    levels, sample_rate, count = read_recording(path)
    most = longest_window(len(levels))
    if most < T:
        advice = f"Choose a window of {most} or less, or a longer recording." if most else "Choose a longer recording."
        raise EmptyData(
            f"Expected at least {20 * T} samples, for a window of {T} in each of 90, 5 and 5 %; got {len(levels)} in "
            f"{path}. {advice}"
        )
    space = Integer((T,), count)
    cut = in_order(len(levels))
    part = {key: Memory(space, windows(levels[cut[key]], T), stream=True, sample_rate=sample_rate) for key in PARTS}
    split = {
        "how": HOW,
        "window": T,
        **{key: part[key].rows for key in PARTS},
        "samples that fill no window": {key: len(levels[cut[key]]) % T for key in PARTS},
    }
    return Dataset(str(path), part["train"], part["valid"], part["test"], split)


def _name(path: str) -> str:
    return os.path.basename(os.path.normpath(path))
