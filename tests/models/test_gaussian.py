"""The Gaussian against torch.distributions, its closed form against the moments, and what dequantisation adds."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from cases import data
from loglik.contract import Claim
from loglik.models.baselines.gaussian import BIN_VARIANCE, Gaussian, gaussian
from loglik.models.dequantized import Dequantized
from loglik.models.flow import ExactFlow
from loglik.spaces import Integer, Real

pytestmark = pytest.mark.usefixtures("float64")


def fitted(x: torch.Tensor, floor: float = 0.0) -> Gaussian:
    model = Gaussian(Real(tuple(x.shape[1:])), floor)
    model.initialize(x)
    model.maximize(model.expect(x))
    return model


@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (7,), (2, 3)])
def test_equals_torch_and_maximum_likelihood(shape: tuple[int, ...]) -> None:
    x = data(Real(shape)).double()
    model, flat = fitted(x), x.flatten(1)
    covariance = torch.cov(flat.T, correction=0).reshape(flat.shape[1], -1)
    truth = MultivariateNormal(flat.mean(0), covariance)
    torch.testing.assert_close(model.mean, flat.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.cholesky @ model.cholesky.T, covariance, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(model.log_prob(x), truth.log_prob(flat), rtol=1e-10, atol=1e-10)


def test_the_trace_identity() -> None:
    """At the maximum the mean squared distance is D, so the mean log-likelihood is -(D log 2 pi e + log|Sigma|) / 2."""
    x = data(Real((5,))).double()
    log_det = torch.logdet(torch.cov(x.T, correction=0))
    expected = -0.5 * (5 * math.log(2 * math.pi * math.e) + log_det)
    assert float(fitted(x).log_prob(x).mean()) == pytest.approx(float(expected), abs=1e-10)


def test_the_gradient_vanishes_at_the_maximum() -> None:
    x = data(Real((4,))).double()
    model = fitted(x)
    mean, cholesky = (t.clone().requires_grad_() for t in (model.mean, model.cholesky))
    torch.func.functional_call(model, {"mean": mean, "cholesky": cholesky}, (x,)).mean().backward()
    assert mean.grad is not None
    assert cholesky.grad is not None
    assert float(mean.grad.abs().max()) < 1e-10
    assert float(cholesky.grad.tril().abs().max()) < 1e-10


def test_a_large_mean_costs_no_digits() -> None:
    x = data(Real((3,))).double()
    far = x + 1e6
    torch.testing.assert_close(fitted(far).log_prob(far), fitted(x).log_prob(x), rtol=1e-7, atol=1e-7)
    single = fitted(far.float()).log_prob(far.float())
    assert float((single - fitted(x).log_prob(x)).abs().mean()) < 0.1


@pytest.mark.parametrize(
    "x",
    [
        torch.ones(1, 3),
        torch.ones(5, 3),
        torch.cat([torch.randn(20, 2), torch.ones(20, 1)], dim=1),
        torch.randn(3, 8),
        1e-8 * torch.randn(30, 2),
        1e8 * torch.randn(30, 2),
    ],
    ids=["one row", "equal rows", "a constant column", "fewer rows than dims", "tiny", "huge"],
)
def test_degenerate_data_have_a_floor(x: torch.Tensor) -> None:
    model = gaussian(Real(tuple(x.shape[1:])))
    assert isinstance(model, ExactFlow)
    model.initialize(x)
    model.maximize(model.expect(x))
    assert torch.isfinite(model.log_prob(x)).all()
    assert torch.isfinite(model.sample(4)).all()


def test_the_noise_of_dequantisation_is_added_in_closed_form() -> None:
    space = Integer((3,), 9)
    x = data(space, 500)
    model = gaussian(space)
    assert isinstance(model, Dequantized)
    assert isinstance(model.density, Gaussian)
    assert model.claim is Claim.LOWER_BOUND
    model.initialize(x)
    model.maximize(model.expect(x))
    exact = torch.cov(x.T.double(), correction=0) + BIN_VARIANCE * torch.eye(3)
    torch.testing.assert_close(model.density.cholesky @ model.density.cholesky.T, exact, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(model.density.mean, x.double().mean(0) + 0.5, rtol=1e-12, atol=1e-12)


def test_its_statistics_carry_the_mean_bound() -> None:
    space = Integer((2,), 4)
    x = data(space, 300)
    model = gaussian(space)
    model.maximize(model.expect(x))
    stats = model.expect(x)
    bounds = torch.stack([model.log_likelihood(x).mean() for _ in range(400)])
    error = float(stats.log_likelihood / stats.events - bounds.mean())
    assert abs(error) < 5 * float(bounds.std()) / 20
