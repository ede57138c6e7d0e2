"""log p(x) by draws of the latents, its terms, and a q for every event, against what is known exactly."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import loglik
from loglik import Real, build, evaluate, fit
from loglik.contract import Claim, Model
from loglik.errors import NotFinite, ShapeMismatch, UnknownName, UsageError
from loglik.inference.latent.joint import log_joint_of
from loglik.models.latent.posteriors import CategoricalPosterior, NormalPosterior


def rows(n: int, dims: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dims, dims, dtype=torch.float64, generator=generator)
    return torch.randn(n, dims, dtype=torch.float64, generator=generator) @ mixing + 1.0


def principal(latents: int, dims: int) -> tuple[Model, Tensor]:
    """PPCA with so much noise that p(z|x) is not far from p(z)."""
    model = build("ppca", Real((dims,)), latents=latents, standardize=False)
    x = rows(400, dims)
    fit(model, x)
    model.weight.mul_(0.5)
    model.variance.mul_(4.0)
    return model, x[:20]


def mixture() -> tuple[Model, Tensor]:
    x = torch.cat([rows(100, 2), rows(100, 2, seed=1) + 3.0])
    model = build("gmm", Real((2,)), components=3, seed=0)
    fit(model, x)
    return model, x[::10]


def with_posterior(model: Model, posterior: Callable[[Tensor], object]) -> None:
    """Give a model another q(z|x)."""
    model.posterior = lambda x, context=None: posterior(x)


@pytest.mark.parametrize("latents", [2, 10, 50])
@pytest.mark.parametrize("method", ["importance", "ais"])
def test_estimates_agree_with_the_exact_likelihood(latents: int, method: str) -> None:
    """The q of importance sampling is the posterior, widened: from the posterior itself every weight is p(x)."""
    model, x = principal(latents, latents + 5)
    own = model.posterior
    samples, x = 16, x[:6]
    if method == "importance":
        samples = 200

        def wider(x: Tensor) -> NormalPosterior:
            q = own(x)
            return NormalPosterior(q.mean, 1.05 * q.root, exact=False)

        with_posterior(model, wider)
    found = loglik.marginal_likelihood(model, x, method=method, samples=samples)
    # The log of a mean weight lies below on average, by half its relative variance.
    bias = 0.5 * found.stderr.square().mean()
    off = float(found.log_p.mean() - model.log_prob(x).mean() + bias)
    error = float(found.stderr.square().mean().sqrt()) / len(x) ** 0.5
    assert abs(off) < 3.5 * error + 1e-6
    assert error < 0.2
    assert found.score.claim is Claim.LOWER_BOUND


def test_from_the_posterior_itself_every_weight_is_the_likelihood() -> None:
    model, x = principal(3, 8)
    found = loglik.marginal_likelihood(model, x, method="importance", samples=5)
    assert torch.allclose(found.log_p, model.log_prob(x), rtol=0, atol=1e-10)
    assert float(found.stderr.max()) < 1e-10
    assert float(found.ess.min()) == pytest.approx(5.0)


@pytest.mark.parametrize("made", [lambda: principal(1, 4), mixture], ids=["normal", "counted"])
def test_naive_draws_scatter_as_the_formula_says(made: Callable[[], tuple[Model, Tensor]]) -> None:
    model, x = made()
    found = loglik.marginal_likelihood(model, x, method="naive", samples=30_000)
    assert found.predicted is not None
    usual = found.predicted < 5.0  # beyond, so few draws do not see the tail that makes the variance
    assert int(usual.sum()) >= 5
    assert torch.allclose(found.measured[usual], found.predicted[usual], rtol=0.25)
    assert torch.allclose(found.log_p, evaluate(model, x).values, rtol=0, atol=5 * float(found.stderr.max()))
    assert float(found.draws_for(0.1)[0]) == pytest.approx(float(found.predicted[0]) * 100.0)


def test_the_formulas_of_a_normal_posterior_are_the_integrals() -> None:
    """int N(z; m, s^2)^2 / N(z; 0, 1) dz, and the KL divergence, on a grid."""
    z = torch.linspace(-12.0, 12.0, 200_001, dtype=torch.float64)
    mean, scale = torch.tensor([[0.7]], dtype=torch.float64), torch.tensor([[[0.6]]], dtype=torch.float64)
    q = NormalPosterior(mean, scale, exact=True)
    log_q = q.log_prob(z[:, None, None])[:, 0]
    log_prior = -0.5 * z.square() - 0.5 * math.log(2 * math.pi)
    integral = torch.trapezoid((2 * log_q - log_prior).exp(), z)
    assert float(q.log_second_moment(lambda z: z)) == pytest.approx(float(integral.log()), abs=1e-9)
    kl = torch.trapezoid(log_q.exp() * (log_q - log_prior), z)
    assert float(q.divergence(lambda z: z)) == pytest.approx(float(kl), abs=1e-9)


def test_naive_draws_fail_exponentially_in_the_latents() -> None:
    needed = []
    for latents in (2, 8, 32):
        model = build("ppca", Real((latents + 2,)), latents=latents, standardize=False)
        fit(model, rows(300, latents + 2))
        found = loglik.marginal_likelihood(model, rows(10, latents + 2, seed=5), method="naive", samples=10)
        needed.append(float(found.draws_for(0.1).log().median()))
    assert needed[1] > 1.5 * needed[0]
    assert needed[2] > 2.0 * needed[1]


def test_elbo_and_divergence_sum_to_the_likelihood_for_any_q() -> None:
    model, x = mixture()
    q = CategoricalPosterior(torch.randn(len(x), 3, dtype=torch.float64).log_softmax(1), exact=False)
    parts = loglik.decompose(model, x, q)
    assert parts.exact
    assert torch.allclose(parts.elbo + parts.kl_posterior.value, model.log_prob(x), rtol=0, atol=1e-10)
    # By enumeration, written out.
    z = torch.arange(3)[:, None].expand(-1, len(x))
    elbo = (q.log_probs.exp().T * (log_joint_of(model, x, z, None) - q.log_probs.T)).sum(0)
    assert torch.allclose(parts.elbo, elbo, rtol=0, atol=1e-12)
    assert bool((parts.kl_posterior.value > 0).all())


@pytest.mark.parametrize("name", ["ppca", "factor-analysis"])
def test_normal_latents_have_exact_terms(name: str) -> None:
    model = build(name, Real((6,)), latents=2)
    x = rows(100, 6)
    fit(model, x)
    narrow = 0.5 * torch.eye(2, dtype=torch.float64)[None]
    q = NormalPosterior(torch.randn(100, 2, dtype=torch.float64), narrow, exact=False)
    parts = loglik.decompose(model, x, q)
    assert parts.exact
    assert torch.allclose(parts.elbo + parts.kl_posterior.value, evaluate(model, x).values, rtol=0, atol=1e-8)
    assert torch.allclose(parts.kl_prior.value, q.divergence(lambda z: z), rtol=0, atol=1e-10)
    drawn = q.sample(20_000)
    log_p = log_joint_of(model, x, drawn, None) - model.log_latent(drawn.flatten(0, 1)).reshape(20_000, 100)
    off = (log_p.mean(0) - parts.reconstruction.value) / (log_p.std(0) / 20_000**0.5)
    assert float(off.abs().max()) < 5.0


def test_a_wrong_posterior_breaks_the_sum() -> None:
    """The slide's covariance sigma^2 M in place of sigma^2 M^-1."""
    model, x = principal(2, 6)
    right = model.posterior(x)
    slide = torch.linalg.cholesky(model.variance * model._m())
    with_posterior(model, lambda x: NormalPosterior(right.mean, slide[None], exact=True))
    parts = loglik.decompose(model, x, right)
    off = (parts.elbo + parts.kl_posterior.value - model.log_prob(x)).abs()
    assert float(off.min()) > 1e-3


def test_drawn_terms_carry_their_errors() -> None:
    model = build("vae", Real((3,)), hidden=(16,), latents=1, seed=0)
    x = rows(200, 3)
    fit(model, x, steps=50)
    parts = loglik.decompose(model, x[:30], samples=2000)
    assert not parts.exact
    assert float(parts.reconstruction.stderr.min()) > 0.0
    assert torch.allclose(parts.elbo + parts.kl_posterior.value, parts.log_p.value)
    assert "estimated" in str(parts)


def test_a_q_of_its_own_reaches_the_posterior_of_ppca() -> None:
    model, x = principal(2, 6)
    x, wide = x[:10], torch.eye(2, dtype=torch.float64)[None]
    with_posterior(model, lambda x: NormalPosterior(torch.zeros(len(x), 2, dtype=torch.float64), wide, exact=False))
    found = loglik.variational_em(model, x, steps=600, lr=0.05)
    assert found.kl[0] > 10 * found.kl[-1]
    assert found.kl[-1] < 2e-3
    # In mini-batches as well: the mean of their gradients is the same.
    assert loglik.variational_em(model, x, steps=2500, batch=5, lr=0.05).kl[-1] < 1e-2


def test_a_q_of_its_own_over_components_reaches_the_responsibilities() -> None:
    model, x = mixture()
    right = model.posterior(x).log_probs
    even = torch.full((len(x), 3), -math.log(3.0), dtype=torch.float64)
    with_posterior(model, lambda x: CategoricalPosterior(even, exact=False))
    found = loglik.variational_em(model, x, steps=800, lr=1.0)
    assert found.kl[-1] < 1e-3
    assert torch.allclose(found.q.log_probs.exp(), right.exp(), atol=0.02)


def test_a_q_of_its_own_is_no_worse_than_the_net_and_theta_climbs_too() -> None:
    model = build("vae", Real((3,)), hidden=(16,), latents=2, seed=0)
    x = rows(200, 3)
    fit(model, x, steps=100)
    amortised = float(loglik.decompose(model, x, samples=500).elbo.mean())
    alone = loglik.variational_em(model, x, steps=300, lr=0.02)
    assert alone.elbo[-1] > amortised - 0.01
    both = loglik.variational_em(model, x, steps=300, lr=0.02, model_lr=1e-2)
    assert both.elbo[-1] > alone.elbo[-1] + 0.05


def test_what_has_no_latents_is_refused() -> None:
    made = build("made", Real((3,)), hidden=(8,))
    for task in (loglik.decompose, loglik.marginal_likelihood, loglik.variational_em):
        with pytest.raises(UsageError, match="Expected a model with latents"):
            task(made, rows(5, 3))
    model, x = mixture()
    with pytest.raises(UnknownName, match="importance"):
        loglik.marginal_likelihood(model, x, method="importanc")
    with pytest.raises(UsageError, match="Expected real latents"):
        loglik.marginal_likelihood(model, x, method="ais")
    with pytest.raises(UsageError, match="model_lr=0"):
        loglik.variational_em(build("ppca", Real((3,))), rows(5, 3), model_lr=0.1)


def test_missing_values_are_left_out_by_mixtures_and_refused_by_others() -> None:
    model, x = mixture()
    x[0, 0] = math.nan
    terms, exact = loglik.decompose(model, x), evaluate(model, x).values
    torch.testing.assert_close(terms.log_p.value, exact, atol=1e-9, rtol=0.0)
    drawn = loglik.marginal_likelihood(model, x, method="importance", samples=10)
    torch.testing.assert_close(drawn.score.values, exact, atol=1e-9, rtol=0.0)
    model, x = principal(1, 3)
    x[0, 0] = math.nan
    for ask in (loglik.decompose, loglik.marginal_likelihood, loglik.variational_em):
        with pytest.raises(NotFinite, match="whole events for log p\\(x\\|z\\) of ppca; got missing values"):
            ask(model, x)


def test_a_q_of_something_else_is_refused() -> None:
    model, x = mixture()
    other, _ = principal(1, 2)
    fewer = build("gmm", Real((2,)), components=2, seed=0)
    with pytest.raises(UsageError, match=r"Expected a posterior for q, such as model.posterior\(x\); got"):
        loglik.decompose(model, x, torch.full((len(x), 3), 1 / 3))  # type: ignore[arg-type]
    for q, got in (
        (model.posterior(x[:5]), "5 events, one of 3 values"),
        (other.posterior(x), r"20 events, real \(1,\)"),
        (fewer.posterior(x), "20 events, one of 2 values"),
    ):
        with pytest.raises(ShapeMismatch, match=f"these 20 events, one of 3 values; got q of {got}"):
            loglik.decompose(model, x, q)
