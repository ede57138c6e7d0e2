"""The gradient loop: it learns, stops, keeps the best, and says where it diverged."""

import math
import os
import signal
import threading
import time

import pytest
import torch

from loglik import Integer, Real, build, fit
from loglik.data import open_dataset
from loglik.errors import Diverged, UnknownName, UsageError
from loglik.training.history import Step
from loglik.training.options import Options, seconds


def coupled(n: int = 600) -> torch.Tensor:
    """Pairs whose second value is the first: 1 bit each where independent values would need 2."""
    first = torch.randint(2, (n, 1))
    return torch.cat([first, first], dim=1)


def test_it_learns_the_dependence() -> None:
    model = build("made", Integer((2,), 2), hidden=(16,))
    fit(model, coupled(), steps=300, batch=64, lr=0.02)
    assert float(-model.log_likelihood(coupled()).mean().detach()) == pytest.approx(math.log(2), abs=0.05)
    assert not model.training


def test_same_seed_same_run_and_another_seed_another() -> None:
    def run(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(5)
        model = build("vae", Integer((2,), 2), hidden=(8,), dropout=0.1)
        fit(model, coupled(), steps=20, seed=seed)
        return model.state_dict()

    a, b, c = run(0), run(0), run(1)
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert any(not torch.equal(a[k], c[k]) for k in a)


def test_fitting_leaves_the_callers_generator_alone() -> None:
    model, x = build("vae", Integer((2,), 2), hidden=(4,)), coupled()
    before = torch.get_rng_state()
    fit(model, x, steps=3)
    assert torch.equal(before, torch.get_rng_state())


def test_the_best_validated_weights_are_kept() -> None:
    model = build("made", Integer((1, 8, 8), 17), hidden=(64,))
    digits = open_dataset("digits")
    history = fit(model, digits, steps=120, lr=0.05, evaluations=12, patience=100)
    valid = [row.valid_nats for row in history.rows if row.valid_nats is not None]
    assert len(valid) == 12
    assert history.best_nats == max(valid)
    with torch.no_grad():
        kept = float(model.log_likelihood(digits.valid.x).double().mean())
    assert kept == pytest.approx(max(valid), rel=1e-5)


def test_it_stops_early_when_validation_gets_no_better() -> None:
    model = build("made", Integer((8,), 3), hidden=(64, 64))
    history = fit(model, torch.randint(3, (60, 8)), steps=2000, lr=0.02, evaluations=100, patience=3)
    assert history.stopped == "no better on validation"
    assert history.steps < 2000


def test_a_budget_of_time_is_kept() -> None:
    started = time.perf_counter()
    history = fit(build("made", Integer((2,), 2), hidden=(8,)), coupled(), budget="0.5s")
    assert history.stopped == "budget used"
    assert 0.4 < history.seconds < time.perf_counter() - started < 5.0


def test_every_step_is_watched() -> None:
    seen: list[Step] = []
    fit(build("made", Integer((2,), 2), hidden=(4,)), coupled(), epochs=2, batch=100, watch=seen.append)
    assert len(seen) == 2 * 6  # 540 training rows of 600, the last batch of 40
    assert [s.step for s in seen] == list(range(1, 13))
    assert seen[-1].progress == 1.0
    assert seen[0].lr is not None
    assert max(s.lr or 0 for s in seen) <= 3e-3


@pytest.mark.parametrize(("what", "quantity"), [("objective", "objective"), ("gradient", "gradient of 'base.net")])
def test_divergence_names_the_step_and_the_quantity_and_keeps_the_last_good_weights(what: str, quantity: str) -> None:
    model = build("made", Real((2,)), hidden=(4,))
    seen = 0

    def spoil(step: Step) -> None:
        nonlocal seen
        seen = step.step
        if step.step == 5 and what == "objective":
            next(t for name, t in model.named_buffers() if name.endswith("scale")).fill_(float("nan"))
        elif step.step == 5:
            next(model.base.net.parameters()).register_hook(lambda g: g * float("inf"))

    with pytest.raises(Diverged, match=quantity) as caught:
        fit(model, torch.randn(100, 2), steps=50, watch=spoil, evaluations=50)
    assert caught.value.step == seen == 5
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
    assert not model.training


def test_divergence_of_a_bound_names_the_term() -> None:
    model = build("vae", Integer((2,), 2), hidden=(4,))

    def spoil(step: Step) -> None:
        with torch.no_grad():
            model.decoder.layers[-1].bias.fill_(float("nan"))

    with pytest.raises(Diverged, match=r"the term 'log p\(x\|z\)' of the bound"):
        fit(model, coupled(), steps=5, watch=spoil)


def test_ctrl_c_ends_at_the_next_step_with_valid_weights() -> None:
    model = build("made", Integer((2,), 2), hidden=(8,))
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    history = fit(model, coupled(), budget="30s", evaluations=500)
    assert history.interrupted
    assert history.seconds < 20
    assert bool(torch.isfinite(model.log_likelihood(coupled())).all())


def test_bfloat16_inside_nets_keeps_the_density_in_float64() -> None:
    model = build("made", Integer((2,), 2), hidden=(16,))
    fit(model, coupled(), steps=200, batch=64, lr=0.02, precision="bfloat16")
    assert float(-model.log_likelihood(coupled()).mean().detach()) == pytest.approx(math.log(2), abs=0.06)
    assert model.log_likelihood(coupled()).dtype == torch.float64


def test_a_few_rows_are_enough() -> None:
    for rows in (1, 2, 5):
        history = fit(build("realnvp", Real((3,)), hidden=(4,), layers=2), torch.randn(rows, 3), steps=3)
        assert history.steps == 3


def test_nothing_to_fit() -> None:
    assert fit(build("uniform", Integer((2,), 2)), coupled()).method == "nothing to fit"


@pytest.mark.parametrize(("said", "meant"), [("90s", 90), ("1.5m", 90), ("1h", 3600), ("45", 45), (7, 7)])
def test_budgets_in_words(said: str | int, meant: float) -> None:
    assert seconds(said) == meant


def test_options_are_checked() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'steps'"):
        Options.of(stepz=3)
    with pytest.raises(UsageError, match="budget such as"):
        Options.of(budget="soon")
    with pytest.raises(UsageError, match="one of steps"):
        Options.of(steps=3, epochs=2)
    with pytest.raises(UsageError, match="lr to be a number, above 0"):
        Options.of(lr=-1.0)


def test_weights_decay_where_there_are_more_of_them_than_values() -> None:
    assert Options().decay(1000, 1000) == 1e-4
    assert Options().decay(21_000, 1000) == 0.5
    assert Options().decay(10**6, 1000) == 1.0
    assert Options(weight_decay=0.0).decay(10**6, 1000) == 0.0
    few, many = build("made", Integer((2,), 2), hidden=(64, 64)), build("made", Integer((2,), 2), hidden=(4,))
    assert fit(few, coupled(40), steps=2).weight_decay == 1.0
    assert fit(many, coupled(), steps=2).weight_decay == 1e-4
