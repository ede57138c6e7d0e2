"""The prior of a mixture against scipy's densities, its M-step against autograd, and what it keeps from happening."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import loglik
from loglik.errors import FitWarning, UsageError
from loglik.laws.em import em_ascends, gaps_ascend, statistics_add, weights_count
from loglik.laws.verdict import Status
from loglik.models.latent.gmm.model import GaussianMixture


def clouds(rows: int, dims: int) -> Tensor:
    torch.manual_seed(2)
    k = torch.randint(3, (rows, 1))
    return torch.randn(rows, dims, dtype=torch.float64) * (0.5 + k) + 4.0 * k + 7.0


def mixture(dims: int, covariance: str, prior: float | None, components: int = 3) -> GaussianMixture:
    model = loglik.build(
        "gmm", loglik.Real((dims,)), components=components, covariance=covariance, prior=prior, floor=1e-9, seed=0
    )
    assert isinstance(model, GaussianMixture)
    return model


def scipys_density(model: GaussianMixture, rows: float) -> float:
    """log p(theta) of the parameters of y, written with scipy's own densities."""
    from scipy.stats import dirichlet, invgamma, invwishart, multivariate_normal, norm

    k, d = model.locations.shape
    kappa, psi = rows / 100, rows * k ** (-2 / d)
    pi, means = model.weights.detach().numpy(), model.locations.detach().numpy()
    found = float(dirichlet.logpdf(pi, np.full(k, 1 + kappa)))
    for mean, dense in zip(means, model.covariance.dense().detach().numpy(), strict=True):
        if model.covariance.correlated:
            found += multivariate_normal.logpdf(mean, np.zeros(d), dense / kappa)
            found += invwishart.logpdf(dense, d + 1 + rows, psi * np.eye(d))
        else:
            variances = np.diag(dense)
            found += norm.logpdf(mean, 0, np.sqrt(variances / kappa)).sum()
            found += invgamma.logpdf(variances, (2 + rows) / 2, scale=psi / 2).sum()
    return found


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
@pytest.mark.parametrize(("dims", "rows"), [(1, 1.0), (3, 0.5), (4, 20.0)])
def test_the_log_density_is_scipys(covariance: str, dims: int, rows: float) -> None:
    x = clouds(200, dims)
    model = mixture(dims, covariance, rows)
    loglik.fit(model, x, steps=3)
    assert model.has_prior
    assert float(model.log_prior().detach()) == pytest.approx(scipys_density(model, rows), rel=1e-10)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_em_ends_where_the_posterior_is_flat(covariance: str) -> None:
    x = torch.randn(60, 2, dtype=torch.float64) + 9.0 * torch.randint(2, (60, 1))
    model = mixture(2, covariance, 3.0, components=2)
    model.initialize(x)
    for _ in range(80):
        model.maximize(model.expect(x))
    (model.log_prob(x).sum() + model.log_prior()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert float(parameter.grad.abs().max()) < 1e-6, name
    model.zero_grad()
    model.log_prob(x).sum().backward()
    assert max(float(p.grad.abs().max()) for p in model.parameters() if p.grad is not None) > 0.1  # no maximum of L


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_the_laws_of_em_hold(covariance: str) -> None:
    x = clouds(120, 3)
    for law in (em_ascends, statistics_add, weights_count, gaps_ascend):
        assert law(mixture(3, covariance, 1.0), x, None).status is Status.PASSED, law.__name__


def test_the_law_of_ascent_fails_for_a_prior_that_is_not_the_one_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GaussianMixture, "log_prior", lambda model: 50.0 * model.covariance.log_det().sum())
    assert em_ascends(mixture(3, "full", 30.0), clouds(120, 3), None).status is Status.FAILED


def test_components_on_few_rows_do_not_collapse() -> None:
    x = clouds(24, 4)
    least = []
    for prior in (None, 1.0):
        model = mixture(4, "full", prior, components=8)
        loglik.fit(model, x, steps=100)
        least.append(float(torch.linalg.eigvalsh(model.covariance.dense().detach()).min()))
    # A sum of scatters is no less than psi I, and no component has more than all rows.
    assert least[1] >= 8 ** (-2 / 4) / (24 + 4 + 1 + 1 + 4 + 2) > 1e-3
    assert least[0] < 1e-6


def test_a_weak_prior_is_maximum_likelihood_and_a_strong_one_is_the_prior() -> None:
    x = clouds(300, 2)
    scores = []
    for prior in (None, 1e-7):
        model = mixture(2, "diagonal", prior, components=2)
        loglik.fit(model, x, steps=20)
        scores.append(float(model.log_prob(x).mean().detach()))
    assert scores[1] == pytest.approx(scores[0], rel=2e-2)
    assert scores[1] <= scores[0] + 1e-9
    model = mixture(2, "full", 1e8, components=2)
    loglik.fit(model, x, steps=5)
    torch.testing.assert_close(model.weights.detach(), torch.full((2,), 0.5).double(), rtol=1e-3, atol=0)
    expected = 2.0 ** (-2 / 2) * torch.eye(2).double().expand(2, 2, 2)
    torch.testing.assert_close(model.covariance.dense().detach(), expected, rtol=1e-2, atol=1e-2)


def test_it_is_saved_and_refused_by_name(tmp_path: object) -> None:
    model = mixture(2, "full", 1.0)
    x = clouds(50, 2)
    loglik.fit(model, x, steps=2)
    again = loglik.load(loglik.save(model, f"{tmp_path}/run"))
    assert torch.equal(again.log_prior(), model.log_prior())
    for covariance in ("tied", "spherical"):
        with pytest.raises(UsageError, match=f"got {covariance}"):
            mixture(2, covariance, 1.0)
    assert not mixture(2, "tied", None).has_prior


def test_components_that_died_are_told_with_their_number() -> None:
    x = clouds(200, 2)
    model = mixture(2, "full", None, components=4)
    model.initialize(x)
    assert model.remark == ""
    far = torch.tensor([[7.0, 7.0], [14.0, 14.0], [1e4, 0.0], [0.0, -1e4]])
    model.start(torch.ones(4), far, torch.eye(2).expand(4, 2, 2))
    model.fitted = True
    with pytest.warns(FitWarning, match="2 of the mixture's 4 components are empty.*Take components=2"):
        loglik.fit(model, x, steps=3)
    assert math.isfinite(float(model.log_prob(x).mean().detach()))
