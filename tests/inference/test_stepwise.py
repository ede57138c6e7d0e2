"""Stepwise EM against numpy's moments, one pass of EM, and the optimum of EM on all rows at once."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import loglik
from loglik.errors import EmptyData, NotFinite, UsageError
from loglik.models.latent.gmm.builder import COVARIANCES
from loglik.models.latent.gmm.model import GaussianMixture


def clouds(rows: int) -> Tensor:
    torch.manual_seed(3)
    k = torch.randint(3, (rows, 1))
    return torch.randn(rows, 2, dtype=torch.float64) * (0.5 + 0.3 * k) + torch.tensor([4.0, -3.0]) * k


def mixture(components: int, covariance: str = "full", prior: float | None = None) -> GaussianMixture:
    model = loglik.build(
        "gmm", loglik.Real((2,)), components=components, covariance=covariance, prior=prior, floor=1e-9, seed=0
    )
    assert isinstance(model, GaussianMixture)
    return model


@pytest.mark.parametrize("covariance", list(COVARIANCES))
def test_averages_of_equal_batches_are_numpys_moments_of_all_rows(covariance: str) -> None:
    """At power 1 every batch counts alike; the statistics of each were taken about other means."""
    x = clouds(600) + 50.0
    model = mixture(1, covariance)
    stream = loglik.StepwiseEM(model, power=1.0)
    for batch in x.split(100):
        stream.update(batch)
    np.testing.assert_allclose(model.means.detach().numpy()[0], x.numpy().mean(0), rtol=1e-12)
    expected = np.cov(x.numpy().T, bias=True)
    if covariance == "diagonal":
        expected = np.diag(np.diag(expected))
    if covariance == "spherical":
        expected = np.eye(2) * np.trace(expected) / 2
    np.testing.assert_allclose(model.covariances.detach().numpy()[0], expected, rtol=1e-9, atol=1e-9)
    assert (stream.steps, stream.events) == (6, 600.0)


def test_the_first_step_is_a_pass_of_em() -> None:
    x = clouds(300)
    torch.manual_seed(0)
    one, other = mixture(3), mixture(3)
    one.initialize(x)
    other.load_state_dict(one.state_dict())
    one.fitted = other.fitted = True
    nats = loglik.partial_fit(one, x)
    stats = other.expect(x)
    other.maximize(stats)
    assert nats == pytest.approx(float(stats.log_likelihood / stats.events), rel=1e-12)
    torch.testing.assert_close(one.means, other.means)
    torch.testing.assert_close(one.covariances, other.covariances)


@pytest.mark.parametrize("prior", [None, 5.0])
@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_a_stream_ends_at_the_optimum_of_all_rows(covariance: str, prior: float | None) -> None:
    """Every row comes 20 times, and so it counts, against a prior too."""
    x = clouds(2000)
    best = mixture(3, covariance, prior)
    loglik.fit(best, x, weights=torch.full((2000,), 20.0), tolerance=1e-10, starts=4)
    model = mixture(3, covariance, prior)
    torch.manual_seed(1)
    stream = loglik.StepwiseEM(model, power=1.0)
    first = stream.update(x[:200])
    for _ in range(20):
        for rows in torch.randperm(len(x)).split(200):
            stream.update(x[rows])
    nats, most = (float(m.log_prob(x).mean().detach()) for m in (model, best))
    assert nats == pytest.approx(most, abs=2e-4)
    assert first < most - 0.01
    order, theirs = model.means.detach()[:, 0].argsort(), best.means.detach()[:, 0].argsort()
    torch.testing.assert_close(model.means.detach()[order], best.means.detach()[theirs], atol=0.02, rtol=0.01)


def test_it_goes_on_where_it_was_and_the_object_does_the_same() -> None:
    x = clouds(400)
    by_name, by_object = mixture(2), mixture(2)
    torch.manual_seed(0)
    calls = [loglik.partial_fit(by_name, batch) for batch in x.split(100)]
    torch.manual_seed(0)
    stream = loglik.StepwiseEM(by_object)
    assert calls == [stream.update(batch) for batch in x.split(100)]
    assert torch.equal(by_name.means, by_object.means)
    assert by_name.fitted


def test_weights_count_rows() -> None:
    x = clouds(300)
    times = torch.arange(300) % 3
    one, other = mixture(2), mixture(2)
    one.initialize(x)
    other.load_state_dict(one.state_dict())
    one.fitted = other.fitted = True
    weighed, repeated = loglik.StepwiseEM(one), loglik.StepwiseEM(other)
    for part in (slice(0, 150), slice(150, 300)):
        weighed.update(x[part], times[part].double())
        repeated.update(x[part].repeat_interleave(times[part], 0))
    assert weighed.events == repeated.events == 300.0
    torch.testing.assert_close(one.covariances, other.covariances, rtol=1e-9, atol=1e-9)


def test_what_cannot_be_learnt_is_refused_and_changes_nothing() -> None:
    x = clouds(100)
    for name, space in (("gaussian", loglik.Real((2,))), ("gmm", loglik.Integer((2,), levels=4))):
        with pytest.raises(UsageError, match=f"Expected a gmm of Real data; got {name}"):
            loglik.partial_fit(loglik.build(name, space), x)
    with pytest.raises(UsageError, match="power"):
        loglik.StepwiseEM(mixture(2), power=0.5)
    model = mixture(2)
    with pytest.raises(EmptyData):
        loglik.partial_fit(model, x[:0])
    loglik.partial_fit(model, x)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    with pytest.raises(NotFinite):
        loglik.partial_fit(model, torch.where(x > 5.0, math.inf, x))
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
