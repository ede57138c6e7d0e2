"""EM streams: batches do not change it, it never loses likelihood, and a closed form is one pass."""

import itertools

import pytest
import torch

from loglik import Integer, Real, build, fit
from loglik.data import Memory
from loglik.errors import Diverged
from loglik.inference import em as module
from loglik.inference.em import em


def data(n: int = 500) -> torch.Tensor:
    return torch.randn(n, 4, dtype=torch.float64) @ torch.randn(4, 4, dtype=torch.float64) + 3.0


def test_batches_do_not_change_the_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    x = data()
    scores = []
    for rows in (1000, 64):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", rows)
        model = build("ppca", Real((4,)), latents=2, em=True)
        torch.manual_seed(1)
        model.initialize(x)
        passes = itertools.islice(em(model, Memory(model.space, x), seed=0), 5)
        scores.append([done.nats for done in passes])
    assert scores[0] == pytest.approx(scores[1], rel=1e-10)
    assert scores[0] == sorted(scores[0])


def test_dequantised_em_never_loses_likelihood_as_every_pass_draws_the_same_noise() -> None:
    model = build("ppca", Integer((4,), 6), latents=2, em=True)
    history = fit(model, torch.randint(6, (300, 4)), steps=30, tolerance=0.0)
    nats = [row.nats for row in history.rows]
    assert all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(nats))


def test_a_closed_form_needs_one_pass() -> None:
    history = fit(build("gaussian", Real((4,))), data())
    assert (history.method, history.steps, history.stopped) == ("closed form", 1, "converged")


def test_em_stops_when_it_has_converged_or_the_passes_are_used() -> None:
    x = data()
    assert fit(build("ppca", Real((4,)), em=True, latents=1), x, tolerance=1e-3).stopped == "converged"
    assert fit(build("ppca", Real((4,)), em=True, latents=1), x, steps=2, tolerance=0.0).stopped == "budget used"


def test_statistics_that_are_not_finite_stop_em() -> None:
    model = build("gaussian", Real((2,)))
    model.base.mean.fill_(float("nan"))
    with pytest.raises(Diverged, match="log-likelihood"):
        next(em(model, Memory(model.space, data()[:, :2]), seed=0))
