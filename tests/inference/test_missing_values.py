"""Rows with missing values: scored and learnt from by what was observed, against scipy; or refused in one line."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

import loglik
from loglik import Real, build, compare, evaluate, fit
from loglik.contract import Model
from loglik.data import Memory
from loglik.errors import EmptyData, NotFinite
from loglik.tasks.unseen import score_of_rows


def rows(n: int = 400, hidden: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    mix = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [-0.3, 0.9, 0.7]]).double()
    x = torch.randn(n, 3, generator=generator, dtype=torch.float64) @ mix.T + torch.tensor([3.0, -2.0, 50.0]).double()
    return torch.where(torch.rand(n, 3, generator=generator) < hidden, math.nan, x)


def normal_of(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a fitted `gaussian` in the units of the data."""
    centre, scale = model.rescale.centre, model.rescale.scale
    mean = centre + scale * model.base.mean
    root = scale[:, None] * model.base.cholesky
    return mean.numpy(), (root @ root.T).numpy()


def log_p_observed(x: Tensor, mean: np.ndarray, covariance: np.ndarray) -> Tensor:
    """(N,): the normal density of what is observed of each row, by scipy."""
    values = []
    for row in x.numpy():
        seen = ~np.isnan(row)
        part = multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]) if seen.any() else None
        values.append(0.0 if part is None else float(part.logpdf(row[seen])))
    return torch.tensor(values, dtype=torch.float64)


def test_rows_are_scored_by_what_was_observed() -> None:
    model = build("gaussian", Real((3,)))
    fit(model, rows())
    x = rows(60, hidden=0.4)
    x[7] = math.nan
    score = evaluate(model, x)
    assert torch.allclose(score.values, log_p_observed(x, *normal_of(model)), atol=1e-9)
    assert score.values[7] == 0.0
    assert score.missing == int(x.isnan().sum()) == score.to_json()["missing"]
    assert f"60 events, {score.missing} values missing" in str(score)
    kept = torch.arange(60) < 8
    assert score_of_rows(score, kept).missing == int(x[:8].isnan().sum())
    again = evaluate(build("gaussian", Real((3,))), x)
    assert (score - again).nats == pytest.approx(score.nats - again.nats)


def test_whole_rows_say_nothing_of_missing_values() -> None:
    score = evaluate(build("gaussian", Real((3,))), rows(5))
    assert score.missing == 0
    assert "missing" not in str(score)


def test_gaussian_with_gaps_has_the_highest_likelihood_of_what_was_observed() -> None:
    """No mean or covariance nearby is better, by scipy; and whole rows are fitted in closed form, bit for bit."""
    x = rows(300, hidden=0.3)
    model = build("gaussian", Real((3,)), floor=0.0)
    history = fit(model, x, tolerance=1e-13, steps=5000)
    assert (history.method, history.stopped) == ("EM", "converged")
    mean, covariance = normal_of(model)
    best = float(log_p_observed(x, mean, covariance).mean())
    for d in range(3):
        for step in (-1e-3, 1e-3):
            moved = mean.copy()
            moved[d] += step
            assert float(log_p_observed(x, moved, covariance).mean()) < best
            for e in range(3):
                turned = covariance.copy()
                turned[d, e] += step * 0.1
                turned[e, d] = turned[d, e]
                assert float(log_p_observed(x, mean, turned).mean()) < best


def test_complete_rows_keep_the_closed_form() -> None:
    x = rows(50)
    model = build("gaussian", Real((3,)), floor=0.0)
    history = fit(model, x)
    assert history.method == "closed form"
    mean, covariance = normal_of(model)
    assert np.allclose(mean, x.numpy().mean(0), rtol=1e-13)
    assert np.allclose(covariance, np.cov(x.numpy().T, bias=True), rtol=1e-11)


def test_half_of_the_values_hidden_leave_the_parameters_within_their_errors() -> None:
    model = build("gaussian", Real((3,)))
    fit(model, rows(4000, hidden=0.5), tolerance=1e-9)
    mean, _ = normal_of(model)
    assert np.all(np.abs(mean - np.array([3.0, -2.0, 50.0])) < 4 * np.array([1.0, 0.95, 1.18]) / math.sqrt(2000))


@pytest.mark.parametrize("name", ["made", "vae"])
def test_models_that_cannot_refuse_in_one_line_and_name_those_that_can(name: str) -> None:
    x = rows(50, hidden=0.2)
    with pytest.raises(NotFinite, match=f"leaves values out; got {name}, which does not.*gaussian.*gmm") as refused:
        evaluate(build(name, Real((3,))), x)
    with pytest.raises(NotFinite, match=f"learns from rows with missing values; got {name}.*Take gaussian") as other:
        fit(build(name, Real((3,))), x, steps=2)
    assert "\n" not in f"{refused.value}{other.value}"
    with pytest.raises(NotFinite, match="validation rows"):
        fit(build(name, Real((3,))), rows(), valid=x, steps=2)


def test_compare_lists_them_with_the_reason() -> None:
    result = compare(["gaussian", "made"], rows(100, hidden=0.2), steps=2)
    assert [standing.name for standing in result.standings] == ["gaussian"]
    assert "got made" in result.entrant("made").error
    assert result.entrant("gaussian").score.missing > 0  # type: ignore[union-attr]


def test_a_column_that_is_missing_everywhere_is_named() -> None:
    x = rows(30)
    x[:, 1] = math.nan
    source = Memory(Real((3,)), x, columns=("a", "b", "c"))
    with pytest.raises(EmptyData, match=r"none in column 'b'.*all of the 30 rows"):
        fit(build("gaussian", Real((3,))), source)


def test_a_constant_column_with_gaps_is_warned_of() -> None:
    x = rows(30, hidden=0.2)
    x[:, 1] = torch.where(x[:, 1].isnan(), math.nan, 4.0)
    with pytest.warns(loglik.errors.FitWarning, match="Column 2 is constant"):
        fit(build("gaussian", Real((3,))), x, steps=2)
