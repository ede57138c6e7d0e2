"""Dequantisation: a bound in the integers' own nats, tight where the density is flat within a level."""

import math

import pytest
import torch
from torch import Tensor

from cases import data
from loglik.bijections.elementwise import Gaussianize
from loglik.contract import Claim, ExactModel
from loglik.densities import StandardNormal
from loglik.errors import UsageError
from loglik.models.baselines.gaussian import gaussian
from loglik.models.baselines.histogram import histogram
from loglik.models.dequantized import Dequantized, density_space
from loglik.models.flow import Flow
from loglik.models.latent.ppca import ppca
from loglik.spaces import Category, Integer, Real

pytestmark = pytest.mark.usefixtures("float64")


class UniformDensity(ExactModel):
    """p(y) = levels^-D on [0, levels)^D"""

    def __init__(self, space: Real, levels: int) -> None:
        super().__init__(space)
        self.levels = levels

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context).flatten(1)
        inside = ((x >= 0) & (x < self.levels)).all(1)
        return torch.where(inside, -x.shape[1] * math.log(self.levels), -math.inf)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return self.levels * torch.rand(n, *self.space.shape, dtype=self.dtype)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_a_uniform_density_takes_log2_of_the_levels_exactly(levels: int) -> None:
    space = Integer((8, 8), levels)
    model = Dequantized(space, UniformDensity(Real((8, 8)), levels))
    x = torch.randint(levels, (10, 8, 8))
    bits = -model.log_likelihood(x) / (64 * math.log(2))
    torch.testing.assert_close(bits, torch.full((10,), math.log2(levels)), rtol=1e-12, atol=1e-12)


def test_gaussianised_margins_under_a_normal_are_the_histogram() -> None:
    """Pointwise, whatever the noise: the log-determinant and the base cancel to log P of the level."""
    space = Integer((4,), 7)
    x = data(space)
    flow = Flow(Real((4,)), Gaussianize(space, smoothing=0.1), StandardNormal(Real((4,))))
    model, truth = Dequantized(space, flow), histogram(space, smoothing=0.1)
    model.initialize(x)
    truth.maximize(truth.expect(x))
    torch.testing.assert_close(model.log_likelihood(x), truth.log_prob(x), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(model.bound(x, samples=5), truth.log_prob(x), rtol=1e-9, atol=1e-9)


def test_many_samples_reach_the_probability() -> None:
    """log P(x) = log (Phi(x + 1) - Phi(x)) for an inner level of a standard normal."""
    space = Integer((1,), 5)
    model = Dequantized(space, StandardNormal(Real((1,))))
    x = torch.tensor([[1], [2]])
    truth = (torch.special.ndtr(x[:, 0] + 1.0) - torch.special.ndtr(x[:, 0].double())).log()
    assert bool((model.bound(x, samples=200_000) - truth).abs().max() < 0.01)
    mean = torch.stack([model.log_likelihood(x) for _ in range(4_000)]).mean(0)
    assert bool((mean < truth - 0.01).all())  # the ELBO stays below: a normal is not flat within a level


def test_samples_are_levels_and_the_ends_take_the_tails() -> None:
    model = Dequantized(Integer((2,), 3), StandardNormal(Real((2,))))
    x = model.sample(4_000)
    assert x.dtype == torch.int64
    assert x.unique().tolist() == [0, 1, 2]
    # Everything below 1 counts for level 0: Phi(1) = 0.841.
    assert float((x == 0).double().mean()) == pytest.approx(0.841, abs=0.02)


def test_the_noise_of_each_call_is_new_and_seeded() -> None:
    model = Dequantized(Integer((3,), 4), StandardNormal(Real((3,))))
    x = torch.randint(4, (6, 3))
    assert not torch.equal(model.log_likelihood(x), model.log_likelihood(x))
    torch.manual_seed(3)
    first = model.log_likelihood(x)
    torch.manual_seed(3)
    assert torch.equal(first, model.log_likelihood(x))


def test_it_claims_a_bound_and_em_takes_the_mean_over_draws() -> None:
    space = Integer((3,), 4)
    assert gaussian(space).claim is Claim.LOWER_BOUND
    model = ppca(space, latents=1)
    x = data(space)
    model.initialize(x)
    torch.manual_seed(0)
    stats = model.expect(x)
    torch.manual_seed(0)
    single = [model.density.expect(x + torch.rand(x.shape, dtype=torch.float64)) for _ in range(model.draws)]
    assert model.draws > 1
    assert float(stats.events) == len(x)  # so that a prior keeps its weight
    mean = torch.stack([part.second for part in single]).mean(0)
    torch.testing.assert_close(stats.second, mean)


def test_labels_have_no_density() -> None:
    with pytest.raises(UsageError, match="histogram, made and vae"):
        density_space(Category((3,), 4), "gaussian")


def test_the_conditional_of_nothing_is_certain() -> None:
    """Both of its terms see the same noise."""
    x = torch.randint(5, (20, 3))
    model = gaussian(Integer((3,), 5))
    model.initialize(x)
    every = torch.ones(20, 3, dtype=torch.bool)
    torch.testing.assert_close(model.log_conditional(x, every), torch.zeros(20, dtype=torch.float64))
