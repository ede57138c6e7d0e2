"""The Gaussian mixture where values are missing, against quadrature, scipy, autograd, and parameters known."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from loglik.errors import EmptyData, NotFinite
from loglik.models.latent.gmm import gaps
from loglik.models.latent.gmm.builder import COVARIANCES, gmm
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.ops import rows_by_mask
from loglik.spaces import Real

SHAPES = list(COVARIANCES)


def clouds(events: int, dims: int) -> Tensor:
    k = torch.randint(3, (events, 1))
    x = torch.randn(events, dims, dtype=torch.float64) @ torch.randn(dims, dims, dtype=torch.float64)
    return x * (0.5 + k) + 4.0 * k + torch.arange(dims)


def hidden(x: Tensor, share: float) -> Tensor:
    """x with a share of its values missing, and one row missing altogether."""
    gappy = torch.where(torch.rand(x.shape) < share, math.nan, x)
    gappy[5] = math.nan
    return gappy


def mixture(x: Tensor, covariance: str, components: int = 3, floor: float = 1e-6) -> GaussianMixture:
    model = gmm(Real(tuple(x.shape[1:])), components=components, covariance=covariance, floor=floor)
    assert isinstance(model, GaussianMixture)
    model.initialize(x)
    return model


def passes(model: GaussianMixture, x: Tensor, steps: int) -> list[float]:
    history = []
    for _ in range(steps):
        stats = model.expect(x)
        model.maximize(stats)
        history.append(float(stats.log_likelihood / stats.events))
    return history


def by_scipy(model: GaussianMixture, row: Tensor, seen: Tensor) -> float:
    o = seen.numpy()
    weights, means, covariances = (t.detach().numpy() for t in (model.weights, model.means, model.covariances))
    parts = [
        weight * multivariate_normal(mean[o], covariance[np.ix_(o, o)]).pdf(row.numpy()[o])
        for weight, mean, covariance in zip(weights, means, covariances, strict=True)
    ]
    return math.log(sum(parts))


@pytest.mark.parametrize("covariance", SHAPES)
@pytest.mark.parametrize("dims", [2, 3])
def test_a_marginal_is_the_integral_over_what_is_hidden(covariance: str, dims: int) -> None:
    model = mixture(clouds(300, dims), covariance, floor=1e-3)
    x = clouds(4, dims)
    grid = torch.linspace(-80.0, 110.0, 6001, dtype=torch.float64)
    for free in range(dims):
        seen = torch.ones(4, dims, dtype=torch.bool)
        seen[:, free] = False
        whole = x[:, None, :].repeat(1, len(grid), 1)
        whole[:, :, free] = grid
        density = model.log_prob(whole.flatten(0, 1)).detach().exp().reshape(4, -1)
        expected = torch.trapezoid(density, grid).log()
        torch.testing.assert_close(model.log_marginal(x, seen).detach(), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("covariance", SHAPES)
def test_the_likelihood_of_gaps_is_that_of_scipys_marginals(covariance: str) -> None:
    x = hidden(clouds(60, 4), 0.4)
    model = mixture(clouds(300, 4), covariance)
    expected = [by_scipy(model, row, ~row.isnan()) for row in x if not bool(row.isnan().all())]
    stats = model.expect(x)
    assert float(stats.log_likelihood) == pytest.approx(sum(expected), rel=1e-10)
    assert float(stats.events) == 60
    marginal = model.log_marginal(x, ~x.isnan())
    assert float(marginal.sum().detach()) == pytest.approx(sum(expected), rel=1e-10)
    assert float(marginal[5].detach()) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("covariance", SHAPES)
def test_statistics_are_the_expectations_of_the_completed_events(covariance: str) -> None:
    """Against a sum over components and rows, written out with one conditional normal each."""
    x = hidden(clouds(40, 3), 0.4)
    model = mixture(clouds(300, 3), covariance)
    y = ((x - model.shift) / model.unit).detach()
    counts, first = torch.zeros(3).double(), torch.zeros(3, 3).double()
    second = torch.zeros(3, 3, 3).double()
    with torch.no_grad():
        r = model.responsibilities(x)
        sigma, locations = model.covariance.dense(), model.locations
        for n, k in np.ndindex(40, 3):
            o = ~x[n].isnan()
            gain = sigma[k][:, o] @ torch.linalg.inv(sigma[k][o][:, o])
            delta = gain @ (y[n, o] - locations[k, o])
            counts[k] += r[n, k]
            first[k] += r[n, k] * delta
            second[k] += r[n, k] * (torch.outer(delta, delta) + sigma[k] - gain @ sigma[k][o])
        stats = model.expect(x)
    kept = {
        "full": second,
        "tied": second.sum(0, keepdim=True),
        "diagonal": second.diagonal(dim1=1, dim2=2),
        "spherical": second.diagonal(dim1=1, dim2=2).sum(1, keepdim=True),
    }
    torch.testing.assert_close(stats.counts, counts, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(stats.first, first, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(stats.second, kept[covariance], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("covariance", SHAPES)
def test_slices_and_chunks_of_patterns_change_nothing(covariance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = hidden(clouds(500, 4), 0.3)
    model = mixture(x, covariance)
    weights, r = torch.rand(500, dtype=torch.float64), torch.rand(500, 3, dtype=torch.float64)
    whole = model.statistics(x, r, weights=weights)
    monkeypatch.setattr(gaps, "FACTOR_VALUES", 1)
    monkeypatch.setattr(gaps, "WHITENED_VALUES", 1)
    parts = model.statistics(x[:77], r[:77], weights=weights[:77]) + model.statistics(
        x[77:], r[77:], weights=weights[77:]
    )
    for field in ("events", "log_likelihood", "counts", "first", "second"):
        torch.testing.assert_close(getattr(whole, field), getattr(parts, field), rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("covariance", SHAPES)
def test_weights_count_as_repeated_rows(covariance: str) -> None:
    x = hidden(clouds(200, 3), 0.3)
    x[100:] = clouds(100, 3)
    model = mixture(x, covariance)
    times = torch.randint(4, (200,))
    weighted = model.expect(x, weights=times.double())
    repeated = model.expect(x.repeat_interleave(times, dim=0))
    for field in ("events", "log_likelihood", "counts", "first", "second"):
        torch.testing.assert_close(getattr(weighted, field), getattr(repeated, field), rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("covariance", SHAPES)
def test_whole_rows_score_to_the_last_bit_as_before(covariance: str) -> None:
    """A batch with gaps leaves the statistics of its whole rows to the same sums."""
    x = clouds(200, 3)
    model = mixture(x, covariance)
    empty = torch.full((1, 3), math.nan, dtype=torch.float64)
    assert float(model.expect(torch.cat([x, empty])).log_likelihood) == float(model.expect(x).log_likelihood)
    seen = torch.ones(200, 3, dtype=torch.bool)
    torch.testing.assert_close(model.log_marginal(x, seen), model.log_prob(x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("covariance", SHAPES)
@pytest.mark.parametrize("floor", [1e-6, 0.3])
def test_em_with_gaps_never_lowers_the_likelihood(covariance: str, floor: float) -> None:
    x = hidden(clouds(400, 4), 0.3)
    history = passes(mixture(x, covariance, 5, floor), x, steps=40)
    assert min(np.diff(history)) >= -1e-10
    assert history[-1] > history[0] + 0.05


@pytest.mark.parametrize("covariance", SHAPES)
def test_em_with_gaps_ends_where_the_observed_likelihood_is_stationary(covariance: str) -> None:
    x = (
        torch.randn(300, 3, dtype=torch.float64)
        @ torch.tensor([[1.0, 0.5, 0.2], [0.0, 1.0, 0.4], [0.0, 0.0, 1.0]]).double()
    )
    x = hidden(x + 9.0 * torch.randint(2, (300, 1)), 0.25)
    model = mixture(x, covariance, 2)
    start = _gradients(model, x)
    passes(model, x, steps=400)
    assert max(_gradients(model, x).values()) < 1e-7 < max(start.values())


def _gradients(model: GaussianMixture, x: Tensor) -> dict[str, float]:
    model.zero_grad()
    model.log_marginal(x, ~x.isnan()).mean().backward()
    return {
        name: float(parameter.grad.abs().max())
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def test_what_hidden_values_hold_changes_nothing() -> None:
    x = clouds(50, 3)
    model = mixture(x, "full")
    seen = torch.rand(50, 3) < 0.6
    values = [
        (model.log_marginal(torch.where(seen, x, filler), seen), _drawn(model, torch.where(seen, x, filler), seen))
        for filler in (0.0, 1e6, math.nan)
    ]
    for log_p, drawn in values[1:]:
        assert torch.equal(log_p, values[0][0])
        assert torch.equal(drawn, values[0][1])


def _drawn(model: GaussianMixture, x: Tensor, seen: Tensor) -> Tensor:
    torch.manual_seed(1)
    return model.sample_given(x, seen).detach()


@pytest.mark.parametrize("covariance", ["full", "tied", "diagonal", "spherical"])
def test_half_of_the_values_hidden_leave_parameters_within_their_errors(covariance: str) -> None:
    """Those of the means from the observed information, those of covariances from the pairs that are seen together."""
    dims, events = 3, 3000
    roots = {
        "full": torch.tensor(
            [[[1.0, 0, 0], [0.8, 0.6, 0], [0, 0.5, 0.9]], [[0.7, 0, 0], [-0.5, 0.8, 0], [0.3, 0, 1.0]]]
        ),
        "diagonal": torch.diag_embed(torch.tensor([[1.0, 0.5, 2.0], [0.6, 1.2, 1.0]])),
    }
    roots["tied"] = roots["full"][:1].repeat(2, 1, 1)
    roots["spherical"] = torch.diag_embed(torch.tensor([[1.0] * 3, [0.6] * 3]))
    root = roots[covariance].double()
    means = torch.tensor([[0.0, 0.0, 0.0], [3.0, -3.0, 3.0]]).double()
    k = (torch.rand(events) < 0.4).long()
    x = means[k] + (root[k] @ torch.randn(events, dims, 1, dtype=torch.float64))[:, :, 0]
    x = torch.where(torch.rand(events, dims) < 0.5, math.nan, x)
    model = mixture(x, covariance, 2)
    passes(model, x, steps=200)
    order = model.means[:, 0].argsort()
    errors = (model.means[order].detach() - means) / _errors_of_means(model, x)[order]
    assert float(errors.abs().max()) < 4.0
    assert 0.3 < float(errors.square().mean()) < 2.5
    shares = model.weights[order].detach()
    assert float(shares[1]) == pytest.approx(0.4, abs=4.0 * math.sqrt(0.24 / events * 1.3))
    truth = root @ root.mT
    variances = truth.diagonal(dim1=1, dim2=2)
    together = 0.25 * 0.4 * events  # at least so many events of a component have both values
    spread = ((variances[:, :, None] * variances[:, None, :] + truth.square()) / together).sqrt()
    assert float(((model.covariances[order].detach() - truth) / spread).abs().max()) < 3.5


def _errors_of_means(model: GaussianMixture, x: Tensor) -> Tensor:
    """(K, D): by the inverse of minus the Hessian of the observed log-likelihood in the means."""
    fixed = model.locations.detach().clone()

    def log_likelihood(locations: Tensor) -> Tensor:
        parts = {**dict(model.named_parameters()), "locations": locations.reshape(fixed.shape)}
        seen = ~x.isnan()
        total: Tensor = torch.func.functional_call(_Marginal(model, seen), {f"of.{n}": p for n, p in parts.items()}, x)
        return total

    hessian = torch.autograd.functional.hessian(log_likelihood, fixed.flatten())
    return torch.linalg.inv(-hessian).diagonal().sqrt().reshape(fixed.shape) * model.unit


class _Marginal(torch.nn.Module):
    def __init__(self, model: GaussianMixture, seen: Tensor) -> None:
        super().__init__()
        self.of, self.seen = model, seen

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.of.log_marginal(x, self.seen).sum()
        return total


@pytest.mark.parametrize("covariance", SHAPES)
def test_a_single_normal_needs_passes_where_values_are_missing(covariance: str) -> None:
    x = hidden(clouds(200, 3), 0.3)
    model = mixture(x, covariance, 1)
    assert str(model.fitted_by) == "EM"
    passes(model, x, steps=150)
    assert max(_gradients(model, x).values()) < 1e-6
    model.initialize(clouds(200, 3))
    assert str(model.fitted_by) == "closed form"


@pytest.mark.parametrize("covariance", SHAPES)
def test_gaps_that_leave_little(covariance: str) -> None:
    """Two columns never seen together, a component's whole column, events of one value: all finite, none falls."""
    x = clouds(120, 3)
    x[:60, 0] = math.nan
    x[60:, 1] = math.nan
    alone = torch.full((20, 3), math.nan, dtype=torch.float64)
    alone[:, 2] = 4.0
    for data in (x, torch.cat([x, alone]), torch.cat([x[58:63], alone])):
        model = mixture(data, covariance, 4)
        history = passes(model, data, steps=25)
        assert np.isfinite(history).all()
        assert min(np.diff(history)) >= -1e-10
        assert all(bool(torch.isfinite(t).all()) for t in model.state_dict().values())


def test_refusals_of_gaps() -> None:
    model = gmm(Real((2,)), components=2)
    x = clouds(50, 2)
    empty = x.clone()
    empty[:, 1] = math.nan
    with pytest.raises(EmptyData, match="none in column 2"):
        model.initialize(empty)
    with pytest.raises(EmptyData):
        model.initialize(torch.full((4, 2), math.nan, dtype=torch.float64))
    x[0] = torch.tensor([math.nan, math.inf])
    with pytest.raises(NotFinite, match="infinity"):
        model.initialize(x)
    x[0] = math.nan
    model.initialize(x)
    x[0, 0] = math.inf
    with pytest.raises(NotFinite):
        model.maximize(model.expect(x))


def test_rows_by_mask_finds_each_mask_once_in_wide_rows() -> None:
    different = torch.rand(9, 100) < 0.5
    masks = different[torch.randint(9, (300,))]
    found = list(rows_by_mask(masks))
    assert sorted(torch.cat([rows for _, rows in found]).tolist()) == list(range(300))
    assert len({tuple(mask.tolist()) for mask, _ in found}) == len(found) == len(torch.unique(masks, dim=0))
    assert all(bool((masks[rows] == mask).all()) for mask, rows in found)
    assert list(rows_by_mask(masks[:0])) == []
