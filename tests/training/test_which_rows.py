"""What is trained on, and how: the training rows, all of them and no others, in training mode."""

import pytest
import torch
from torch import Tensor

from loglik import Integer, Real, build, fit
from loglik.data import Dataset, Memory
from loglik.training.average import AveragedWeights
from loglik.training.gradient import clipped


def three_parts(rows: int = 60) -> Dataset:
    """Rows 0, 1, 2, ... to train, 1000, 1001, ... to validate, 2000, 2001, ... to test: each names its part."""

    def part(first: int) -> Memory:
        return Memory(Real((1,)), torch.arange(first, first + rows, dtype=torch.float64)[:, None])

    return Dataset("parts", part(0), part(1000), part(2000), {"how": "by number"})


def test_em_sees_the_training_rows_alone() -> None:
    data = three_parts()
    model = build("gaussian", Real((1,)))
    fit(model, data)
    truth = torch.distributions.Normal(data.train.x.mean(), data.train.x.std(correction=0))
    for rows in (data.train.x, data.valid.x):
        torch.testing.assert_close(model.log_likelihood(rows), truth.log_prob(rows).flatten(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("given_apart", [False, True])
def test_gradients_see_the_training_rows_alone_and_in_training_mode(
    monkeypatch: pytest.MonkeyPatch, given_apart: bool
) -> None:
    data = three_parts()
    model = build("nice", Real((1,)), hidden=(4,), dropout=0.5)
    seen: list[Tensor] = []
    modes: set[bool] = set()
    objective = model.objective

    def watched(x: Tensor, context: Tensor | None = None) -> Tensor:
        seen.append(x.flatten().round())
        modes.add(model.training)
        return objective(x, context)

    monkeypatch.setattr(model, "objective", watched)
    if given_apart:
        fit(model, data.train, valid=data.valid, steps=12, batch=10)
    else:
        fit(model, data, steps=12, batch=10)
    assert sorted(set(torch.cat(seen).tolist())) == list(range(60))
    assert modes == {True}


def test_contexts_stay_with_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.arange(50)[:, None] % 5
    model = build("made", Integer((1,), 5), hidden=(4,), context=Real((1,)))
    together: list[bool] = []
    objective = model.objective

    def watched(x: Tensor, context: Tensor | None = None) -> Tensor:
        assert context is not None
        together.append(torch.equal(x.double(), context.double()))
        return objective(x, context)

    monkeypatch.setattr(model, "objective", watched)
    fit(model, x, context=x.double(), steps=5, batch=16)
    assert together
    assert all(together)


def test_a_long_gradient_is_shortened_to_the_limit_and_keeps_its_direction() -> None:
    a, b = torch.zeros(2), torch.zeros(1)
    a.grad, b.grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    assert clipped([a, b], 1.0) == pytest.approx(5.0)
    torch.testing.assert_close(a.grad, torch.tensor([0.6, 0.0]))
    torch.testing.assert_close(b.grad, torch.tensor([0.8]))
    assert clipped([a, b], 2.0) == pytest.approx(1.0)
    torch.testing.assert_close(b.grad, torch.tensor([0.8]))


def test_the_average_is_the_published_one() -> None:
    """d average + (1 - d) weights with d = min(decay, (1 + t) / (10 + t)), by hand for a weight that moves as given."""
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    average = AveragedWeights([weight], decay=0.5)
    by_hand = 1.0
    for step, value in enumerate([2.0, -1.0, 4.0, 3.0, 0.0, 5.0, 1.0, 2.0, 7.0, 1.0]):
        with torch.no_grad():
            weight.fill_(value)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        by_hand = decay * by_hand + (1 - decay) * value
    assert float(average.average[0]) == pytest.approx(by_hand, rel=1e-6)
    with average.in_place():
        assert float(weight.detach()) == pytest.approx(by_hand, rel=1e-6)
    assert float(weight.detach()) == 1.0
