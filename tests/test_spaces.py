"""Spaces: what is an event of them, and what is refused."""

import pytest
import torch

from loglik import Category, Integer, Measure, Real
from loglik.errors import NotFinite, OutsideSpace, ShapeMismatch, UsageError
from loglik.spaces import Space, space_from_json


@pytest.mark.parametrize("space", [Real((2, 3)), Integer((3, 4, 4), 256), Category((), 10), Integer((5,), 2)])
def test_json_round_trip(space: Space) -> None:
    assert space_from_json(space.to_json()) == space


def test_measures_and_dims() -> None:
    assert Real((2, 3)).measure is Measure.DENSITY
    assert Integer((2, 3), 4).measure is Category((1,), 2).measure is Measure.MASS
    assert Integer((3, 4, 4), 2).dims == 48
    assert Category((), 10).dims == 1


def test_events_have_exactly_one_batch_axis() -> None:
    with pytest.raises(ShapeMismatch, match=r"Expected .*\(2,\).*; got \(3, 1\)"):
        Real((2,)).events(torch.zeros(3, 1))


@pytest.mark.parametrize("x", [[[0, 17]], [[-1, 3]]])
def test_levels_outside_the_space(x: list[list[int]]) -> None:
    with pytest.raises(OutsideSpace, match="17 levels"):
        Integer((2,), 17).events(torch.tensor(x))


def test_fractions_and_nan_are_no_levels() -> None:
    with pytest.raises(OutsideSpace, match="fractions"):
        Integer((2,), 17).events(torch.tensor([[0.5, 1.0]]))
    with pytest.raises(NotFinite):
        Integer((2,), 17).events(torch.tensor([[float("nan"), 1.0]]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64, torch.float32, torch.float64])
def test_whole_numbers_of_any_dtype_are_integers(dtype: torch.dtype) -> None:
    assert Integer((2,), 17).events(torch.tensor([[0, 16]], dtype=dtype)).dtype == torch.int64


def test_impossible_spaces() -> None:
    with pytest.raises(UsageError):
        Integer((2,), 1)
    with pytest.raises(UsageError):
        Real((0,))


def test_features_of_contexts() -> None:
    assert Category((), 3).features(torch.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert Integer((1,), 3).features(torch.tensor([[0], [1], [2]])).tolist() == [[-1], [0], [1]]
    assert Real((2,)).features(torch.ones(4, 2)).shape == (4, Real((2,)).width)
