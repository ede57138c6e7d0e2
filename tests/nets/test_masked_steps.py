"""Masked nets value by value: step by step and compiled, they draw what whole passes draw from the same noise."""

import pytest
import torch
from torch import Tensor

from loglik.laws.subject import varied
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.made.ensemble import MaskEnsemble
from loglik.models.autoregressive.made.model import made
from loglik.models.flow import Flow
from loglik.nets.masked.steps import MaskedSteps
from loglik.spaces import Category, Integer, Real, Space

pytestmark = pytest.mark.usefixtures("float64")

N = 11  # neither a multiple of the tiles nor of the threads
CONTEXT = Real((2,))
CASES: dict[str, tuple[Space, dict[str, object]]] = {
    "coins": (Integer((2, 7), 2), {"hidden": (17, 9, 30), "order": "random"}),
    "coins without hidden layers": (Integer((9,), 2), {"hidden": ()}),
    "one-hot levels": (Category((6,), 5), {"hidden": (20, 20)}),
    "scaled levels": (Integer((6,), 40), {"hidden": (20,)}),
    "normals given a context": (Real((13,)), {"hidden": (40, 40), "context": CONTEXT}),
    "a member of sampled degrees": (Integer((12,), 2), {"hidden": (30, 8), "masks": 2, "order": "agnostic"}),
    "conditioning weights": (Integer((8,), 2), {"hidden": (30,), "masks": 2, "conditioning": True}),
    "one value": (Integer((1,), 3), {"hidden": (4,)}),
}


def part(name: str) -> Autoregressive:
    space, hyperparameters = CASES[name]
    torch.manual_seed(0)
    model = made(space, **hyperparameters)  # type: ignore[arg-type]
    context = torch.randn(4, 2) if model.context else None
    model = varied(model, model.sample(4, context), context, seed=0).eval()  # type: ignore[assignment]
    found = model.base if isinstance(model, Flow) else model
    found = found.member(1) if isinstance(found, MaskEnsemble) else found
    assert isinstance(found, Autoregressive)
    return found


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_compiled_draws_equal_naive_ones(name: str, threads: int) -> None:
    model = part(name)
    context = torch.randn(N, 2) if model.context else None
    noise = model.head.noise((model.space.dims, N), torch.empty(0))
    nothing = torch.empty(0, N)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            steps = model.steps(N, context)
            assert isinstance(steps, MaskedSteps)
            assert model.head.drawing is not None
            fast, _ = steps.compiled(model.head.drawing, noise, nothing)
            eager = model.steps(N, context).run(model.head, noise, nothing)
            naive = model.steps(N, context, whole=True).run(model.head, noise, nothing)
            given, _ = model.steps(N, context).compiled(model.head.drawing, noise, naive[:3])  # type: ignore[attr-defined]
    finally:
        torch.set_num_threads(before)
    for draws in (fast, eager, given):
        torch.testing.assert_close(draws, naive, rtol=1e-10, atol=1e-10)


def test_every_unit_is_computed_once() -> None:
    """The slices of new units are a partition, and reach every unit of degree up to D - 1."""
    model = part("a member of sampled degrees")
    steps = model.steps(3)
    assert isinstance(steps, MaskedSteps)
    for units, h in zip(steps.sorted.units, steps.h, strict=True):
        assert units[0] == 0
        assert units == sorted(units)
        assert units[-1] == len(h)


def test_many_draws_are_compiled_and_few_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model = part("coins without hidden layers")
    asked: list[int] = []

    def compiled(self: MaskedSteps, drawing: object, noise: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        asked.append(self.n)
        return torch.zeros(self.sorted.dims, self.n, dtype=torch.long), torch.zeros(self.n)

    monkeypatch.setattr(MaskedSteps, "compiled", compiled)
    model.sample(3)
    assert asked == []
    model.sample(2000)
    assert asked == [2000]
    model.head.drawing = None
    model.sample(2000)
    assert asked == [2000]
