"""The law of mass on densities that are hard to integrate: judged rightly or not at all."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Cauchy, Distribution, Laplace, MixtureSameFamily, Normal, StudentT, Uniform

from loglik.contract import ExactModel
from loglik.laws import Result, Status, check
from loglik.ops import sum_event
from loglik.spaces import Real


class Independent(ExactModel):
    """prod_d p(x_d) of a distribution of torch's, times `factor`."""

    def __init__(self, dims: int, distribution: Distribution, factor: float = 1.0) -> None:
        super().__init__(Real((dims,)))
        self.distribution, self.log_factor = distribution, math.log(factor)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return sum_event(self.distribution.log_prob(self.events(x, context))) + self.log_factor

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return self.distribution.sample((n, self.space.dims))


def mass(dims: int, distribution: Distribution, factor: float = 1.0) -> Result:
    return check(Independent(dims, distribution, factor))["total mass"]


def two_modes(apart: float, width: float) -> Distribution:
    modes = Normal(torch.tensor([0.0, apart]).double(), torch.tensor([1.0, width]).double())
    return MixtureSameFamily(torch.distributions.Categorical(torch.ones(2).double()), modes)


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


SMOOTH = {
    "normal": Normal(number(3e4), number(1e-3)),
    "two modes": two_modes(30.0, 0.1),
    "student": StudentT(number(2.0)),
    "cauchy": Cauchy(number(0.0), number(1.0)),
    "laplace": Laplace(number(1.0), number(5.0)),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("dims", [1, 2])
def test_sound_densities_are_never_condemned(name: str, dims: int) -> None:
    assert mass(dims, SMOOTH[name]).status is not Status.FAILED
    if dims == 1 and name != "laplace":
        assert mass(dims, SMOOTH[name]).status is Status.PASSED


@pytest.mark.parametrize("factor", [0.99, 1.01])
@pytest.mark.parametrize("name", ["normal", "two modes", "student"])
def test_a_hundredth_too_much_or_too_little_is_found(name: str, factor: float) -> None:
    assert mass(1, SMOOTH[name], factor).status is Status.FAILED


def test_an_edge_that_the_grid_cannot_resolve_is_left_unjudged() -> None:
    result = mass(2, Uniform(number(-1.0), number(math.pi), validate_args=False))
    assert result.status is Status.NOT_APPLICABLE
    assert "does not stand still" in result.detail
