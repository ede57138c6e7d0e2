"""Factor analysis: scikit-learn's optimum, scipy's density, conditioning, units, gaps, edges."""

import warnings

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.decomposition import FactorAnalysis as Reference
from torch import Tensor

from loglik import Integer, Real, build, check, evaluate, fit
from loglik.errors import UsageError


def data(n: int = 400, dims: int = 6, latents: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    noise = 0.2 + torch.rand(dims, dtype=torch.float64, generator=generator)
    return normal(n, latents) @ normal(latents, dims) + noise * normal(n, dims) + 3.0


@pytest.mark.parametrize(("dims", "latents"), [(6, 2), (20, 4), (5, 1)])
def test_the_optimum_is_that_of_scikit_learn(dims: int, latents: int) -> None:
    x = data(dims=dims, latents=latents)
    model = build("factor-analysis", Real((dims,)), latents=latents)
    history = fit(model, x)
    assert (history.method, history.steps) == ("closed form", 1)
    reference = Reference(latents, tol=1e-11, max_iter=50_000, svd_method="lapack").fit(x.numpy())
    assert evaluate(model, x).nats == pytest.approx(reference.score(x.numpy()), abs=1e-8)
    assert model.noise.numpy() == pytest.approx(reference.noise_variance_, rel=1e-4)


def test_the_density_is_that_of_the_normal_it_stands_for() -> None:
    x = data()
    model = build("factor-analysis", Real((6,)), latents=2)
    fit(model, x)
    covariance = model.weight @ model.weight.T + torch.diag(model.noise)
    expected = multivariate_normal(model.mean.numpy(), covariance.numpy()).logpdf(x.numpy())
    assert model.log_prob(x).numpy() == pytest.approx(expected, rel=1e-12)


def test_the_posterior_is_gaussian_conditioning() -> None:
    x = data(50)
    model = build("factor-analysis", Real((6,)), latents=2)
    fit(model, x)
    W = model.weight
    gain = W.T @ torch.linalg.inv(W @ W.T + torch.diag(model.noise))
    q = model.posterior(x)
    assert q.exact
    assert torch.allclose(q.mean, (x - model.mean) @ gain.T, rtol=0, atol=1e-12)
    assert torch.allclose(q.covariance[0], torch.eye(2, dtype=torch.float64) - gain @ W, rtol=0, atol=1e-12)
    assert torch.allclose(model.reconstruct(x), (x - model.mean) @ gain.T @ W.T + model.mean, rtol=0, atol=1e-12)


def test_the_fit_is_stationary() -> None:
    """No gradient is left of the likelihood in W, Psi and mu."""
    x = data()
    model = build("factor-analysis", Real((6,)), latents=2)
    fit(model, x)
    parts = [t.clone().requires_grad_() for t in (model.mean, model.weight, model.noise)]
    mean, weight, noise = parts
    density = torch.distributions.MultivariateNormal(mean, weight @ weight.T + torch.diag(noise))
    gradients = torch.autograd.grad(density.log_prob(x).mean(), parts)
    assert max(float(g.abs().max()) for g in gradients) < 1e-5


def test_scores_follow_the_units_of_each_column() -> None:
    x, unit = data(), torch.tensor([1.0, 1e3, 1e-3, 10.0, 1.0, 1e6], dtype=torch.float64)
    nats = []
    for rows in (x, x * unit - 7.0):
        model = build("factor-analysis", Real((6,)), latents=2)
        fit(model, rows)
        nats.append(evaluate(model, rows).nats)
    assert nats[1] == pytest.approx(nats[0] - float(unit.log().sum()), abs=1e-8)


def test_weighted_rows_are_repeated_rows() -> None:
    x, times = data(90), torch.arange(90) % 3
    models = [build("factor-analysis", Real((6,)), latents=2) for _ in range(2)]
    for model, rows, weights in ((models[0], x, times.double()), (models[1], x.repeat_interleave(times, 0), None)):
        model.initialize(x)
        model.maximize(model.expect(rows, weights=weights))
    reached = [float(model.log_prob(x) @ times.double()) / 90 for model in models]
    assert reached[0] == pytest.approx(reached[1], abs=1e-10)


def test_half_of_the_values_tell_nearly_the_same_covariance() -> None:
    x = data(6000)
    gaps = torch.where(torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < 0.5, float("nan"), x)
    whole, half = (build("factor-analysis", Real((6,)), latents=2) for _ in range(2))
    fit(whole, x)
    history = fit(half, gaps, steps=300, tolerance=1e-8)
    assert history.method == "EM"
    found = [np.cov(model.sample(100_000).T.numpy()) for model in (whole, half)]
    size = np.sqrt(np.outer(np.diag(found[0]), np.diag(found[0])))
    # Standard errors from 1500 pairs, and of the samples.
    assert (np.abs(found[0] - found[1]) / size).max() < 5 * (2.0 / 1500) ** 0.5


def test_a_column_that_factors_explain_whole_is_told() -> None:
    """The first column is copied, so that its noise falls to the floor (a Heywood case)."""
    x = data(200, dims=4, latents=1)
    with pytest.warns(UserWarning, match=r"determine column \d but for"):
        fit(build("factor-analysis", Real((5,)), latents=2), torch.cat([x, x[:, :1]], 1))


def test_factors_that_cannot_be_told_apart_are_told() -> None:
    with pytest.warns(UserWarning, match="2 factors of 3 columns are more"):
        fit(build("factor-analysis", Real((3,)), latents=2), data(200, dims=3, latents=1))


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_few_rows_and_constant_columns_have_a_finite_density(rows: int) -> None:
    x = data(rows)
    x[:, 2] = 1.0
    model = build("factor-analysis", Real((6,)), latents=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(model, x)
    assert bool(torch.isfinite(model.log_prob(data(20))).all())


def test_integers_are_seen_through_their_marginals_and_laws_hold() -> None:
    x = data(300).round().long().clamp(0, 7)
    model = build("factor-analysis", Integer((6,), 8), latents=2)
    fit(model, x)
    assert str(evaluate(model, x).claim) == "lower bound"
    real = build("factor-analysis", Real((6,)), latents=2)
    fit(real, data())
    check(real).raise_if_failed()


@pytest.mark.parametrize(("space", "latents"), [(Real((1,)), 1), (Real((3,)), 3)])
def test_as_many_latents_as_dimensions_are_refused(space: Real, latents: int) -> None:
    with pytest.raises(UsageError, match="latents"):
        build("factor-analysis", space, latents=latents)
