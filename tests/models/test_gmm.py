"""The Gaussian mixture against closed forms, autograd, quadrature and scikit-learn, and on data that break others."""

import math
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

import loglik
from loglik.contract import FittedBy
from loglik.errors import (
    ContextError,
    EmptyData,
    FitWarning,
    NotFinite,
    ShapeMismatch,
    TooLarge,
    UnknownName,
    UsageError,
)
from loglik.models.latent.gmm import fast_expectation
from loglik.models.latent.gmm.builder import COVARIANCES, gmm
from loglik.models.latent.gmm.covariances import Diagonal, Full, Tied
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.spaces import Category, Real

SHAPES = list(COVARIANCES)
PEER_NAMES = {"full": "full", "tied": "tied", "diagonal": "diag", "spherical": "spherical"}
NO_FLOOR = 1e-12  # far below the variance of the data here


def mixture(x: Tensor, covariance: str, components: int, floor: float = NO_FLOOR) -> GaussianMixture:
    torch.manual_seed(0)
    model = gmm(Real(tuple(x.shape[1:])), components=components, covariance=covariance, floor=floor)
    assert isinstance(model, GaussianMixture)
    model.initialize(x)
    return model


def em(model: GaussianMixture, x: Tensor, steps: int) -> list[float]:
    """Mean log-likelihoods before each step."""
    history = []
    for _ in range(steps):
        stats = model.expect(x)
        model.maximize(stats)
        history.append(float(stats.log_likelihood / stats.events))
    return history


def clusters(events: int, dims: int, seed: int = 0) -> Tensor:
    """Three overlapping clouds of different shapes."""
    torch.manual_seed(seed)
    k = torch.randint(3, (events, 1))
    x = torch.randn(events, dims, dtype=torch.float64) @ torch.randn(dims, dims, dtype=torch.float64)
    return x * (0.5 + k) + 4.0 * k


def peer(model: GaussianMixture, x: Tensor, covariance: str, steps: int) -> object:
    """scikit-learn's mixture from the same start after the same number of steps."""
    from sklearn.mixture import GaussianMixture as Peer

    precisions = torch.linalg.inv(model.covariances.detach())
    start = {
        "full": precisions,
        "tied": precisions[0],
        "diagonal": precisions.diagonal(dim1=1, dim2=2),
        "spherical": precisions[:, 0, 0],
    }
    theirs = Peer(
        model.components,
        covariance_type=PEER_NAMES[covariance],
        tol=0.0,
        reg_covar=0.0,
        max_iter=steps,
        weights_init=model.weights.detach().numpy(),
        means_init=model.means.detach().numpy(),
        precisions_init=start[covariance].numpy(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return theirs.fit(x.numpy())


@pytest.mark.parametrize("covariance", SHAPES)
@pytest.mark.parametrize(("dims", "components"), [(1, 3), (3, 4), (40, 3)])
def test_equals_scikit_learn_after_the_same_steps(covariance: str, dims: int, components: int) -> None:
    x = clusters(1500, dims)
    model = mixture(x, covariance, components)
    theirs = peer(model, x, covariance, steps=12)
    em(model, x, steps=12)
    log_p = model.log_prob(x).detach()
    expected = torch.from_numpy(theirs.score_samples(x.numpy()))
    assert float(log_p.mean()) == pytest.approx(float(expected.mean()), rel=1e-8)
    torch.testing.assert_close(log_p, expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(
        model.responsibilities(x).detach(), torch.from_numpy(theirs.predict_proba(x.numpy())), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("covariance", SHAPES)
@pytest.mark.parametrize("dims", [2, 40])
def test_both_ways_of_expectation_agree(covariance: str, dims: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = clusters(900, dims)
    model = mixture(x, covariance, 4)
    ways = {}
    for name, largest in {"ByFeatures": math.inf, "ByWhitening": 0.0}.items():
        monkeypatch.setattr(fast_expectation, "LARGEST_TERM", largest)
        monkeypatch.setattr(fast_expectation, "FEATURES_PER_COMPONENT", math.inf)
        monkeypatch.setattr(fast_expectation, "FEATURE_VALUES", 1)  # the shortest slices
        with torch.no_grad():
            sums = fast_expectation.expectation(model.covariance, model.locations, model.weights.log())
        assert type(sums).__name__ == name
        ways[name] = model.expect(x)
    for field in ("events", "log_likelihood", "counts", "first", "second"):
        a, b = (getattr(stats, field) for stats in ways.values())
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-8)
    assert float(ways["ByFeatures"].log_likelihood) == pytest.approx(float(model.log_prob(x).sum().detach()), rel=1e-12)


@pytest.mark.parametrize("covariance", SHAPES)
@pytest.mark.parametrize("floor", [NO_FLOOR, 1e-6, 0.3])
def test_never_lowers_the_likelihood(covariance: str, floor: float) -> None:
    x = clusters(400, 3)
    history = em(mixture(x, covariance, 6, floor), x, steps=60)
    assert min(np.diff(history)) >= -1e-11


@pytest.mark.parametrize("covariance", SHAPES)
def test_no_component_is_narrower_than_the_floor(covariance: str) -> None:
    x = clusters(400, 3)
    model = mixture(x, covariance, 6, floor=0.3)
    em(model, x, steps=30)
    relative = model.covariances.detach() / torch.outer(model.unit, model.unit)
    assert float(torch.linalg.eigvalsh(relative).min()) >= 0.3 - 1e-12


@pytest.mark.parametrize("covariance", SHAPES)
def test_fixed_point_has_zero_gradient(covariance: str) -> None:
    x = torch.randn(200, 2, dtype=torch.float64) + 7.0 * torch.randint(2, (200, 1))  # far apart, so EM converges fast
    model = mixture(x, covariance, 2)
    em(model, x, steps=60)
    model.log_prob(x).mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert float(parameter.grad.abs().max()) < 1e-7, name


@pytest.mark.parametrize("covariance", SHAPES)
def test_gradient_of_the_stats_is_the_gradient_of_the_likelihood(covariance: str) -> None:
    """Fisher's identity: grad log p = E grad log p(x, k); for the means, Sigma_k^-1 first_k."""
    x = clusters(200, 2)
    model = mixture(x, covariance, 3)
    model.log_prob(x).sum().backward()
    stats = model.expect(x)
    standard = model.covariances.detach() / torch.outer(model.unit, model.unit)
    expected = torch.linalg.solve(standard, stats.first[:, :, None])[:, :, 0]
    torch.testing.assert_close(model.locations.grad, expected, rtol=1e-8, atol=1e-8)
    expected_logits = stats.counts - stats.events * model.weights.detach()
    torch.testing.assert_close(model.logits.grad, expected_logits, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("covariance", SHAPES)
def test_one_component_is_the_closed_form(covariance: str) -> None:
    x = clusters(500, 3)
    model = mixture(x, covariance, 1)
    assert model.fitted_by is FittedBy.CLOSED_FORM
    em(model, x, steps=1)
    s = torch.cov(x.T, correction=0)
    expected = {
        "full": s,
        "tied": s,
        "diagonal": torch.diag(s.diagonal()),
        "spherical": s.diagonal().mean() * torch.eye(3, dtype=torch.float64),
    }
    torch.testing.assert_close(model.covariances[0].detach(), expected[covariance], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(model.means[0].detach(), x.mean(0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("covariance", SHAPES)
def test_stats_add(covariance: str) -> None:
    x = clusters(501, 3)
    model = mixture(x, covariance, 3)
    whole, halves = model.expect(x), model.expect(x[:200]) + model.expect(x[200:])
    for field in ("events", "log_likelihood", "counts", "first", "second"):
        torch.testing.assert_close(getattr(whole, field), getattr(halves, field), rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("covariance", SHAPES)
def test_mass_is_one(covariance: str) -> None:
    grid = torch.linspace(-60.0, 80.0, 20_001, dtype=torch.float64)
    one = mixture(clusters(300, 1), covariance, 3, floor=1e-3)
    assert float(torch.trapezoid(one.log_prob(grid[:, None]).detach().exp(), grid)) == pytest.approx(1.0, abs=1e-9)
    side = torch.linspace(-30.0, 45.0, 700, dtype=torch.float64)
    two = mixture(clusters(300, 2), covariance, 3, floor=1e-2)
    density = two.log_prob(torch.cartesian_prod(side, side)).detach().exp().reshape(700, 700)
    assert float(torch.trapezoid(torch.trapezoid(density, side), side)) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("covariance", SHAPES)
def test_samples_fit_the_density(covariance: str) -> None:
    """Moments of draws, and E log p against its Monte Carlo error over draws made from the parameters by hand."""
    model = mixture(clusters(500, 2), covariance, 3)
    x = model.sample(40_000)
    weights, means, covariances = model.weights.detach(), model.means.detach(), model.covariances.detach()
    k = torch.multinomial(weights, 40_000, replacement=True)
    eps = torch.randn(40_000, 2, dtype=torch.float64)
    by_hand = means[k] + (torch.linalg.cholesky(covariances)[k] @ eps[:, :, None])[:, :, 0]
    for value in (model.log_prob, lambda t: t[:, 0], lambda t: t[:, 0] * t[:, 1], lambda t: t[:, 1].square()):
        a, b = value(x).detach(), value(by_hand).detach()
        error = ((a.var() + b.var()) / 40_000).sqrt()
        assert abs(float(a.mean() - b.mean()) / float(error)) < 4.5


def test_sample_shape_and_repeatability() -> None:
    model = gmm(Real((2, 3)), components=4)
    torch.manual_seed(5)
    first = model.sample(6)
    torch.manual_seed(5)
    assert first.shape == (6, 2, 3)
    assert torch.equal(first, model.sample(6))
    assert model.sample(0).shape == (0, 2, 3)
    assert model.log_likelihood(first[:0]).shape == (0,)


def test_responsibilities_sum_to_one_and_are_bayes_rule() -> None:
    x = clusters(100, 2)
    model = mixture(x, "full", 3)
    r = model.responsibilities(x).detach()
    torch.testing.assert_close(r.sum(1), torch.ones(100, dtype=torch.float64))
    parts = [
        torch.distributions.MultivariateNormal(mean, covariance).log_prob(x) + weight.log()
        for weight, mean, covariance in zip(model.weights, model.means, model.covariances, strict=True)
    ]
    joint = torch.stack(parts, dim=1).detach()
    torch.testing.assert_close(r, joint.softmax(1))
    torch.testing.assert_close(model.log_prob(x).detach(), joint.logsumexp(1))


@pytest.mark.parametrize("covariance", SHAPES)
def test_the_joint_with_an_inferred_component_is_bayes_rule(covariance: str) -> None:
    x = clusters(100, 2)
    model = mixture(x, covariance, 3)
    with torch.no_grad():
        k, log_q = model.infer(x)
        torch.testing.assert_close(model.log_joint(x, k) - log_q, model.log_prob(x))
        torch.testing.assert_close(log_q.exp(), model.responsibilities(x)[torch.arange(100), k])
        assert model.infer(x[:0])[0].shape == (0,)
        rows = x[:1].expand(20_000, 2)
        shares = torch.bincount(model.infer(rows)[0], minlength=3) / len(rows)
        torch.testing.assert_close(shares.double(), model.responsibilities(x[:1])[0], rtol=0.0, atol=0.02)


def test_a_tied_covariance_does_not_count_an_empty_component() -> None:
    x = clusters(200, 2)
    model = mixture(x, "tied", 3)
    far = model.means.detach().clone()
    far[2] = 1e6
    model.start(model.weights.detach(), far, model.covariances.detach())
    stats = model.expect(x)
    model.maximize(stats)
    standard = (x - model.shift) / model.unit
    r = model.expect(x).counts  # the third component explains nothing
    assert float(r[2]) < 1e-90
    means = model.locations.detach()
    spread = standard.T @ standard - sum(n * torch.outer(m, m) for n, m in zip(stats.counts, means[:2], strict=False))
    expected = spread / len(x)
    torch.testing.assert_close(model.covariance.dense()[0].detach(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("covariance", SHAPES)
@pytest.mark.parametrize("scale", [1e-200, 1e-6, 1e5, 1e150])
def test_scale_equivariance(covariance: str, scale: float) -> None:
    """x -> a x changes log p by -D log a and nothing else, however large or small a is."""
    x = clusters(300, 2)
    model, scaled = mixture(x, covariance, 3), mixture(x * scale, covariance, 3)
    em(model, x, 5), em(scaled, x * scale, 5)
    expected = model.log_prob(x).detach() - 2.0 * math.log(scale)
    torch.testing.assert_close(scaled.log_prob(x * scale).detach(), expected, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("covariance", SHAPES)
@pytest.mark.parametrize("mean", [1e4, 1e6])
def test_float32_with_a_large_mean(covariance: str, mean: float) -> None:
    """Right to the digits that the data have, where scikit-learn's float32 arithmetic is not."""
    from sklearn.mixture import GaussianMixture as Peer

    x = (clusters(2000, 2) + mean).float()
    model = mixture(x, covariance, 3)
    exact = x.double() - mean  # float32 values are float64 values; the shift is exact, too
    reference = mixture(exact, covariance, 3)
    em(model, x, 10), em(reference, exact, 10)
    expected = float(reference.log_prob(exact).mean().detach())
    assert float(model.log_prob(x).mean().detach()) == pytest.approx(expected, abs=1e-7)
    if mean == 1e6 and covariance == "full":
        theirs = Peer(3, tol=0.0, max_iter=10, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                score = float(theirs.fit(x.numpy()).score(x.numpy()))
            except ValueError:  # its covariances are not positive definite
                return
        assert abs(score - expected) > 0.01


def degenerate() -> dict[str, Tensor]:
    torch.manual_seed(3)
    normal = partial(torch.randn, dtype=torch.float64)
    points = normal(4, 3)
    return {
        "repeated points": points[torch.randint(4, (120,))],
        "constant column": torch.cat([normal(150, 2), torch.full((150, 1), 7.0, dtype=torch.float64)], 1),
        "all equal": torch.full((40, 3), 3.25, dtype=torch.float64),
        "one row": normal(1, 3),
        "fewer rows than components": normal(3, 2),
        "more columns than rows": normal(12, 30),
        "one column": normal(80, 1),
        "an outlier": torch.cat([normal(200, 2), torch.full((1, 2), 1e5, dtype=torch.float64)]),
        "collinear": normal(200, 1) * torch.ones(3, dtype=torch.float64),
        "integers": torch.randint(0, 4, (100, 2)),
        "images": normal(60, 2, 2, 2),
    }


@pytest.mark.parametrize("covariance", SHAPES)
@pytest.mark.parametrize("name", list(degenerate()))
def test_degenerate_data(covariance: str, name: str) -> None:
    x = degenerate()[name]
    model = mixture(x, covariance, 7, floor=1e-6)
    history = em(model, x, steps=25)
    assert np.isfinite(history).all()
    assert min(np.diff(history)) >= -1e-9
    assert torch.isfinite(model.log_prob(x)).all()
    assert torch.isfinite(model.sample(50)).all()
    assert float(model.weights.sum().detach()) == pytest.approx(1.0)
    for tensor in model.state_dict().values():
        assert torch.isfinite(tensor).all()


def test_repeated_points_are_found() -> None:
    """Four distinct points, seven components: the best mixture puts narrow components on just these points."""
    x = degenerate()["repeated points"]
    model = mixture(x, "full", 7, floor=1e-6)
    em(model, x, steps=50)
    nearest = torch.cdist(x, model.means.detach()).min(1).values
    assert float(nearest.max()) < 1e-6


def test_an_empty_component_stays_finite_and_may_return() -> None:
    x = clusters(200, 2)
    model = mixture(x, "full", 3)
    far = model.means.detach().clone()
    far[2] = 1e6
    model.start(model.weights.detach(), far, model.covariances.detach())
    em(model, x, steps=5)
    assert torch.isfinite(model.log_prob(x)).all()
    assert float(model.weights[2].detach()) < 1e-90
    torch.testing.assert_close(model.means[2].detach(), far[2])


def test_start_sets_the_components_in_the_units_of_the_data() -> None:
    x = clusters(200, 2)
    model = mixture(x, "full", 2)
    weights = torch.tensor([0.3, 0.7], dtype=torch.float64)
    means = torch.tensor([[0.0, 1.0], [5.0, 5.0]], dtype=torch.float64)
    covariances = torch.tensor([[[2.0, 0.5], [0.5, 1.0]], [[1.0, 0.0], [0.0, 3.0]]], dtype=torch.float64)
    model.start(weights, means, covariances)
    torch.testing.assert_close(model.weights.detach(), weights)
    torch.testing.assert_close(model.means.detach(), means)
    torch.testing.assert_close(model.covariances.detach(), covariances)


def test_refusals() -> None:
    model = gmm(Real((2,)), components=2)
    x = torch.randn(10, 2)
    with pytest.raises(ShapeMismatch, match=r"\(10, 3\)"):
        model.log_likelihood(torch.randn(10, 3))
    with pytest.raises(ContextError):
        model.log_likelihood(x, x)
    with pytest.raises(EmptyData):
        model.initialize(x[:0])
    with pytest.raises(NotFinite):
        model.initialize(torch.cat([x, torch.tensor([[math.inf, 0.0]])]))
    with pytest.raises(NotFinite):
        model.maximize(model.expect(torch.tensor([[math.inf, 0.0]])))
    with pytest.raises(UnknownName, match="'diagonal'"):
        gmm(Real((2,)), covariance="diag")
    with pytest.raises(UsageError, match="component"):
        gmm(Real((2,)), components=0)
    with pytest.raises(UsageError, match="floor"):
        gmm(Real((2,)), floor=0.0)
    with pytest.raises(UsageError, match="Category"):
        gmm(Category((2,), 3))


def test_covariances_are_full_by_default_unless_the_events_are_long() -> None:
    assert isinstance(gmm(Real((1024,)), components=1).covariance, Full)
    assert isinstance(gmm(Real((1025,)), components=1).covariance, Diagonal)
    assert isinstance(gmm(Real((1025,)), components=1, covariance="tied").covariance, Tied)


def test_full_covariances_that_do_not_fit_are_refused_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loglik.arguments.memory.memory_at_hand", lambda: 10**9)
    with pytest.raises(TooLarge, match=r"1 GB of memory at hand; .* 10 GB\. Take covariance='diagonal', or ppca\."):
        gmm(Real((5000,)), covariance="full")
    assert gmm(Real((5000,))).components == 10


def test_fewer_rows_than_columns_are_remarked_on() -> None:
    x = torch.randn(12, 30)
    model = gmm(Real((30,)), components=2)
    with pytest.warns(FitWarning, match="12 rows of 30 columns.*covariance='diagonal'"):
        loglik.fit(model, x, steps=2)
    for fine, rows in (
        (gmm(Real((30,)), components=2, covariance="diagonal"), x),
        (gmm(Real((3,))), torch.randn(50, 3)),
    ):
        loglik.fit(fine, rows, steps=2)
        assert fine.remark == ""


def test_far_more_components_than_rows_are_refused_before_a_start() -> None:
    x = torch.randn(20, 3)
    with pytest.raises(UsageError, match="at most 200 components for 20 rows; got 100000"):
        loglik.fit(gmm(Real((3,)), components=100_000), x)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_values_are_left_out_with_all_digits_in_any_unit(covariance: str) -> None:
    """Parts of a mixture of (x - 1e6) / 1e-3 and of x have the same probabilities, but for the unit."""
    z = (
        torch.randn(200, 3, dtype=torch.float64)
        @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]]).double()
    )
    unit = torch.tensor([1e-3, 1.0, 1e6], dtype=torch.float64)
    x = 1e6 * torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64) + unit * z
    model = gmm(Real((3,)), components=3, covariance=covariance)
    loglik.fit(model, x, steps=4)
    whole = torch.ones(50, 3, dtype=torch.bool)
    torch.testing.assert_close(model.log_marginal(x[:50], whole), model.log_likelihood(x[:50]), rtol=1e-9, atol=1e-9)
    first = whole & torch.tensor([True, False, False])
    gaps = torch.where(first, x[:50], torch.nan)
    joint = model.weights.log() + Normal(model.means[:, 0], model.covariances[:, 0, 0].sqrt()).log_prob(x[:50, :1])
    torch.testing.assert_close(model.log_marginal(gaps, first), joint.logsumexp(1), rtol=1e-6, atol=1e-6)
    drawn = model.sample_given(gaps, first)
    assert torch.equal(drawn[:, 0], x[:50, 0])
    assert bool(torch.isfinite(drawn).all())
