"""The conjugate models against scipy, quadrature and published evidences; what Bayes says beside what MAP says."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

import loglik
from loglik import Category, Claim, Integer, Real
from loglik.errors import FitWarning, UsageError
from loglik.models.bayes.linear_gaussian import LinearGaussian

# Williams 1959, Regression Analysis: the strength of 42 specimens of radiata pine, their density, and the density
# adjusted for resin.
STRENGTH = (
    3040, 2470, 3610, 3480, 3810, 2330, 1800, 3110, 3670, 2310, 4360, 1880, 3670, 1740, 2250, 2650, 4970, 2620, 2900,
    1670, 2540, 3840, 3800, 4600, 1900, 2530, 2920, 4990, 1670, 3310, 3450, 3600, 2850, 1590, 3770, 3850, 2480, 3570,
    2620, 1890, 3030, 3030,
)  # fmt: skip
DENSITY = (
    29.2, 24.7, 32.3, 31.3, 31.5, 24.5, 19.9, 27.3, 32.3, 24.0, 33.8, 21.5, 32.2, 22.5, 27.5, 25.6, 34.5, 26.2, 26.7,
    21.1, 24.1, 30.7, 32.7, 32.6, 22.1, 25.3, 30.8, 38.9, 22.1, 29.2, 30.1, 31.4, 26.7, 22.1, 30.3, 32.0, 23.2, 30.3,
    29.9, 20.8, 33.2, 28.2,
)  # fmt: skip
ADJUSTED = (
    25.4, 22.2, 32.2, 31.0, 30.9, 23.9, 19.2, 27.2, 29.0, 23.9, 33.2, 21.0, 29.0, 22.0, 23.8, 25.3, 34.2, 25.7, 26.4,
    20.0, 23.9, 30.7, 32.6, 32.5, 20.8, 23.1, 29.8, 38.1, 21.3, 28.5, 29.2, 31.4, 25.9, 21.4, 29.8, 30.6, 22.6, 30.3,
    23.8, 18.4, 29.4, 28.2,
)  # fmt: skip


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def conjugate(*, dims: int = 2, **given: object) -> LinearGaussian:
    model = loglik.build("bayes-gaussian", Real((dims,)), **given)
    assert isinstance(model, LinearGaussian)
    return model


@pytest.mark.parametrize(("of", "published"), [(DENSITY, -310.12829), (ADJUSTED, -301.70460)])
def test_evidences_of_radiata_pine(of: tuple[float, ...], published: float) -> None:
    """Friel & Wyse 2012: w_0 ~ N(3000, v/0.06), w_1 ~ N(185, v/6), 1/v ~ Gamma(3, 2 300^2)."""
    prior = {"weights": (3000, 185), "precision": (0.06, 6), "scale": 300, "freedom": 6}
    model = loglik.build("bayes-linear", Real((1,)), context=Real((1,)), **prior)
    history = loglik.fit(model, np.array(STRENGTH, float)[:, None], context=np.array(of)[:, None])
    assert model.evidence_claim is Claim.EXACT
    assert history.log_evidence == pytest.approx(published, abs=1e-5)


def test_the_predictive_is_that_of_scipy() -> None:
    x = normal(7, 3) @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 2.0, 0.3], [0.0, 0.0, 0.7]]).double() + 4.0
    model = conjugate(dims=3, mean=(3.0, 4.0, 5.0), scale=(1.0, 2.0, 0.5), rows=0.7, freedom=6.5)
    loglik.fit(model, x)
    m0, s0 = np.array([3.0, 4.0, 5.0]), 2.5 * np.diag([1.0, 4.0, 0.25])
    n, mean = 7, x.numpy().mean(0)
    spread = (x.numpy() - mean).T @ (x.numpy() - mean)
    s = s0 + spread + 0.7 * n / 7.7 * np.outer(mean - m0, mean - m0)
    freedom = 6.5 + n - 3 + 1
    t = stats.multivariate_t((0.7 * m0 + n * mean) / 7.7, s * 8.7 / (7.7 * freedom), df=freedom)
    new = normal(20, 3, seed=1) * 3 + 4
    assert model.log_prob(new).numpy() == pytest.approx(t.logpdf(new.numpy()), abs=1e-10)


def test_of_one_column_the_evidence_is_an_integral_over_a_grid() -> None:
    x = normal(5, 1) + 1.0
    model = conjugate(dims=1, mean=0.5, scale=1.5, rows=0.8, freedom=4.0)
    loglik.fit(model, x)
    a, b = 2.0, (4.0 - 2.0) * 1.5**2 / 2.0
    t, log_v = np.linspace(-12.0, 12.0, 601), np.linspace(-12.0, 40.0, 5201)[:, None]
    v = np.exp(log_v)
    mu = t * np.sqrt(v / 5.8) + (0.8 * 0.5 + float(x.sum())) / 5.8  # so that the grid follows the posterior's width
    log_p = sum(stats.norm.logpdf(one, mu, np.sqrt(v)) for one in x.flatten().tolist())
    log_p = log_p + stats.norm.logpdf(mu, 0.5, np.sqrt(v / 0.8)) + stats.invgamma.logpdf(v, a, scale=b)
    total = (np.exp(log_p) * np.sqrt(v / 5.8) * v).sum() * (t[1] - t[0]) * 0.01
    assert float(model.log_evidence()) == pytest.approx(math.log(total), abs=1e-8)


def test_with_a_known_deviation_the_evidence_is_a_normal_density() -> None:
    """Of N rows: mean m_0, covariance known^2 (I + 1 1^T / rows)."""
    x = normal(6, 2) + 1.0
    model = conjugate(mean=(0.5, -0.5), known=(0.7, 1.6), rows=0.4)
    loglik.fit(model, x)
    shape = np.eye(6) + np.ones((6, 6)) / 0.4
    expected = sum(
        stats.multivariate_normal(np.full(6, m), s**2 * shape).logpdf(x[:, d].numpy())
        for d, (m, s) in enumerate([(0.5, 0.7), (-0.5, 1.6)])
    )
    assert float(model.log_evidence()) == pytest.approx(expected, abs=1e-10)


def test_dirichlet_and_beta_by_scipy_and_by_quadrature() -> None:
    model = loglik.build("bayes-histogram", Integer((1,), 2), concentration=0.6)
    loglik.fit(model, [[1], [1], [0], [1]])
    total, _ = integrate.quad(lambda t: stats.beta.pdf(t, 0.6, 0.6) * t**3 * (1 - t), 0, 1, epsabs=1e-13, limit=200)
    assert float(model.log_evidence()) == pytest.approx(math.log(total), abs=1e-8)
    assert float(model.log_prob([[1]]).exp()) == pytest.approx(stats.beta(3.6, 1.6).mean(), abs=1e-12)
    counts = loglik.build("bayes-histogram", Category((2,), 4), concentration=1.3)
    x = torch.tensor([[0, 3], [1, 3], [0, 2]])
    loglik.fit(counts, x)
    each = [stats.dirichlet_multinomial([1.3] * 4, 3), [[2, 1, 0, 0], [0, 0, 1, 2]]]
    orders = math.log(3.0)  # of the rows, which the counts do not tell apart
    expected = sum(each[0].logpmf(n) - orders for n in each[1])
    assert float(counts.log_evidence()) == pytest.approx(expected, abs=1e-10)


def test_the_evidence_is_a_distribution_of_data_sets() -> None:
    total = 0.0
    for rows in itertools.product(range(3), repeat=4):
        model = loglik.build("bayes-histogram", Category((1,), 3), concentration=0.4)
        model.update(torch.tensor(rows)[:, None])
        total += float(model.log_evidence().exp())
    assert total == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", ["bayes-histogram", "bayes-gaussian", "bayes-linear"])
def test_one_row_after_the_other_is_all_at_once(name: str) -> None:
    given = {"bayes-gaussian": {"mean": 1.0, "scale": 2.0}, "bayes-linear": {"weights": 0.5, "scale": 2.0}}
    levels = name == "bayes-histogram"
    space = Category((2,), 3) if levels else Real((2,))
    context = Real((3,)) if name == "bayes-linear" else None
    x = torch.arange(20).reshape(10, 2) % 3 if levels else normal(10, 2) + 1.0
    c = normal(10, 3, seed=5) if context else None
    build = {**given.get(name, {}), **({"context": context} if context else {})}
    whole, parts = loglik.build(name, space, **build), loglik.build(name, space, **build)
    whole.update(x, c)
    chain = 0.0
    for n in range(10):
        row, at = x[n : n + 1], None if c is None else c[n : n + 1]
        chain += float(parts.log_prob(row, at))
        parts.update(row, at)
    assert float(whole.log_evidence()) == pytest.approx(chain, abs=1e-9)
    assert float(parts.log_evidence()) == pytest.approx(chain, abs=1e-9)
    assert parts.log_prob(x, c) == pytest.approx(whole.log_prob(x, c), abs=1e-10)


def test_draws_of_the_parameters_average_to_the_predictive() -> None:
    model = loglik.build("bayes-linear", Real((2,)), context=Real((1,)), weights=0.0, scale=1.0)
    x, c = normal(8, 2), normal(8, 1, seed=3)
    model.update(x, c)
    torch.manual_seed(0)
    weight, covariance = model.sample_parameters(40_000)
    f = torch.stack([torch.ones(1, dtype=torch.float64), torch.tensor([0.6]).double()], 1)
    at = torch.tensor([0.3, -0.4]).double()
    density = torch.distributions.MultivariateNormal((f @ weight)[:, 0], covariance).log_prob(at).exp()
    expected = float(model.log_prob(at[None], torch.tensor([[0.6]])).exp())
    assert abs(float(density.mean()) - expected) < 4.0 * float(density.std()) / 200.0
    theta = loglik.build("bayes-histogram", Category((1,), 3))
    theta.update(torch.tensor([[0], [0], [2]]))
    drawn = theta.sample_parameters(20_000)
    assert drawn.mean(0)[0].tolist() == pytest.approx([3 / 6, 1 / 6, 2 / 6], abs=0.005)


def test_map_and_predictive_tend_to_maximum_likelihood() -> None:
    x = normal(20_000, 2) @ torch.tensor([[1.0, 0.4], [0.0, 2.0]]).double() + 1.0
    away = []
    for rows in (20, 200, 2000, 20_000):
        model, ml = conjugate(mean=0.0, scale=1.0), loglik.build("gaussian", Real((2,)), floor=0.0)
        loglik.fit(model, x[:rows])
        loglik.fit(ml, x[:rows])
        mean, covariance = model.mode()
        off = [mean[0] - x[:rows].mean(0), covariance - torch.cov(x[:rows].T, correction=0)]
        off += [model.log_prob(x[:100]) - ml.log_prob(x[:100])]
        away.append([rows * float(difference.abs().mean()) for difference in off])
    of_few, of_many = away[0], away[-1]
    assert all(0.3 < many / few < 3.0 for few, many in zip(of_few, of_many, strict=True)), "as 1 / N"


def test_map_is_not_invariant_under_reparameterisation() -> None:
    """The mode of a Beta density is not that of its logit's: one is (a-1)/(a+b-2), the other maps back to a/(a+b)."""
    model = loglik.build("bayes-histogram", Integer((1,), 2), concentration=2.0)
    model.update(torch.tensor([[1], [1], [1], [0]]))
    a, b = 2.0 + 3.0, 2.0 + 1.0
    grid = torch.linspace(-6, 6, 240_001, dtype=torch.float64)
    theta = grid.sigmoid()
    by_probability = torch.from_numpy(stats.beta.logpdf(theta.numpy(), a, b))
    by_logit = by_probability + theta.log() + (-theta).log1p()  # times d theta / d logit
    assert float(model.mode()[0, 1]) == pytest.approx(float(theta[by_probability.argmax()]), abs=1e-4)
    assert float(theta[by_logit.argmax()]) == pytest.approx(a / (a + b), abs=1e-4)
    assert abs(a / (a + b) - float(model.mode()[0, 1])) > 0.04


def test_on_average_under_the_model_the_predictive_beats_the_plug_in() -> None:
    """Parameters from the prior, five rows and one more: the predictive is the best forecast there is."""
    torch.manual_seed(0)
    gains = []
    for _ in range(400):
        prior = conjugate(mean=0.0, scale=1.0, freedom=6.0)
        mean, covariance = prior.sample_parameters(1)
        rows = torch.distributions.MultivariateNormal(mean[0, 0], covariance[0]).sample((25,))
        prior.update(rows[:5])
        w, s = prior.mode()
        plug_in = torch.distributions.MultivariateNormal(w[0], s).log_prob(rows[5:])
        gains.append(float((prior.log_prob(rows[5:]) - plug_in).mean()))
    gain = torch.tensor(gains)
    assert float(gain.mean()) > 4.0 * float(gain.std()) / math.sqrt(len(gains))


def test_values_left_out_by_quadrature_and_by_scipy() -> None:
    model = conjugate(dims=3, mean=0.0, scale=(1.0, 2.0, 0.5))
    model.update(normal(6, 3) * torch.tensor([1.0, 3.0, 0.4]).double())
    root = model.root * float(model._unit() * model._spread(model.features(None, 1))) ** 0.5
    scale = (root @ root.T).numpy()
    x = torch.tensor([[0.3, 1e6, -0.2]], dtype=torch.float64)
    observed = torch.tensor([[True, False, True]])
    t = stats.multivariate_t(model.weight[0].numpy()[[0, 2]], scale[np.ix_([0, 2], [0, 2])], df=float(model.freedom))
    assert float(model.log_marginal(x, observed)) == pytest.approx(t.logpdf([0.3, -0.2]), abs=1e-10)
    grid = torch.linspace(-3e3, 3e3, 2_000_001, dtype=torch.float64)
    joint = model.log_prob(torch.stack([torch.full_like(grid, 0.3), grid, torch.full_like(grid, -0.2)], 1)).exp()
    assert float(model.log_marginal(x, observed).exp()) == pytest.approx(float(joint.sum() * 3e-3), rel=1e-6)


def test_a_prior_from_the_data_is_an_estimate_and_follows_the_units() -> None:
    x = normal(30, 2) @ torch.tensor([[1.0, 0.4], [0.0, 2.0]]).double()
    one, other = conjugate(), conjugate()
    history = loglik.fit(one, x)
    loglik.fit(other, 1000.0 * x + 5e5)
    assert history.evidence_claim == "estimate"
    shift = 2 * math.log(1000.0)
    assert other.log_prob(1000.0 * x + 5e5) == pytest.approx(one.log_prob(x) - shift, abs=1e-8)


def test_what_cannot_be_is_said_in_one_line() -> None:
    for name, space, given, said in [
        ("bayes-gaussian", Real((3,)), {"mean": (1.0, 2.0)}, "1 or 3 numbers for the prior's mean weights; got 2"),
        ("bayes-gaussian", Real((3,)), {"freedom": 4.0}, "freedom > 4"),
        ("bayes-gaussian", Real((3,)), {"scale": (1.0, 0.0, 1.0)}, "scale of bayes-gaussian"),
        ("bayes-gaussian", Category((2,), 3), {}, "is a density"),
        ("bayes-histogram", Real((2,)), {}, "Use bayes-gaussian"),
        ("bayes-histogram", Category((2,), 3), {"concentration": 0}, "concentration"),
        ("bayes-histogram", Category((2,), 3), {"concentration": -1.0}, "concentration"),
    ]:
        with pytest.raises(UsageError, match=said) as caught:
            loglik.build(name, space, **given)
        assert "\n" not in str(caught.value)
    peaked = loglik.build("bayes-histogram", Category((1,), 3), concentration=0.5)
    with pytest.raises(UsageError, match="greatest posterior density"):
        peaked.mode()


def test_one_row_and_constant_columns() -> None:
    model = conjugate(mean=0.0, scale=1.0)
    loglik.fit(model, [[3.0, 4.0]])
    assert torch.isfinite(model.log_prob([[0.0, 0.0]])).all()
    alone = conjugate()
    with pytest.warns(FitWarning, match="Column 1 does not vary"):
        loglik.fit(alone, [[3.0, 4.0]])
    assert torch.isfinite(alone.log_prob([[3.0, 5.0]])).all()
    half = conjugate()
    half.initialize(torch.tensor([[3.0, 4.0], [3.0, 0.0]]))
    assert "Column 1 does not vary" in half.remark
    assert "deviation of 2 there" in half.remark
