"""Mixtures of normals as conditionals of reals: the density, the draws, and the start."""

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

from loglik.heads import MixtureHead

pytestmark = pytest.mark.usefixtures("float64")


def test_the_density_is_that_of_the_mixture() -> None:
    params, x = torch.randn(50, 3, 12), torch.randn(50, 3)
    logits, mean, raw = params.chunk(3, dim=-1)
    truth = MixtureSameFamily(Categorical(logits=logits), Normal(mean, torch.exp(7.0 * torch.tanh(raw / 7.0))))
    torch.testing.assert_close(MixtureHead(4).log_prob(params, x), truth.log_prob(x))


def test_draws_have_its_distribution_function() -> None:
    """The distribution function of the mixture makes its draws uniform."""
    torch.manual_seed(0)
    head, n = MixtureHead(3), 20_000
    params = torch.tensor([0.5, -1.0, 0.2, -3.0, 0.0, 2.0, -1.0, 0.3, 0.1])
    x = head.sample(params.expand(n, 9))
    logits, mean, raw = params.chunk(3)
    each = Normal(mean, torch.exp(7.0 * torch.tanh(raw / 7.0))).cdf(x[:, None])
    u = (each * logits.softmax(0)).sum(1).sort().values
    assert float((u - torch.linspace(0, 1, n)).abs().max()) < 1.9 / n**0.5  # Kolmogorov, 1 in 1000


def test_it_starts_near_the_marginals_also_of_constant_columns() -> None:
    head = MixtureHead(4)
    x = torch.stack([torch.randn(1000), torch.full((1000,), 3.0), torch.cat([torch.zeros(500), torch.ones(500)])], 1)
    start = head.marginal(x)
    assert start.shape == (3, 12)
    assert bool(torch.isfinite(start).all())
    found = head.log_prob(start.expand(1000, 3, 12), x).mean(0)
    assert float(found[0]) > -1.6  # the entropy of a standard normal is 1.42
    assert float(found[1]) > 4.0


def test_one_component_is_a_normal() -> None:
    params, x = torch.randn(50, 3, 3), torch.randn(50, 3)
    truth = Normal(params[..., 1], torch.exp(7.0 * torch.tanh(params[..., 2] / 7.0))).log_prob(x)
    torch.testing.assert_close(MixtureHead(1).log_prob(params, x), truth)
