"""Evidences beside closed forms and quadratures; their errors beside the spread over seeds; what is refused."""

import math
import statistics
import sys

import pytest
import torch
from torch import Tensor

import loglik
from loglik.errors import NotFinite, ShapeMismatch, UnknownName, UsageError

OURS = ["smc", "importance", "ais"]


def normal(x: Tensor, mean: Tensor | float, variance: float) -> Tensor:
    return -0.5 * ((x - mean).square() / variance + math.log(2 * math.pi * variance))


def box(low: float, high: float, dims: int) -> loglik.Uniform:
    return loglik.Uniform([low] * dims, [high] * dims)


def two_peaks(theta: Tensor) -> Tensor:
    """Two normals of unequal width and weight, far apart; both within [-4, 8]^d: log Z = log(1 + 1/2) - d log 12."""
    wide, narrow = normal(theta, 1.0, 0.5).sum(1), normal(theta, 6.0, 0.1).sum(1)
    return torch.logaddexp(wide, narrow - math.log(2.0))


def shell(theta: Tensor) -> Tensor:
    return normal(theta.square().sum(1).sqrt(), 2.0, 0.01)


@pytest.mark.parametrize("method", OURS)
def test_two_peaks_are_both_counted(method: str) -> None:
    found = loglik.evidence(two_peaks, box(-4.0, 8.0, 2), method=method)
    assert found.stderr < 0.2
    assert abs(found.log_z - (math.log(1.5) - 2 * math.log(12.0))) < 4 * found.stderr
    assert found.claim is loglik.Claim.ESTIMATE


def test_a_thin_shell_in_ten_dimensions() -> None:
    r = torch.linspace(1e-6, 4.0, 200_001, dtype=torch.float64)
    ring = torch.trapezoid((normal(r, 2.0, 0.01) + 9 * r.log()).exp(), r).log()
    log_z = math.log(2.0) + 5 * math.log(math.pi) - math.lgamma(5.0) + float(ring) - 10 * math.log(12.0)
    found = loglik.evidence(shell, box(-6.0, 6.0, 10))
    assert found.stderr < 0.3
    assert abs(found.log_z - log_z) < 4 * found.stderr


@pytest.mark.parametrize("method", OURS)
def test_a_conjugate_model_in_five_dimensions(method: str) -> None:
    """x_n ~ N(theta, I), theta ~ N(0, I): p(X) is normal in every column, with covariance I + 1 1^T."""
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    marginal = torch.distributions.MultivariateNormal(
        torch.zeros(20, dtype=torch.float64), torch.eye(20, dtype=torch.float64) + 1.0
    )
    prior = torch.distributions.Normal(torch.zeros(5, dtype=torch.float64), 1.0)
    found = loglik.evidence(lambda theta: normal(x[:, None], theta, 1.0).sum((0, 2)), prior, method=method)
    assert found.stderr < 0.1
    assert abs(found.log_z - float(marginal.log_prob(x.T).sum())) < 4 * found.stderr


@pytest.mark.parametrize("method", OURS)
def test_the_printed_error_is_the_spread_over_seeds(method: str) -> None:
    found = [
        loglik.evidence(two_peaks, box(-4.0, 8.0, 2), method=method, seed=seed, particles=480, repeats=8)
        for seed in range(60)  # of 20 the spread itself is uncertain by a sixth, and so by the processor
    ]
    spread = statistics.stdev(one.log_z for one in found)
    printed = math.sqrt(statistics.mean(one.stderr**2 for one in found))
    assert 2 / 3 < spread / printed < 4 / 3


def test_functions_without_gradients_are_moved_without_them() -> None:
    found = loglik.evidence(lambda theta: two_peaks(theta.detach()), box(-4.0, 8.0, 2), particles=1000)
    assert abs(found.log_z - (math.log(1.5) - 2 * math.log(12.0))) < 4 * found.stderr


def test_a_model_is_a_prior() -> None:
    prior = loglik.build("gaussian", loglik.Real((2,)))
    loglik.fit(prior, torch.randn(50, 2, generator=torch.Generator().manual_seed(0)))
    found = loglik.evidence(lambda theta: torch.zeros(len(theta)), prior, method="importance", particles=400)
    assert abs(found.log_z) < 4 * found.stderr + 1e-9


def test_the_same_seed_gives_the_same_number() -> None:
    one, two, other = (loglik.evidence(two_peaks, box(-4.0, 8.0, 2), particles=200, seed=seed) for seed in (3, 3, 4))
    assert one.log_z == two.log_z != other.log_z


def test_an_impossible_half_is_integrated_as_zero() -> None:
    def half(theta: Tensor) -> Tensor:
        return torch.where(theta[:, 0] > 0, 0.0, -torch.inf)

    found = loglik.evidence(half, box(-1.0, 1.0, 2), particles=1000)
    assert abs(found.log_z + math.log(2.0)) < 4 * found.stderr


def test_what_it_says() -> None:
    found = loglik.evidence(two_peaks, box(-4.0, 8.0, 2), particles=200)
    text = str(found)
    assert "\n" not in text
    assert text.startswith(f"log evidence ~ {found.log_z:.4f} +- {found.stderr:.4f} nats (estimate by smc")
    assert f"{found.evaluations} evaluations" in text


def test_an_estimate_that_few_draws_carry_says_so() -> None:
    """A mixture of t's is no shell in twenty dimensions; chains are."""
    box_20 = box(-6.0, 6.0, 20)
    assert "do not trust the error" in str(loglik.evidence(shell, box_20, method="importance", particles=1000))
    assert "do not trust" not in str(loglik.evidence(shell, box(-6.0, 6.0, 2), method="importance", particles=1000))


def test_what_cannot_be_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    square = box(0.0, 1.0, 2)
    with pytest.raises(UnknownName, match="smc"):
        loglik.evidence(two_peaks, square, method="sms")
    with pytest.raises(ShapeMismatch, match="Sum over everything"):
        loglik.evidence(lambda theta: theta, square)
    with pytest.raises(NotFinite, match="NaN"):
        loglik.evidence(lambda theta: theta.sum(1) * torch.nan, square)
    with pytest.raises(NotFinite, match="above 0 somewhere"):
        loglik.evidence(lambda theta: theta.sum(1) * 0 - torch.inf, square)
    with pytest.raises(UsageError, match="a prior that is"):
        loglik.evidence(two_peaks, "normal")
    with pytest.raises(UsageError, match="an exact density"):
        loglik.evidence(two_peaks, loglik.build("vae", loglik.Real((2,)), latents=1))
    with pytest.raises(ShapeMismatch, match="one vector"):
        loglik.evidence(two_peaks, torch.distributions.Normal(torch.zeros(2, 2), 1.0))
    with pytest.raises(UsageError, match="low < high"):
        box(1.0, 0.0, 2)
    monkeypatch.setitem(sys.modules, "dynesty", None)
    with pytest.raises(UsageError, match="pip install dynesty"):
        loglik.evidence(two_peaks, square, method="nested")


@pytest.mark.filterwarnings("ignore:The enlargement factor")
def test_nested_sampling_where_dynesty_is_installed() -> None:
    pytest.importorskip("dynesty")
    found = loglik.evidence(two_peaks, box(-4.0, 8.0, 2), method="nested", particles=100, repeats=4)
    assert abs(found.log_z - (math.log(1.5) - 2 * math.log(12.0))) < 4 * found.stderr
