"""How data are split into train, valid and test: always in the same way, by whichever function they are opened.

Independent rows are shuffled. Rows of one group (`Source.groups`) lie in one part whole, or a model is tested on what
it nearly trained on. A stream is cut in order for the same reason, and one window between two parts is left out: it is
the context of the one after it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loglik.arguments.ranges import shown
from loglik.data.equal_rows import kept_together
from loglik.data.source import Dataset, Memory
from loglik.errors import EmptyData, UsageError

PARTS = ("train", "valid", "test")
LEAST_WINDOWS = 5  # one for each of train, valid and test, and one between two of them
TOGETHER = "equal rows kept together"  # the entry of `Dataset.split` that says so


def split_source(name: str, whole: Memory, seed: int = 0, *, keep_equal_rows_together: bool = False) -> Dataset:
    """The parts of `whole`: 70, 10 and 20 % of rows or groups in an order fixed by `seed`; 90, 5 and 5 % of a stream.

    Args:
        keep_equal_rows_together: rows that are equal, with their contexts, lie in one part; for data that repeat.

    Raises:
        EmptyData: too few rows, groups or windows for three parts. UsageError: equal windows of a stream.
    """
    groups = _groups(whole, keep_equal_rows_together)
    split: dict[str, Any]
    if whole.stream and groups is None:
        index = split_stream(whole.rows)
        split = {"how": "in order: 90 % to train, 5 % to validate, 5 % to test; one window between parts is left out"}
    elif groups is not None:
        index = split_groups(groups, seed)
        of = "groups of rows" if whole.groups is not None else "sets of equal rows"
        split = {"how": f"{of} shuffled by numpy's PCG64, then cut; each lies in one part whole", "seed": seed}
        split["groups"] = {key: len(torch.unique(groups[index[key]])) for key in PARTS}
    else:
        if whole.rows < 3:
            raise EmptyData(
                f"Expected at least 3 rows, for train, valid and test; got {whole.rows} in {name}. Add more."
            )
        index = split_rows(whole.rows, seed)
        split = {"how": "rows shuffled by numpy's PCG64, then cut", "seed": seed}
    if keep_equal_rows_together:
        split[TOGETHER] = True
    part = {key: whole.subset(index[key]) for key in PARTS}
    split |= {key: memory.rows for key, memory in part.items()}
    return Dataset(name, part["train"], part["valid"], part["test"], split)


def hold_out(whole: Memory, seed: int = 0, *, keep_equal_rows_together: bool = False) -> tuple[Memory, Memory]:
    """Nine tenths to train on and a tenth to validate, cut as `split_source` cuts; at least 3 rows."""
    if not isinstance(whole, Memory):
        raise UsageError(f"Expected a Memory, such as as_source(data).read() is; got {type(whole).__name__}.")
    groups = _groups(whole, keep_equal_rows_together)
    if whole.stream and groups is None:
        index = split_stream(whole.rows, valid=0.1, test=0.0)
    elif groups is not None:
        index = split_groups(groups, seed, valid=0.1, test=0.0)
    else:
        index = split_rows(whole.rows, seed, valid=0.1, test=0.0)
    return whole.subset(index["train"]), whole.subset(index["valid"])


def split_rows(rows: int, seed: int = 0, valid: float = 0.1, test: float = 0.2) -> dict[str, Tensor]:
    """Shuffled row numbers of the parts train, valid and test; each part is left with at least one row if it can be."""
    order = torch.from_numpy(np.random.Generator(np.random.PCG64(seed)).permutation(rows))
    n_test = min(max(1, round(rows * test)), max(0, rows - 2)) if test else 0
    n_valid = min(max(1, round(rows * valid)), max(0, rows - n_test - 1)) if valid else 0
    return {
        "test": order[:n_test],
        "valid": order[n_test : n_test + n_valid],
        "train": order[n_test + n_valid :],
    }


def split_stream(windows: int, valid: float = 0.05, test: float = 0.05) -> dict[str, Tensor]:
    """Window numbers of the parts, in the order train, valid, test, with a window between two parts that is in none.

    Raises:
        EmptyData: fewer windows than one for each part and each gap.
    """
    n_valid, n_test = (max(1, round(windows * share)) if share else 0 for share in (valid, test))
    gaps = (n_valid > 0) + (n_test > 0)
    n_train = windows - n_valid - n_test - gaps
    if n_train < 1:
        raise EmptyData(
            f"Expected at least {1 + 2 * gaps} windows, one for each part and one between two; got {windows}. Choose a "
            "shorter window, or add data."
        )
    place = torch.arange(windows)
    return {
        "train": place[:n_train],
        "valid": place[n_train + 1 : n_train + 1 + n_valid],
        "test": place[windows - n_test :],
    }


def check_length(length: int, T: int, unit: str, path: str | Path) -> None:
    """Raises EmptyData for a sequence too short to be split; the error names the longest window that would do."""
    if length >= LEAST_WINDOWS * T:
        return
    most = length // LEAST_WINDOWS
    advice = f"Choose a window of {most} or less, or longer data." if most > 1 else "Choose longer data."
    raise EmptyData(
        f"Expected at least {LEAST_WINDOWS * T} {unit}, for a window of {T} in each part and between two; got {length} "
        f"in {path}. {advice}"
    )


def split_groups(groups: Tensor, seed: int = 0, valid: float = 0.1, test: float = 0.2) -> dict[str, Tensor]:
    """Row numbers of the parts, ascending; each group lies in one, and their shares of the rows are about as stated.

    Groups come in random order; those with more rows than a part should have are trained on.

    Args:
        groups: (N,), one number for all rows of a group.

    Raises:
        EmptyData: fewer groups than parts.
    """
    _, member, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
    shares = {name: share for name, share in (("test", test), ("valid", valid)) if share}
    if len(sizes) <= len(shares):
        raise EmptyData(
            f"Expected at least {1 + len(shares)} groups of rows, one for each part; got {len(sizes)}. Add data, or "
            "leave the groups out if rows are independent."
        )
    order = torch.from_numpy(np.random.Generator(np.random.PCG64(seed)).permutation(len(sizes)))
    large = sizes[order] > max(shares.values()) * len(groups)
    order = torch.cat([order[~large], order[large]])
    reached = sizes[order].cumsum(0) / len(groups)  # the share of the rows that the first 1, 2, ... groups have
    chosen = {"train": order}
    begin, before = 0, 0.0
    for later, (name, share) in zip(reversed(range(len(shares))), shares.items(), strict=True):
        end = 1 + int((reached - before - share).abs().argmin())
        end = min(max(end, begin + 1), len(sizes) - 1 - later)  # one group at least for each part
        chosen |= {name: order[begin:end], "train": order[end:]}
        begin, before = end, float(reached[end - 1])
    return {name: torch.nonzero(torch.isin(member, of)).flatten() for name, of in chosen.items()}


def joined_groups(parts: Sequence[Memory]) -> Tensor | None:
    """The groups of the rows of all parts, one after the other; None unless all have some. No group is in two parts."""
    joined: list[Tensor] = []
    for part in parts:
        if part.groups is None:
            return None
        above = 1 + int(joined[-1].max()) if joined else 0
        joined.append(above + part.groups - part.groups.min())
    return torch.cat(joined)


def in_words(data: Dataset) -> str:
    """How the parts were made and how many rows each has, in one line."""
    split = data.split
    rows = ", ".join(f"{getattr(data, part).rows} {part}" for part in PARTS)
    seed = f" (seed {split['seed']})" if "seed" in split else ""
    return f"{split.get('how', 'as given')}{seed}: {rows}"


def _groups(whole: Memory, keep_equal_rows_together: bool) -> Tensor | None:
    """The groups to keep whole, at least two: the source's own, joined where equal rows are to stay together."""
    if not isinstance(whole, Memory):
        raise UsageError(f"Expected rows in memory to split, such as as_source(x).read(); got {shown(whole)}.")
    if keep_equal_rows_together and whole.stream:
        raise UsageError("Equal rows are kept together where rows are shuffled; a stream is cut in order instead.")
    groups = kept_together(whole) if keep_equal_rows_together else whole.groups
    return None if groups is None or len(torch.unique(groups)) < 2 else groups
