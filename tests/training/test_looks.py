"""Looks at validation: early under any budget, cheap, and not decided by one absurd row."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from loglik import Integer, Real, build, fit
from loglik.data import Memory
from loglik.training.gradient import GradientTraining
from loglik.training.history import History, Step
from loglik.training.looks import ROWS, Looks, counts
from loglik.training.options import Options
from loglik.training.state import restore_state, save_state


def looks_at(steps: int, valid_rows: int = 50, batch: int = 100) -> list[int]:
    """The steps at which a training of so many steps looks."""
    rows = Memory(Real((1,)), torch.randn(valid_rows, 1))
    looks = Looks(build("gaussian", Real((1,))), rows, 25, seed=0, carry=False)
    seen = []
    for step in range(1, steps + 1):
        if looks.due(step, step / steps, batch):
            looks.look(step, step / steps)
            seen.append(step)
    return seen


def test_the_first_looks_come_at_the_same_steps_whatever_the_budget() -> None:
    short, long = looks_at(2000), looks_at(20_000)
    early = [step for step in long if step <= 200]
    assert early == [step for step in short if step <= 200]
    assert early[0] <= 3
    assert all(later - step <= max(2, math.ceil(0.2 * step)) for step, later in pairwise(early))


def test_looks_cost_no_more_than_a_tenth_of_the_steps_and_see_a_part_of_many_rows() -> None:
    for valid_rows, batch in ((50, 10), (1000, 32), (10 * ROWS, 64)):
        work = len(looks_at(3000, valid_rows, batch)) * min(valid_rows, ROWS)
        assert 0 < work <= 0.1 * 3 * batch * 3000, (valid_rows, batch)


def test_a_row_counts_unless_no_weights_explain_it() -> None:
    highest = torch.linspace(-5.0, -1.0, 40, dtype=torch.float64)
    assert counts(highest).all()
    absurd = highest.index_fill(0, torch.tensor([3]), -1e12)
    assert counts(absurd).tolist() == [row != 3 for row in range(40)]
    assert not counts(highest.index_fill(0, torch.tensor([3]), -math.inf))[3]
    assert counts(highest.index_fill(0, torch.tensor([3]), -60.0)).all()
    heavy = -(torch.linspace(1.0, 60.0, 40, dtype=torch.float64) ** 2)  # 3600 nats apart, but quartiles of 1000
    assert counts(heavy).all()


def judged(told: list[list[float]]) -> list[bool]:
    """Whether each look was the best so far."""
    model = build("gaussian", Real((1,)))
    looks = Looks(model, Memory(Real((1,)), torch.zeros(len(told[0]), 1)), 25, seed=0, carry=False)
    better = []
    for step, values in enumerate(told):
        said = torch.tensor(values, dtype=torch.float64)
        model.log_likelihood = lambda x, context=None, said=said: said  # type: ignore[method-assign]
        better.append(looks.look(step, 0.0)[1])
    return better


def test_weights_that_are_truly_bad_on_a_rare_row_are_not_preferred() -> None:
    plain = [-1.0] * 19
    assert judged([[*plain, -3.0], [*[-0.9] * 19, -1e4]]) == [True, False]
    assert judged([[*plain, -1e12], [*[-0.9] * 19, -2e12]]) == [True, True]  # absurd before and after
    assert judged([[*plain, -1e12], [*[-1.1] * 19, -2.0]]) == [True, True]  # explained at last, which counts


@pytest.mark.parametrize("name", ["maf", "realnvp"])
def test_one_absurd_validation_row_changes_nothing(name: str) -> None:
    x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
    valid = torch.randn(60, 2, generator=torch.Generator().manual_seed(1))

    def kept(valid: Tensor) -> tuple[History, dict[str, Tensor]]:
        torch.manual_seed(3)
        model = build(name, Real((2,)), hidden=(8,), layers=2)
        return fit(model, x, valid=valid, steps=60, lr=0.02, batch=400), model.state_dict()

    clean, weights = kept(valid)
    spoilt, same = kept(torch.cat([valid, torch.full((1, 2), 1e6)]))
    assert (clean.set_aside, spoilt.set_aside) == (0, 1)
    assert spoilt.best_step == clean.best_step
    assert spoilt.best_nats == pytest.approx(clean.best_nats)
    assert all(torch.equal(weights[key], same[key]) for key in weights)


def test_the_last_decision_sees_more_rows_than_a_look() -> None:
    space = Integer((2,), 2)
    x = torch.randint(2, (20_000, 2))
    model = build("made", space, hidden=(8,))
    history = fit(model, x, valid=x[: 3 * ROWS], steps=400, batch=512)
    with torch.no_grad():
        whole = float(model.log_likelihood(x[: 3 * ROWS]).double().mean())
    assert history.best_nats == pytest.approx(whole, abs=1e-9)


def test_more_steps_are_not_worse() -> None:
    from sklearn.datasets import load_wine

    x = torch.from_numpy(load_wine().data)
    x = (x - x.mean(0)) / x.std(0)
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))]

    def held_out(steps: int) -> tuple[float, list[Step]]:
        torch.manual_seed(0)
        model = build("realnvp", Real((13,)), hidden=(32,), layers=2)
        history = fit(model, x[:120], valid=x[120:140], steps=steps)
        with torch.no_grad():
            return float(model.log_likelihood(x[140:]).mean()), history.rows

    few, _ = held_out(250)
    many, rows = held_out(6000)
    assert rows[-1].step < 3000  # it stops by itself
    assert many > few - 0.5


def test_resumed_while_the_learning_rate_falls_equals_unbroken_bit_for_bit(tmp_path: Path) -> None:
    x = torch.randint(3, (40, 4), generator=torch.Generator().manual_seed(0))  # nothing to learn but by heart
    rows, valid = Memory(Integer((4,), 3), x[:30]), Memory(Integer((4,), 3), x[30:])

    def training() -> GradientTraining:
        torch.manual_seed(3)
        model = build("made", rows.space, hidden=(16,), dropout=0.1)
        return GradientTraining(model, rows, valid, Options(steps=5000, lr=0.02, patience=1))

    unbroken = training()
    while unbroken.fall is None or unbroken.step < unbroken.fall.step + 10:
        unbroken._advance()
    save_state(tmp_path / "state", unbroken)
    expected = [unbroken._advance() for _ in range(40)]
    torch.manual_seed(99)
    resumed = training()
    restore_state(tmp_path / "state", resumed)
    told = [resumed._advance() for _ in range(40)]
    assert [(step.nats, step.valid_nats, step.lr) for step in told] == [
        (step.nats, step.valid_nats, step.lr) for step in expected
    ]
    assert any(step.valid_nats is not None for step in told)
    unbroken.finish()
    resumed.finish()
    for name, weight in unbroken.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_where_it_overfits_the_learning_rate_falls_from_the_best_weights_and_it_stops() -> None:
    x = torch.randint(3, (40, 4), generator=torch.Generator().manual_seed(0))
    seen: list[Step] = []
    model = build("made", Integer((4,), 3), hidden=(16,))
    history = fit(model, x[:30], valid=x[30:], steps=5000, lr=0.02, watch=seen.append)
    assert history.stopped == "no better on validation"
    rates = [step.lr or 0.0 for step in seen]
    jump = next(step for step in range(160, len(rates)) if rates[step] < 0.5 * rates[step - 1])
    assert rates[jump] == pytest.approx(0.1 * 0.02)
    assert all(later <= rate for rate, later in pairwise(rates[jump:]))
    assert rates[-1] < 1e-4 * 0.02
