"""Every limit holds, for gradients, EM and closed forms; times are counted by a clock that the work itself moves."""

import math
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from loglik import Integer, Real, build, compare, fit
from loglik.contract import EMModel, ExactModel
from loglik.data import Memory
from loglik.errors import UsageError
from loglik.training.batches import fitting_batch
from loglik.training.gradient import GradientTraining
from loglik.training.options import Options

Clock = Callable[[float], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time stands still but for what is added to it."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def add(seconds: float) -> None:
        now[0] += seconds

    return add


def mixed(n: int = 500) -> Tensor:
    return torch.randn(n, 3, dtype=torch.float64) * torch.rand(n, 1, dtype=torch.float64)


def test_an_epoch_of_em_is_a_pass() -> None:
    assert fit(build("gmm", Real((3,)), components=8), mixed(), epochs=2, tolerance=0.0).steps == 2
    assert fit(build("gmm", Real((3,)), components=8), mixed(), epochs=3.7, tolerance=0.0).steps == 3
    assert fit(build("gaussian", Real((3,))), mixed(), epochs=5, steps=None).steps == 1
    for name in ("gmm", "gaussian"):
        with pytest.raises(UsageError, match="epochs >= 1"):
            fit(build(name, Real((3,))), mixed(), epochs=0.5)


def test_em_stops_after_as_many_idle_passes_as_patience_says() -> None:
    def passes(patience: int | None) -> int:
        return fit(build("ppca", Real((3,)), em=True, latents=1), mixed(), tolerance=1e9, patience=patience).steps

    assert (passes(None), passes(1), passes(4)) == (2, 2, 5)  # the first pass has nothing to gain from


@pytest.mark.parametrize("budget", [10.0, 25.0])
def test_em_keeps_its_budget_of_time(budget: float, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("gmm", Real((3,)), components=8)
    sound = type(model).maximize  # type: ignore[attr-defined]

    def slow(self: EMModel, stats: object) -> None:
        clock(3.0)
        sound(self, stats)

    monkeypatch.setattr(type(model), "maximize", slow)
    history = fit(model, mixed(), budget=budget, tolerance=0.0)
    assert history.steps == int(budget / 3.0) - 1  # the start from clusters maximizes once
    assert history.stopped == "budget used"


@pytest.mark.parametrize(("row_seconds", "valid_rows"), [(2e-3, 100), (2e-3, 20_000), (0.02, 5000)])
def test_gradients_keep_their_budget_with_looks_of_a_tenth(
    row_seconds: float, valid_rows: int, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build("made", Integer((2,), 2), hidden=(4,))
    sound, looked, started = type(model).log_prob, [0.0], time.perf_counter()

    def slow(self: ExactModel, x: Tensor, context: Tensor | None = None) -> Tensor:
        clock(0.001 + row_seconds * len(x) * (3 if self.training else 1))
        looked[0] += 0.0 if self.training else row_seconds * len(x)
        return sound(self, x, context)

    monkeypatch.setattr(type(model), "log_prob", slow)
    x = torch.randint(2, (6000, 2))
    valid = torch.randint(2, (valid_rows, 2))
    history = fit(model, x, valid=valid, budget=20, patience=10_000)
    assert 20 * 0.9 <= history.seconds <= 20 * 1.1
    assert history.seconds == pytest.approx(time.perf_counter() - started)
    assert 0.0 < looked[0] <= 0.1 * 20 * 1.01
    assert history.batch is not None
    assert history.batch == 8
    assert history.steps > 20 / (0.001 + 3 * row_seconds * history.batch) * 0.75


def test_a_batch_that_is_given_is_kept_under_a_budget(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("made", Integer((2,), 2), hidden=(4,))
    sound = type(model).log_prob

    def slow(self: ExactModel, x: Tensor, context: Tensor | None = None) -> Tensor:
        clock(0.1)
        return sound(self, x, context)

    monkeypatch.setattr(type(model), "log_prob", slow)
    assert fit(model, torch.randint(2, (600, 2)), budget=5, batch=50).batch == 50


@pytest.mark.parametrize(
    ("start", "each", "batch"),
    [(0.0, 1e-9, 512), (0.001, 1e-4, 64), (0.001, 0.1, 8), (0.02, 1e-9, 512), (0.02, 1e-4, 128), (5.0, 1e-9, 8)],
)
def test_the_batch_is_the_largest_that_leaves_time_for_3000_steps_or_costs_little(
    start: float, each: float, batch: int
) -> None:
    asked: list[float] = []

    def timed(rows: int) -> float:
        asked.append(start + each * rows)
        return asked[-1]

    assert fitting_batch(512, 30.0, timed) == batch
    assert fitting_batch(3, 30.0, lambda rows: math.inf) == 3
    assert sum(asked) < 0.1 * 30.0 or len(asked) == 2  # trying is cheap


def test_choosing_the_batch_changes_no_weight() -> None:
    model = build("vae", Real((4,)), dropout=0.3)
    rows = Memory(model.space, torch.randn(200, 4))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    generator = torch.get_rng_state()
    training = GradientTraining(model, rows, rows, Options(budget=5.0))
    training._suit_the_budget(5.0)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(p.grad is None for p in model.parameters())
    assert not training.optimizer.state


@pytest.mark.parametrize("name", ["gaussian", "gmm", "nice"])
def test_what_cannot_be_called_or_opened_is_refused(name: str) -> None:
    model, x = build(name, Real((2,))), torch.randn(30, 2)
    with pytest.raises(UsageError, match="Expected a function for watch; got 5"):
        fit(model, x, watch=5)
    with pytest.raises(UsageError, match="Expected the path of a file for state; got 5"):
        fit(model, x, state=5)
    for option in ("watch", "done"):
        with pytest.raises(UsageError, match=f"Expected a function for {option}; got 5"):
            compare([name], x, **{option: 5})
