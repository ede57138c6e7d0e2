"""`fit(prior=)`: the maximum of log p(X | theta) + log p(theta), the prior counted once for the data."""

import math
import warnings

import pytest
import torch
from torch import Tensor, nn

from loglik import Integer, LaplacePrior, NormalPrior, Real, build, fit
from loglik.contract import ExactModel, Model
from loglik.densities import normal_log_prob
from loglik.errors import RunMismatch, UsageError
from loglik.ops import sum_event

ROWS, SCALE = 19, 0.3  # so few rows that all are for training
X = 1.0 + torch.randn(ROWS, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LONG = {"steps": 600, "lr": 0.02, "ema": 0.99}


class Located(ExactModel):
    """x ~ N(mean, 1); with mean ~ N(0, s^2) the maximum is sum x / (n + 1 / s^2)."""

    def __init__(self) -> None:
        super().__init__(Real((1,)), dtype=torch.float64)
        self.mean = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return sum_event(normal_log_prob(self.events(x, context), self.mean))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return self.mean + torch.randn(n, 1, dtype=torch.float64)


def mode(prior: object, *, batch: int = ROWS, weights: object = None) -> float:
    model = Located()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(model, X, prior=prior, weights=weights, batch=batch, **LONG)
    return float(model.mean.detach())


def own(model: Model) -> Tensor:
    """A user's function: a normal density but for its constant."""
    return sum(-0.5 * (p / SCALE).square().sum() for p in model.parameters())  # type: ignore[return-value]


@pytest.mark.parametrize("batch", [5, ROWS])
@pytest.mark.parametrize("prior", [SCALE, NormalPrior({"mean": SCALE}), own])
def test_a_batch_of_any_size_reaches_the_maximum(prior: object, batch: int) -> None:
    """Of 5 rows or all: a prior counted once for each batch would give sum x / (n + 5 / s^2)."""
    assert mode(prior, batch=batch) == pytest.approx(float(X.sum()) / (ROWS + SCALE**-2), abs=4e-3)


def test_rows_count_as_their_weights() -> None:
    expected = 3.0 * float(X.sum()) / (3.0 * ROWS + SCALE**-2)
    assert mode(SCALE, weights=torch.full((ROWS,), 3.0, dtype=torch.float64)) == pytest.approx(expected, abs=4e-3)


def test_a_flat_prior_is_maximum_likelihood() -> None:
    assert mode(1e6) == pytest.approx(float(X.mean()), abs=2e-3)


def test_laplace_shrinks_by_a_constant() -> None:
    """d/dm: n (xbar - m) = 1 / b."""
    assert mode(LaplacePrior(0.2)) == pytest.approx(float(X.mean()) - 1 / 0.2 / ROWS, abs=4e-3)


def test_the_densities_are_normalised() -> None:
    model, grid = Located(), torch.linspace(-12.0, 12.0, 200_001, dtype=torch.float64)
    for prior in (NormalPrior(0.7), LaplacePrior(0.7)):
        values = []
        for m in grid[::100]:
            model.mean.data.fill_(float(m))
            values.append(float(prior(model).detach().exp()))
        assert torch.trapezoid(torch.tensor(values), grid[::100]) == pytest.approx(1.0, abs=1e-3)


def test_it_takes_the_place_of_weight_decay_and_is_recorded() -> None:
    x = torch.randint(0, 2, (40, 4), generator=torch.Generator().manual_seed(0))
    made = build("fvsbn", Integer((4,), levels=2), seed=0)
    history = fit(made, x, prior=0.5, steps=3)
    assert history.weight_decay == 0.0
    assert history.prior == "NormalPrior(scale=0.5)"
    assert fit(made, x, steps=3).weight_decay != 0.0
    assert fit(made, x, prior=0.5, weight_decay=0.1, steps=3).weight_decay == 0.1


def test_resuming_takes_the_same_prior(tmp_path) -> None:  # type: ignore[no-untyped-def]
    x = torch.randint(0, 2, (40, 4), generator=torch.Generator().manual_seed(0))
    kept = {"state": tmp_path / "state", "steps": 6, "save_seconds": 0.0}
    space = Integer((4,), levels=2)
    fit(build("fvsbn", space, seed=0), x, prior=NormalPrior(0.5), **kept)
    with pytest.raises(RunMismatch, match="its prior was NormalPrior"):
        fit(build("fvsbn", space, seed=0), x, prior=NormalPrior(0.6), resume=True, **kept)
    assert fit(build("fvsbn", space, seed=0), x, prior=NormalPrior(0.5), resume=True, **kept).steps == 6


@pytest.mark.parametrize("prior", [0.0, -1.0, math.nan, "normal", lambda model: 3.0, NormalPrior({"*.no_such": 1.0})])
def test_what_is_no_prior_is_refused(prior: object) -> None:
    with pytest.raises(UsageError, match="Expected"):
        fit(Located(), X, prior=prior, steps=1)


def test_a_closed_form_names_the_models_that_have_priors() -> None:
    with pytest.raises(UsageError, match=r"got gaussian, fitted by closed form\. Build .*bayes-gaussian"):
        fit(build("gaussian", Real((1,))), X, prior=1.0)
