"""The baselines of discrete data: their numbers are known in closed form."""

import math

import pytest
import torch

from cases import data
from loglik.contract import EMModel, Model
from loglik.errors import UsageError
from loglik.models.baselines.histogram import histogram
from loglik.models.baselines.uniform import uniform
from loglik.ops import LN2
from loglik.spaces import Category, Integer, Real


def bits_per_dim(model: Model, x: torch.Tensor) -> float:
    return float(-model.log_likelihood(x).double().mean() / (model.space.dims * LN2))


@pytest.mark.parametrize("levels", [2, 17, 256, 65536])
def test_uniform_takes_log2_of_the_levels(levels: int) -> None:
    space = Integer((8, 8), levels)
    assert bits_per_dim(uniform(space), torch.zeros(3, 8, 8).long()) == pytest.approx(math.log2(levels), abs=1e-12)


def test_histogram_before_any_data_is_uniform() -> None:
    assert bits_per_dim(histogram(Integer((5,), 17)), torch.zeros(2, 5).long()) == pytest.approx(
        math.log2(17), abs=1e-12
    )


def test_histogram_is_the_smoothed_count() -> None:
    model = histogram(Category((2,), 3), smoothing=0.5)
    x = torch.tensor([[0, 2], [0, 2], [1, 2]])
    model.maximize(model.expect(x))
    first = math.log((2 + 0.5) / (3 + 1.5)) + math.log((3 + 0.5) / (3 + 1.5))
    assert float(model.log_prob(torch.tensor([[0, 2]]))) == pytest.approx(first, abs=1e-12)
    never_seen = math.log(0.5 / 4.5) * 2
    assert float(model.log_prob(torch.tensor([[2, 0]]))) == pytest.approx(never_seen, abs=1e-12)


def test_histogram_of_many_events_is_their_entropy() -> None:
    x = data(Integer((3,), 5), 4_000)
    model = histogram(Integer((3,), 5), smoothing=1e-9)
    model.maximize(model.expect(x))
    p = torch.nn.functional.one_hot(x, 5).double().mean(0)
    entropy = -torch.xlogy(p, p).sum()
    assert float(-model.log_prob(x).mean()) == pytest.approx(float(entropy), abs=1e-9)


def test_one_row_and_a_constant_column() -> None:
    model = histogram(Integer((2,), 4))
    assert isinstance(model, EMModel)
    model.maximize(model.expect(torch.tensor([[3, 0]])))
    assert torch.isfinite(model.log_prob(torch.tensor([[3, 0], [0, 3]]))).all()
    assert (model.sample(5) < 4).all()


@pytest.mark.parametrize("builder", [uniform, histogram])
def test_densities_are_refused(builder: object) -> None:
    assert callable(builder)
    with pytest.raises(UsageError, match=r"Integer (and|or) Category"):
        builder(Real((2,)))


def test_no_level_may_be_impossible() -> None:
    with pytest.raises(UsageError, match="smoothing > 0"):
        histogram(Integer((2,), 3), smoothing=0.0)
