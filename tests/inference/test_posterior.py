"""Posteriors over weights against closed forms: normal means, linear regression, a Bernoulli; and what cannot be."""

import itertools
import math
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

import loglik
from loglik import Integer, LaplacePrior, NormalPrior, Real, build, evaluate, fit, load, posterior, save
from loglik.contract import ExactModel
from loglik.data import Memory
from loglik.densities import normal_log_prob
from loglik.errors import UnknownName, UsageError
from loglik.inference.posterior.chains import effective_size, r_hat
from loglik.inference.posterior.hmc import hmc
from loglik.inference.posterior.laplace import diagonal, full, laplace
from loglik.inference.posterior.sghmc import sghmc
from loglik.inference.posterior.target import LogJoint
from loglik.models.predictive import PosteriorPredictive
from loglik.ops import sum_event

ROWS, SCALE = 12, 0.7


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Line(ExactModel):
    """y ~ N(w . phi(c) , 1) with phi = (1, c): linear regression of known variance."""

    def __init__(self) -> None:
        super().__init__(Real((1,)), Real((1,)), dtype=torch.float64)
        self.w = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        assert context is not None
        return sum_event(normal_log_prob(self.events(x, context), self.w[0] + self.w[1] * context))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        assert context is not None
        mean = (self.w[0] + self.w[1] * context).expand(n, 1)
        return mean + torch.randn(n, 1, dtype=torch.float64)


C = drawn(ROWS, 1, seed=1)
Y = 0.5 + 1.5 * C + drawn(ROWS, 1, seed=2)
PHI = torch.cat([torch.ones_like(C), C], dim=1)
PRECISION = PHI.T @ PHI + torch.eye(2, dtype=torch.float64) / SCALE**2
MEAN = torch.linalg.solve(PRECISION, PHI.T @ Y[:, 0])
COVARIANCE = torch.linalg.inv(PRECISION)
EVIDENCE = float(
    MultivariateNormal(torch.zeros(ROWS, dtype=torch.float64), torch.eye(ROWS) + SCALE**2 * PHI @ PHI.T).log_prob(
        Y[:, 0]
    )
)


def target(prior: object = NormalPrior(SCALE)) -> LogJoint:
    return LogJoint(Line(), Memory(Real((1,)), Y, C, Real((1,))), prior)  # type: ignore[arg-type]


def test_laplace_of_a_normal_posterior_is_exact() -> None:
    found = laplace(target(), full)
    assert torch.allclose(found.mode, MEAN, atol=1e-7)
    assert torch.allclose(found.root @ found.root.T, COVARIANCE, atol=1e-10)
    assert found.log_evidence == pytest.approx(EVIDENCE, abs=1e-8)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = found.sample(20_000)
    assert torch.allclose(draws.T.cov(), COVARIANCE, atol=4 * 20_000**-0.5 * float(COVARIANCE.max()))


def test_without_a_prior_the_scale_has_the_highest_evidence() -> None:
    chosen = laplace(target(None), full)

    def evidence(scale: float) -> float:
        cov = torch.eye(ROWS) + scale**2 * PHI @ PHI.T
        return float(MultivariateNormal(torch.zeros(ROWS, dtype=torch.float64), cov).log_prob(Y[:, 0]))

    best = float(chosen.prior.scale)  # type: ignore[arg-type]
    assert evidence(best) > max(evidence(0.98 * best), evidence(1.02 * best))


def test_hmc_has_the_moments_of_the_posterior() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        found = hmc(target(), MEAN, PRECISION.diagonal(), draws=1200, chains=4, warm=100, thin=1)
    error = (COVARIANCE.diagonal() / 300).sqrt()  # of a quarter as many independent draws
    assert ((found.draws.mean(0) - MEAN).abs() < 4 * error).all()
    assert torch.allclose(found.draws.T.cov().diagonal(), COVARIANCE.diagonal(), rtol=0.25)
    assert 0.6 < found.accepted < 0.98
    assert r_hat(found.traces) < 1.05


def test_mini_batches_have_the_moments_too() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        t = target()
        fisher = t.fisher(MEAN)
        found = sghmc(t, MEAN, PRECISION.diagonal(), fisher, batch=6, draws=400, chains=4)
    error = (COVARIANCE.diagonal() / 150).sqrt()
    assert ((found.draws.mean(0) - MEAN).abs() < 4 * error).all()
    assert torch.allclose(found.draws.T.cov().diagonal(), COVARIANCE.diagonal(), rtol=0.35)


def fitted_line() -> Line:
    model = Line()
    model.w.data.copy_(MEAN)
    model.fitted = True
    return model


@pytest.mark.parametrize("method", ["laplace", "hmc"])
def test_the_predictive_is_the_conjugate_one(method: str) -> None:
    """p(y | c) = N(phi . m, 1 + phi' S phi), and wider than the plug-in's N(phi . m, 1)."""
    found = posterior(fitted_line(), Y, context=C, method=method, prior=SCALE, samples=400)
    c = torch.tensor([[-1.0], [0.0], [3.0]], dtype=torch.float64)
    phi = torch.cat([torch.ones_like(c), c], dim=1)
    y = (phi @ MEAN)[:, None]
    spread = (1.0 + ((phi @ COVARIANCE) * phi).sum(1)).sqrt()
    exact = -spread.log() - 0.5 * math.log(2 * math.pi)
    assert torch.allclose(found(y, c), exact, atol=0.04)
    with pytest.raises(AssertionError):
        assert torch.allclose(fitted_line()(y, c), exact, atol=0.04)


@pytest.fixture(scope="module")
def small() -> tuple[loglik.Model, Tensor]:
    x = torch.randint(0, 2, (30, 3), generator=torch.Generator().manual_seed(0))
    model = build("made", Integer((3,), levels=2), hidden=(4,), seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(model, x, prior=1.0, steps=60)
    return model, x


@pytest.mark.parametrize("method", ["laplace", "laplace-diagonal", "laplace-last-layer", "sghmc", "ensemble"])
def test_every_predictive_sums_to_one_and_comes_back(
    small: tuple[loglik.Model, Tensor], method: str, tmp_path: Path
) -> None:
    model, x = small
    every = torch.tensor(list(itertools.product(range(2), repeat=3)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = posterior(model, x, method=method, prior=1.0, samples=4, options={"steps": 10})
    assert isinstance(found, PosteriorPredictive)
    members = torch.stack([member(every).exp() for member in found.members])
    assert torch.allclose(found(every).exp(), members.mean(0))
    assert float(members.std(0).max()) > 1e-3, "the draws differ"
    assert float(found(every).exp().sum()) == pytest.approx(1.0, abs=1e-6)
    again = load(save(found, tmp_path / "run"))
    assert bool((again(every) == found(every)).all())
    assert again.remark == found.remark
    assert evaluate(again, x).claim is loglik.Claim.EXACT


def test_samples_have_the_predictive_frequencies(small: tuple[loglik.Model, Tensor]) -> None:
    model, x = small
    found = posterior(model, x, prior=1.0, samples=3)
    every = torch.tensor(list(itertools.product(range(2), repeat=3)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = found.sample(4000)
    counts = torch.bincount((draws * torch.tensor([4, 2, 1])).sum(1), minlength=8).double()
    p = found(every).exp().detach()
    assert float(((counts - 4000 * p).square() / (4000 * p)).sum()) < 29.9  # chi-squared, 7 degrees: 1e-4


def test_the_same_seed_gives_the_same_draws(small: tuple[loglik.Model, Tensor]) -> None:
    model, x = small
    one, two, other = (posterior(model, x, prior=1.0, samples=2, seed=s)(x) for s in (0, 0, 1))
    assert bool((one == two).all())
    assert bool((one != other).any())


def test_diagnostics_see_chains_that_disagree() -> None:
    noise = drawn(4, 500)
    assert r_hat(noise) == pytest.approx(1.0, abs=0.01)
    assert r_hat(noise + torch.arange(4.0)[:, None]) > 1.3
    assert effective_size(noise) == pytest.approx(2000, rel=0.2)
    slow = torch.zeros(4, 500, dtype=torch.float64)
    for t in range(1, 500):
        slow[:, t] = 0.9 * slow[:, t - 1] + noise[:, t]
    assert effective_size(slow) == pytest.approx(2000 * 0.1 / 1.9, rel=0.5)


def test_a_weight_that_nothing_holds_is_refused() -> None:
    model = build("fvsbn", Integer((3,), levels=2), seed=0)
    x = torch.randint(0, 2, (30, 3), generator=torch.Generator().manual_seed(0))
    with pytest.raises(UsageError, match="held by the data or a prior"):
        laplace(LogJoint(model, Memory(model.space, x), NormalPrior({"*bias": 1.0})), diagonal)


def test_what_cannot_be(small: tuple[loglik.Model, Tensor]) -> None:
    model, x = small
    with pytest.raises(UsageError, match="samples"):
        posterior(model, x, samples=0)
    with pytest.raises(UnknownName, match="laplace"):
        posterior(model, x, method="laplase")
    with pytest.raises(UsageError, match="normal prior"):
        posterior(model, x, prior=LaplacePrior(1.0))
    with pytest.raises(UsageError, match="fitted model"):
        posterior(build("fvsbn", model.space), x)
    with pytest.raises(UsageError, match="bayes-gmm"):
        posterior(build("gmm", Real((2,))), torch.randn(20, 2))
    vae = build("vae", model.space)
    vae.fitted = True
    with pytest.raises(UsageError, match="ensemble"):
        posterior(vae, x)
    with pytest.raises(loglik.LoglikError, match="3"):
        posterior(model, torch.zeros(5, 4, dtype=torch.long))


def test_errors_call_a_model_by_its_name_in_the_zoo() -> None:
    space, x = Real((2,)), torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(UsageError, match="got gmm, fitted by EM"):
        posterior(build("gmm", space), x)
    with pytest.raises(UsageError, match=r"got a new made\. Call"):
        posterior(build("made", space), x)
    with pytest.raises(UsageError, match="got bayes-gaussian, which is its own posterior"):
        posterior(build("bayes-gaussian", space), x, method="conjugate")
    with pytest.raises(UsageError, match=r"got gaussian\. Its score is"):
        loglik.marginal_likelihood(build("gaussian", space), x)
