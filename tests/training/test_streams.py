"""Training on a stream: windows in order, the state carried over them, and resumed runs that equal unbroken ones."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from loglik import Category, build, evaluate, fit
from loglik.data import Dataset, Memory, windows
from loglik.errors import UsageError
from loglik.training.gradient import GradientTraining
from loglik.training.history import Step
from loglik.training.options import Options
from loglik.training.state import restore_state, save_state

LEVELS, T = 4, 2


def stream(rows: int = 90, seed: int = 0) -> Memory:
    """A sequence in which each symbol is mostly the one two places before it: a window of two alone tells nothing."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(LEVELS, (rows * T,), generator=generator)
    changes = torch.rand(len(x), generator=generator) < 0.1
    for t in range(2, len(x)):
        x[t] = x[t] if changes[t] else x[t - 2]
    return Memory(Category((T,), LEVELS), x[: rows * T].reshape(rows, T), stream=True)


@pytest.mark.parametrize(("rows", "streams"), [(1, 1), (7, 3), (9, 3), (5, 8), (100, 16)])
def test_every_row_comes_once_and_streams_are_contiguous(rows: int, streams: int) -> None:
    steps = list(windows.side_by_side(rows, streams))
    assert sorted(torch.cat(steps).tolist()) == list(range(rows))
    assert len(steps) == -(-rows // min(rows, streams))
    for before, after in pairwise(steps):
        assert torch.equal(after, before[: len(after)] + 1)
    for first in range(len(steps)):
        assert torch.equal(next(windows.side_by_side(rows, streams, first)), steps[first])


def test_what_is_remembered_is_worth_learning() -> None:
    train, test = stream(400), stream(100, seed=1)
    scores = {}
    for carry in (True, False):
        torch.manual_seed(0)
        model = build("char-rnn", train.space, width=24)
        fit(model, train, valid=test, steps=120, lr=0.03, batch=16, carry=carry, ema=0.9, evaluations=3)
        scores[carry] = evaluate(model, test, carry=carry)
    assert scores[True].nats > scores[False].nats + 0.7  # of 2.8 nats in two symbols, some 0.8 cannot be known
    assert "carried" in str(scores[True])
    assert "alone" in str(scores[False])


def test_windows_come_in_order_and_every_epoch_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = stream(9)
    model = build("char-rnn", rows.space, width=4)
    seen: list[tuple[Tensor, bool]] = []
    sound = type(model).log_likelihood_from

    def watched(self: object, x: Tensor, state: Tensor | None, context: Tensor | None = None) -> object:
        seen.append((x, state is None))
        assert state is None or not state.requires_grad
        return sound(self, x, state, context)  # type: ignore[arg-type]

    monkeypatch.setattr(type(model), "log_likelihood_from", watched)
    fit(model, Dataset("d", rows, rows, rows, {}), epochs=2, batch=2, evaluations=1)
    in_training = seen[:10]
    assert [fresh for _, fresh in in_training] == [i in (0, 5) for i in range(10)]
    assert torch.equal(in_training[1][0], rows.x[[1, 6]])
    assert torch.equal(in_training[4][0], rows.x[[4]])


def test_a_stream_is_validated_on_its_end() -> None:
    rows = stream(50)
    model = build("char-rnn", rows.space, width=4)
    history = fit(model, rows, steps=4, evaluations=1)
    held_out = rows.subset(torch.arange(45, 50))
    assert held_out.stream  # row 44, before it, is in neither part
    assert history.best_nats == pytest.approx(evaluate(model, held_out).nats, abs=1e-6)
    assert not rows.subset(torch.tensor([3, 5])).stream


def test_resumed_in_the_middle_of_an_epoch_equals_unbroken_bit_for_bit(tmp_path: Path) -> None:
    rows, options = stream(40), Options(steps=25, batch=4, evaluations=5)

    def training() -> GradientTraining:
        torch.manual_seed(3)
        return GradientTraining(build("char-rnn", rows.space, width=6, layers=2, dropout=0.2), rows, rows, options)

    def advanced(training: GradientTraining, steps: int) -> list[Step]:
        return [training._advance() for _ in range(steps)]

    unbroken = training()
    expected = advanced(unbroken, 25)
    broken = training()
    advanced(broken, 13)
    save_state(tmp_path / "state", broken)
    torch.manual_seed(99)
    resumed = training()
    restore_state(tmp_path / "state", resumed)
    assert resumed.carried is not None
    assert [step.nats for step in advanced(resumed, 12)] == [step.nats for step in expected[13:]]
    for name, weight in unbroken.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_half_precision_inside_the_cells_leaves_the_state_and_the_score_whole(cell: str) -> None:
    rows = stream(40)
    options = Options(steps=6, batch=4, precision="bfloat16", evaluations=1)
    try:
        training = GradientTraining(build("char-rnn", rows.space, width=6, cell=cell, layers=2), rows, rows, options)
    except UsageError:
        pytest.skip("this processor has no such cells in bfloat16")
    for _ in range(3):
        assert torch.isfinite(torch.tensor(training._advance().nats))
    assert training.carried is not None
    assert training.carried.dtype == torch.float32
    x = rows.x[:4]
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        half, _ = training.model.log_likelihood_from(x, training.carried)
    with torch.no_grad():
        full, _ = training.model.log_likelihood_from(x, training.carried)
    assert half.dtype == torch.float64
    assert torch.allclose(half, full, atol=0.05)
