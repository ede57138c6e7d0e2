"""Equal rows: counted as Python's sets count them, whatever they are stored as."""

import time

import numpy as np
import pytest
import torch

from loglik.data import Memory
from loglik.data.equal_rows import are_in, kept_together, row_hashes
from loglik.spaces import Category, Integer, Real, Space


def hashes(space: Space, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
    return row_hashes(Memory(space, x, context, None if context is None else Real(tuple(context.shape[1:]))))


@pytest.mark.parametrize("D", [1, 2, 7, 8, 9, 64])
@pytest.mark.parametrize("levels", [2, 17, 256, 257, 65536, 1 << 20])
def test_as_many_different_hashes_as_different_rows(D: int, levels: int) -> None:
    x = torch.randint(min(levels, 3 if D > 2 else 300), (5000, D))
    x[2500:] = x[torch.randint(2500, (2500,))]
    h = hashes(Integer((D,), levels), x)
    different = len({tuple(row) for row in x.tolist()})
    assert len(torch.unique(h)) == different
    assert torch.equal(are_in(h[2500:], h[:2500]), torch.ones(2500, dtype=torch.bool))


def test_neighbouring_values_and_orders_are_told_apart() -> None:
    x = torch.cartesian_prod(torch.arange(100), torch.arange(100), torch.arange(100))
    assert len(torch.unique(hashes(Real((3,)), x.double()))) == 10**6
    assert len(torch.unique(hashes(Integer((3,), 100), x))) == 10**6


def test_equal_numbers_have_equal_hashes_however_they_are_stored() -> None:
    x = torch.randint(17, (100, 1, 8, 8))
    assert torch.equal(hashes(Integer((1, 8, 8), 17), x), hashes(Integer((1, 8, 8), 17), x.to(torch.uint8)))
    y = torch.tensor([[0.0, 1.5], [-0.0, 1.5], [float("nan"), -2.0]])
    h = hashes(Real((2,)), y)
    assert h[0] == h[1]
    assert torch.equal(h, hashes(Real((2,)), y.double()))
    assert torch.equal(hashes(Real((2,)), -y)[2], hashes(Real((2,)), torch.tensor([[-float("nan"), 2.0]]))[0])


def test_a_row_is_its_event_with_its_context() -> None:
    x = torch.ones(4, 1)
    c = torch.tensor([[0.0], [1.0], [0.0], [2.0]])
    assert len(torch.unique(hashes(Real((1,)), x, c))) == 3
    labels = Memory(Integer((1,), 2), torch.ones(3, 1), torch.tensor([0, 1, 0]), Category((), 2))
    assert len(torch.unique(row_hashes(labels))) == 2


def test_equal_rows_and_groups_are_joined_until_nothing_is_shared() -> None:
    """A chain: rows equal in pairs across groups make one component of all; the other rows stay apart."""
    x = torch.tensor([0, 1, 1, 2, 2, 3, 7, 8]).double()[:, None]
    groups = torch.tensor([10, 10, 20, 20, 30, 30, 40, 50])
    joined = kept_together(Memory(Real((1,)), x, groups=groups))
    assert len(torch.unique(joined[:6])) == 1
    assert len(torch.unique(joined)) == 3
    alone = kept_together(Memory(Real((1,)), x))
    assert len(torch.unique(alone)) == 6


def test_a_million_rows_are_hashed_within_seconds() -> None:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(10**6, 8)))
    started = time.perf_counter()
    h = hashes(Real((8,)), x)
    assert not are_in(h[:200_000], h[200_000:]).any()
    assert time.perf_counter() - started < 10
