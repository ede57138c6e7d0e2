"""Rows in memory: order, fingerprints and splits."""

import pytest
import torch

from loglik.data import Memory, RowDigest, split_rows
from loglik.errors import EmptyData, ShapeMismatch
from loglik.spaces import Integer, Real


def test_batches_take_and_subset() -> None:
    source = Memory(Real((1,)), torch.arange(5.0)[:, None], torch.arange(5), Integer((), 5), columns=("a",))
    assert [len(x) for x, _ in source.batches(2)] == [2, 2, 1]
    part = source.subset(torch.tensor([3, 1]))
    assert part.x.flatten().tolist() == [3.0, 1.0]
    assert part.context is not None
    assert part.context.tolist() == [3, 1]
    assert part.columns == ("a",)


def test_fingerprint_depends_on_rows_and_order_alone() -> None:
    x = torch.arange(10_000).reshape(-1, 2)
    whole, parts = RowDigest(), RowDigest()
    whole.update(x)
    for part in x.int().split(17):
        parts.update(part)
    assert whole.hexdigest() == parts.hexdigest()
    swapped = Memory(Real((2,)), x.flip(0).double()).fingerprint
    assert swapped != Memory(Real((2,)), x.double()).fingerprint


def test_fingerprint_depends_on_contexts_too() -> None:
    x, c = torch.arange(100.0)[:, None], torch.arange(100) % 2
    plain, given = Memory(Real((1,)), x), Memory(Real((1,)), x, c, Integer((), 2))
    other = Memory(Real((1,)), x, 1 - c, Integer((), 2))
    assert len({plain.fingerprint, given.fingerprint, other.fingerprint}) == 3
    assert given.fingerprint.startswith(plain.fingerprint + "-")
    parts = RowDigest()
    for batch in given.batches(7):
        parts.update(*batch)
    assert parts.hexdigest() == given.fingerprint


def test_split_is_a_partition() -> None:
    part = split_rows(100, seed=3)
    assert sorted(torch.cat(list(part.values())).tolist()) == list(range(100))
    assert (len(part["train"]), len(part["valid"]), len(part["test"])) == (70, 10, 20)
    assert all(len(rows) == 1 for rows in split_rows(3).values())


def test_no_rows_and_wrong_shapes() -> None:
    with pytest.raises(EmptyData):
        Memory(Real((1,)), torch.zeros(0, 1))
    with pytest.raises(ShapeMismatch):
        Memory(Real((1,)), torch.zeros(3, 2))
    with pytest.raises(ShapeMismatch, match="one group for each of 3 rows"):
        Memory(Real((1,)), torch.zeros(3, 1), groups=torch.zeros(2, dtype=torch.int64))
