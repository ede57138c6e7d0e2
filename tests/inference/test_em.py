"""EM streams: batches do not change it, it never loses likelihood, and a closed form is one pass."""

import itertools

import pytest
import torch

from loglik import Integer, Real, build, fit
from loglik.data import Memory
from loglik.errors import Diverged, FitWarning
from loglik.inference import em as module
from loglik.inference.em import em
from loglik.models.latent.ppca import LatentMoments, ProbabilisticPCA
from loglik.moments import FewRows, Moments


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


class _Lowering(ProbabilisticPCA):
    """The noise is halved after every M-step, as no EM does."""

    def maximize(self, stats: Moments | FewRows | LatentMoments) -> None:
        super().maximize(stats)
        self.variance.mul_(0.5)


def test_a_pass_that_lowers_the_likelihood_is_told() -> None:
    model = _Lowering(Real((4,)), 2, em=True, floor=1e-6)
    with pytest.warns(FitWarning, match="which EM never does"):
        fit(model, data(), steps=6)


def test_weighted_rows_are_repeated_rows_in_every_pass() -> None:
    x, times = data(120), torch.arange(120) % 3
    nats = []
    for rows, weights in ((x, times.double()), (x.repeat_interleave(times, 0), None)):
        torch.manual_seed(1)
        model = build("gmm", Real((4,)), components=3)
        model.initialize(x)
        passes = itertools.islice(em(model, Memory(model.space, rows), seed=0, weights=weights), 5)
        nats.append([done.nats for done in passes])
    assert nats[0] == pytest.approx(nats[1], rel=1e-12)
