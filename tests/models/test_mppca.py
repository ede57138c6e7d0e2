"""Mixtures of PPCA: one component is PPCA itself; several against dense normals, autograd, and known planes."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

import loglik
from cases import data
from loglik.errors import UsageError
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.models.latent.mppca import Principal, mppca
from loglik.models.latent.ppca import ProbabilisticPCA
from loglik.spaces import Real

pytestmark = pytest.mark.usefixtures("float64")


def mixture(x: Tensor, components: int, latents: int, *, passes: int, floor: float = 1e-9) -> GaussianMixture:
    torch.manual_seed(0)
    model = GaussianMixture(Real(tuple(x.shape[1:])), Principal(components, x.shape[1], latents, floor))
    model.initialize(x)
    for _ in range(passes):
        model.maximize(model.expect(x))
    return model


def planes(n: int, seed: int = 0) -> Tensor:
    """Two planes in five dimensions, with noise, far apart."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, 2, generator=generator)
    directions = torch.randn(2, 2, 5, generator=torch.Generator().manual_seed(99))
    which = torch.rand(n, generator=generator) < 0.3
    plane = torch.where(which[:, None], z @ directions[0] + 6.0, z @ directions[1] - 2.0)
    return plane + torch.where(which[:, None], 0.3, 0.6) * torch.randn(n, 5, generator=generator)


def test_one_component_is_ppca() -> None:
    x = data(Real((5,))).double()
    model = mixture(x, 1, 2, passes=2)
    y = (x - model.shift) / model.unit
    one = ProbabilisticPCA(Real((5,)), 2, em=False, floor=0.0)
    one.initialize(y)
    one.maximize(one.expect(y))
    expected = one.log_prob(y) - model.unit.log().sum()
    torch.testing.assert_close(model.log_prob(x), expected, rtol=1e-9, atol=1e-9)
    weight, noise = model.covariance.principal()  # type: ignore[operator]
    torch.testing.assert_close(noise[0], one.variance, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(weight[0] @ weight[0].T, one.weight @ one.weight.T, rtol=1e-8, atol=1e-8)


def test_log_prob_is_the_sum_over_dense_normals() -> None:
    x = planes(300)
    model = mixture(x, 3, 2, passes=5)
    with torch.no_grad():
        means, covariances = model.means, model.covariances
        each = [MultivariateNormal(m, c).log_prob(x) for m, c in zip(means, covariances, strict=True)]
        truth = (model.weights.log() + torch.stack(each, 1)).logsumexp(1)
        torch.testing.assert_close(model.log_prob(x), truth, rtol=1e-9, atol=1e-9)


def test_all_directions_but_the_latents_have_one_variance() -> None:
    model = mixture(planes(400), 2, 2, passes=10)
    values = torch.linalg.eigvalsh(model.covariance.dense())
    torch.testing.assert_close(values[:, :3], values[:, :1].expand(2, 3), rtol=1e-9, atol=1e-12)
    weight, noise = model.covariance.principal()  # type: ignore[operator]
    dense = weight @ weight.mT + noise[:, None, None] * torch.eye(5)
    torch.testing.assert_close(dense, model.covariance.dense(), rtol=1e-9, atol=1e-9)


def test_em_never_falls_and_ends_where_the_gradient_vanishes() -> None:
    """Of the likelihood along W, sigma^2, the means and the weights, by autograd."""
    x = planes(400)
    model = mixture(x, 2, 2, passes=0)
    last = -math.inf
    for _ in range(200):
        stats = model.expect(x)
        value = float(stats.log_likelihood / stats.events)
        assert value >= last - 1e-11
        last = value
        model.maximize(stats)
    weight, noise = (t.detach().clone().requires_grad_() for t in model.covariance.principal())  # type: ignore[operator]
    means, logits = (t.detach().clone().requires_grad_() for t in (model.locations, model.logits))
    y = (x - model.shift) / model.unit
    covariances = weight @ weight.mT + noise[:, None, None] * torch.eye(5)
    each = [MultivariateNormal(m, c).log_prob(y) for m, c in zip(means, covariances, strict=True)]
    (logits.log_softmax(0) + torch.stack(each, 1)).logsumexp(1).mean().backward()
    for value_at in (weight, noise, means, logits):
        assert value_at.grad is not None
        assert float(value_at.grad.abs().max()) < 1e-6


def test_the_m_step_is_the_best_on_the_floor_too() -> None:
    """No W and sigma^2 >= floor nearby are better for the same second moments."""
    floor = 0.05
    shape = Principal(1, 4, 2, floor)
    root = torch.diag(torch.tensor([0.04, 0.1, 0.15, 1.0])) @ torch.linalg.qr(torch.randn(4, 4)).Q
    second = (root.T @ root)[None]
    shape.assign(second, torch.ones(1))

    def loss(covariance: Tensor) -> float:
        return float(torch.logdet(covariance) + torch.linalg.solve(covariance, second[0]).trace())

    best = loss(shape.dense()[0].detach())
    weight, noise = (t.detach() for t in shape.principal())
    assert float(noise[0]) == pytest.approx(floor)
    generator = torch.Generator().manual_seed(0)
    for size in (1e-3, 1e-2, 0.1):
        for _ in range(50):
            other = weight[0] + size * torch.randn(4, 2, generator=generator)
            more = floor + size * torch.rand((), generator=generator)
            assert loss(other @ other.T + more * torch.eye(4)) >= best - 1e-12


def test_two_planes_are_found() -> None:
    """Weights and means within four standard errors, which the spread over data sets tells."""
    found = []
    for seed in range(8):
        model = mixture(planes(1500, seed), 2, 2, passes=60)
        order = model.weights.argsort()
        with torch.no_grad():
            covariances = model.covariances[order]
            found.append(torch.cat([model.weights[order], model.means[order].flatten(), covariances.flatten()]))
    directions = torch.randn(2, 2, 5, generator=torch.Generator().manual_seed(99))
    noise = torch.tensor([0.09, 0.36])[:, None, None] * torch.eye(5)
    truth = [torch.tensor([0.3, 0.7]), torch.tensor([6.0, -2.0]).repeat_interleave(5)]
    values = torch.stack(found)
    deviation = values.std(0)
    whole = torch.cat([*truth, (directions.mT @ directions + noise).flatten()])
    off = values.mean(0) - whole
    assert float((off / (deviation / math.sqrt(8.0)))[:12].abs().max()) < 4.0
    # The noise is one in the units of the columns, which differ: covariances are not quite those of the truth.
    assert float(off[12:].abs().max()) < 0.25


def test_values_left_out_are_those_of_dense_normals() -> None:
    x = planes(200)
    model = mixture(x, 2, 2, passes=5)
    observed = torch.rand(200, 5) < 0.6
    plain = model.log_marginal(x, observed).detach()
    for hidden in (1e6, math.nan):
        assert torch.equal(model.log_marginal(torch.where(observed, x, hidden), observed).detach(), plain)
    with torch.no_grad():
        means, covariances, weights = model.means, model.covariances, model.weights
    for row in range(10):
        seen = observed[row]
        if not bool(seen.any()):
            continue
        each = [
            MultivariateNormal(m[seen], c[seen][:, seen]).log_prob(x[row, seen])
            for m, c in zip(means, covariances, strict=True)
        ]
        assert float(plain[row]) == pytest.approx(float((weights.log() + torch.stack(each)).logsumexp(0)), abs=1e-9)


@pytest.mark.parametrize(
    "x",
    [torch.ones(1, 3), torch.ones(6, 3), torch.cat([torch.randn(20, 2), torch.ones(20, 1)], 1), torch.randn(3, 6)],
    ids=["one row", "equal rows", "a constant column", "fewer rows than dims"],
)
def test_degenerate_data_give_a_finite_answer(x: Tensor) -> None:
    model = mixture(x, 2, 1, passes=4, floor=1e-6)
    assert torch.isfinite(model.log_prob(x)).all()
    assert torch.isfinite(model.sample(3)).all()


def test_latents_that_cannot_be() -> None:
    for latents in (0, 3):
        with pytest.raises(UsageError, match="1 <= latents < 3"):
            mppca(Real((3,)), latents=latents)
    with pytest.raises(UsageError, match="Use gmm"):
        mppca(Real((1,)))


def test_infinite_values_are_refused_in_one_line() -> None:
    x = planes(50)
    x[3, 2] = math.inf
    with pytest.raises(loglik.errors.NotFinite):
        loglik.fit(loglik.build("mppca", Real((5,)), components=2), x)
