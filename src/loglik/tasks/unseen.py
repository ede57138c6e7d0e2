"""Scores of the rows that a model was fitted to, and of the rows that it was not.

A run keeps a hash of every row it was fitted to in `rows.safetensors`: 8 bytes for each different row of the train and
of the valid part, whatever the size of a row. So rows are known again in another order, in another file or in a part of
it. What a collision means: a new row passes for one that was learnt from, see `data.equal_rows`. Whoever has a run can
tell by it whether a row that they have was trained on, as its scores would let them guess too.
"""

import os
from collections.abc import Iterable
from dataclasses import fields, replace
from hashlib import blake2b
from pathlib import Path

import torch
from torch import Tensor

from loglik.data import Dataset, Source
from loglik.data.equal_rows import are_in, row_hashes
from loglik.records import Record
from loglik.runs.run import ROWS
from loglik.score import Score
from loglik.storage.reading import Kind, check_kinds, read_tensors
from loglik.storage.writing import write_tensors

UNSEEN = "unseen test"  # in run.json, the part of the test rows that equal no training row


def write_learnt(folders: Iterable[Path], data: Dataset) -> None:
    """Beside runs: hashes of the rows that their weights were fitted to, and of those that chose among them."""
    parts = {"train": data.train, "valid": data.valid}
    hashes = {name: torch.unique(row_hashes(part)) for name, part in parts.items()}
    for folder in folders:
        write_tensors(folder / ROWS, hashes, {})


def learnt_from(folder: Path, rows: Source) -> dict[str, Tensor]:
    """Which of the rows equal those of the parts train and valid of a run, bool (N,) each; no row is counted twice.

    Nothing for a run that kept no hashes. The rows are read once.

    Raises:
        CorruptRun: the file of hashes is no such file.
    """
    if not os.path.lexists(folder / ROWS):
        return {}
    kept, _ = read_tensors(folder / ROWS)
    sizes = {part: (t.numel(),) for part, t in kept.items()}
    expected = {part: Kind(torch.int64, sizes.get(part, (0,))) for part in ("train", "valid")}
    check_kinds({part: Kind.of(t) for part, t in kept.items()}, expected, str(folder / ROWS))
    hashes = row_hashes(rows)
    trained = are_in(hashes, kept["train"])
    return {"train": trained, "valid": are_in(hashes, kept["valid"]) & ~trained}


def score_in_words(score: Score, learnt: dict[str, Tensor]) -> str:
    """A score of rows of which `learnt` (see `learnt_from`) are known to the run: that of the others comes first."""
    if not any(bool(rows.any()) for rows in learnt.values()):
        return str(score)
    trained, validated = (int(learnt[part].sum()) for part in ("train", "valid"))
    others = score.events - trained - validated
    unseen = unseen_part(score, learnt["train"] | learnt["valid"])
    lines = [
        f"Of {score.events} rows {trained} equal rows that the run was trained on, {validated} more rows that it was "
        "validated on.",
        "There is no other row, so this is no test." if unseen is None else f"The other {others}: {unseen}",
        f"All {score.events}: {score}",
    ]
    return "\n".join(lines)


def score_to_json(score: Score, learnt: dict[str, Tensor]) -> Record:
    """As JSON: counts, the score of the other rows as `unseen`, then that of all rows."""
    counts = {f"equal_to_{part}": int(rows.sum()) for part, rows in learnt.items()}
    unseen = unseen_part(score, learnt["train"] | learnt["valid"]) if learnt else None
    return {**counts, **({} if unseen is None else {"unseen": unseen.to_json()}), **score.to_json()}


def score_of_rows(score: Score, kept: Tensor) -> Score:
    """The score of the rows that are True in `kept` (N,), at least one of them; they are numbered anew."""
    each: dict[str, object] = {f.name: getattr(score, f.name) for f in fields(score)}
    chosen: Record = {name: v[kept] for name, v in each.items() if isinstance(v, Tensor) and v.ndim}
    # Rows and contexts have separate digests: a model without contexts is compared with one that takes them.
    digests = [blake2b(s.encode() + kept.numpy().tobytes(), digest_size=8).hexdigest() for s in score.rows.split("-")]
    return replace(score, **chosen, rows="-".join(digests))


def unseen_part(score: Score, seen: Tensor) -> Score | None:
    """The score of the rows that are not seen; None where there is no seen row, or no other."""
    return score_of_rows(score, ~seen) if bool(seen.any()) and not bool(seen.all()) else None


def repeats_in_words(seen: Tensor) -> str:
    """How many test rows equal training rows; nothing where none does."""
    count = int(seen.sum())
    return f"of {len(seen)} test rows {count} equal training rows" if count else ""


def held_out_scores(score: Score, seen: Tensor) -> list[Record]:
    """What a run keeps of its score on the test part: of all rows, and of those not `seen` in training."""
    scores = [{"part": "test", **score.to_json(), "equal_rows": int(seen.sum())}]
    unseen = unseen_part(score, seen)
    return scores if unseen is None else [*scores, {"part": UNSEEN, **unseen.to_json()}]
