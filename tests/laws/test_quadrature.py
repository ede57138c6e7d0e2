"""The law of mass on densities that are hard to integrate: judged rightly or not at all."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Cauchy,
    Distribution,
    Laplace,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    StudentT,
    Uniform,
)

from loglik.contract import ExactModel
from loglik.laws import Result, Status, check
from loglik.laws.quadrature import _rules, resolved_integral
from loglik.laws.verdict import NotApplicable
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
def test_sound_densities_pass(name: str, dims: int) -> None:
    assert mass(dims, SMOOTH[name]).status is Status.PASSED


@pytest.mark.parametrize("factor", [0.9997, 1.0003])
@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("name", ["normal", "two modes", "student"])
def test_a_little_too_much_or_too_little_is_found(name: str, dims: int, factor: float) -> None:
    assert mass(dims, SMOOTH[name], factor).status is Status.FAILED


class Kinked(ExactModel):
    """x_1 and x_2 - 3 |x_1 - c| are normal: a density with a kink that no grid of cells meets."""

    def __init__(self, kink: float, factor: float = 1.0) -> None:
        super().__init__(Real((2,)))
        self.kink, self.log_factor = kink, math.log(factor)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        z = torch.stack([x[:, 0], x[:, 1] - 3.0 * (x[:, 0] - self.kink).abs()], dim=1)
        return sum_event(Normal(0.0, 1.0).log_prob(z)) + self.log_factor

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        z = torch.randn(n, 2, dtype=torch.float64)
        return torch.stack([z[:, 0], z[:, 1] + 3.0 * (z[:, 0] - self.kink).abs()], dim=1)


@pytest.mark.parametrize("kink", [0.0, 0.1, 1.0 / 3.0, math.e / 4.0])
def test_kinks_are_resolved_wherever_they_lie(kink: float) -> None:
    """Not by luck: as near to one as the law asks, and found wrong by three times that."""
    assert check(Kinked(kink))["total mass"].status is Status.PASSED
    assert check(Kinked(kink, 1.0003))["total mass"].status is Status.FAILED
    assert check(Kinked(kink, 0.9997))["total mass"].status is Status.FAILED


@pytest.mark.parametrize("seed", range(6))
def test_narrow_and_slanting_parts_are_never_condemned(seed: int) -> None:
    """Mixtures whose components are up to a thousand times longer than wide, anywhere and at any angle."""
    generator = torch.Generator().manual_seed(seed)
    angle = math.pi * torch.rand(3, generator=generator, dtype=torch.float64)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()], -1), torch.stack([angle.sin(), angle.cos()], -1)], -2)
    scales = 10.0 ** (-3.0 * torch.rand(3, 2, generator=generator, dtype=torch.float64))
    means = 5.0 * torch.randn(3, 2, generator=generator, dtype=torch.float64)
    parts = MultivariateNormal(means, scale_tril=torch.linalg.cholesky((turn * scales.square()[:, None]) @ turn.mT))
    mixture = MixtureSameFamily(torch.distributions.Categorical(torch.ones(3).double()), parts)
    events = mixture.sample((64,))
    try:
        total, _ = resolved_integral(lambda x: mixture.log_prob(x).exp(), events)
    except NotApplicable:
        return
    assert total == pytest.approx(1.0, abs=1e-4)


def test_the_nested_rules_are_those_of_clenshaw_and_curtis() -> None:
    """Exact for polynomials up to the degree of their last node: 8 and 4."""
    nodes, fine, coarse = _rules(1)
    for degree in range(9):
        exact = 2.0 / (degree + 1) if degree % 2 == 0 else 0.0
        powers = nodes[:, 0] ** degree
        assert float(powers @ fine) == pytest.approx(exact, abs=1e-14)
        if degree <= 4:
            assert float(powers @ coarse) == pytest.approx(exact, abs=1e-14)


def test_a_ridge_too_narrow_for_the_points_is_left_to_samples() -> None:
    result = mass(2, two_modes(30.0, 1e-4))
    assert result.status in (Status.UNDECIDED, Status.PASSED)
    assert result.how != "quadrature"


def test_an_edge_that_cells_cannot_resolve_is_left_to_samples() -> None:
    result = mass(2, Uniform(number(-1.0), number(math.pi), validate_args=False))
    assert result.status in (Status.UNDECIDED, Status.PASSED)
    assert result.how != "quadrature"
