"""Gradients that can be differentiated again are the gradients, and so are the derivatives of these.

Operations that write their gradients out have a second way for that. In an autoregressive model what steers a value
depends on other values of the same x, which must not be counted twice; and what was solved for depends on x too, though
torch was told of constants.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from cases import CASES, SMALL, Case, data
from loglik.contract import Model
from loglik.errors import UsageError
from loglik.spaces import Real
from loglik.zoo import build

pytestmark = pytest.mark.usefixtures("float64")
SPACE = Real((3,))
WRITTEN_OUT = [
    Case("made", SPACE, SMALL),
    Case("maf", SPACE, SMALL | {"layers": 2, "base": "autoregressive", "components": 2}),
    Case("iaf", SPACE, SMALL | {"layers": 2}, Real((2,))),
    Case("realnvp", SPACE, SMALL | {"layers": 2}),
    Case("nsf", SPACE, SMALL | {"layers": 2, "bins": 4}),
    Case("nsf-coupling", SPACE, SMALL | {"layers": 2, "bins": 4}),
    Case("cnf", SPACE, {"hidden": (6, 5), "gain": 0.5}),
    Case("transformer", SPACE, {"width": 8, "heads": 2, "layers": 1}),
]
FOLLOWED = [  # training takes another way than scores do
    Case("cnf", SPACE, {"hidden": (6, 5), "gain": 0.5}),
    Case("cnf", SPACE, {"hidden": (6, 5), "gain": 0.5, "gradient": "checkpointed"}),
    Case("cnf", SPACE, {"hidden": (6, 5), "gain": 0.5, "kinetic": 0.05, "jacobian": 0.05}, Real((2,))),
    Case("ffjord", SPACE, {"hidden": (6, 5), "gain": 0.5, "exact": False}),
]
PLACES = 5  # parameters at which derivatives are taken, until one has no kink of a ReLU near
ROWS = 3


@pytest.mark.parametrize("case", WRITTEN_OUT, ids=str)
def test_gradients_are_the_same_when_they_can_be_differentiated(case: Case) -> None:
    model = case.model()
    x, c = torch.randn(6, 3, requires_grad=True), None if case.context is None else torch.randn(6, 2)
    asked: list[Any] = [x, *model.parameters()]
    score = model.log_likelihood(x, c).sum()
    plain = torch.autograd.grad(score, asked, retain_graph=True, allow_unused=True)
    again = torch.autograd.grad(score, asked, create_graph=True, allow_unused=True)
    torch.testing.assert_close([g for g in again if g is not None], [g for g in plain if g is not None])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_second_derivative_is_the_slope_of_the_first(case: Case) -> None:
    """In x, if it is real, and all parameters together."""
    model, leaves, x, c = some(case)
    if leaves:
        agree(model, leaves, lambda: model.eval().log_likelihood(x, c))


@pytest.mark.parametrize("case", FOLLOWED, ids=lambda case: "-".join(map(str, case.hyperparameters.values())))
def test_so_it_is_in_training(case: Case) -> None:
    model, leaves, x, c = some(case)
    agree(model, leaves, lambda: model.train().objective(x, c))


@pytest.mark.parametrize("name", ["row-lstm", "diagonal-bilstm"])
def test_so_it_is_for_compiled_sweeps_over_images(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loglik.models.autoregressive.pixelrnn.sweep.COMPILED_CELLS", 1)
    model, leaves, x, c = some(Case(name, Real((2, 3)), {"width": 4, "layers": 1}))
    agree(model, leaves, lambda: model.log_likelihood(x, c))


def test_the_adjoint_has_no_second_derivative_and_says_so() -> None:
    case = Case("cnf", SPACE, {"hidden": (6, 5), "gradient": "adjoint"})
    model, leaves, x, c = some(case)
    for leaf in leaves[0], leaves[1]:  # x and a parameter, each alone
        first = torch.autograd.grad(model.train().objective(x, c).sum(), leaf, create_graph=True)[0]
        with pytest.raises(UsageError, match="Backprop"):
            torch.autograd.grad(first.sum(), leaf)
    found = torch.autograd.grad(model.objective(x, c).sum(), leaves, allow_unused=True)  # first ones there are
    assert torch.isfinite(found[0]).all()


def some(case: Case) -> tuple[Model, list[Tensor], Tensor, Tensor | None]:
    """A model that has seen data, what its derivatives are taken in, and events with contexts."""
    torch.manual_seed(0)
    model = build(
        case.model_name, case.space, **case.hyperparameters, **({"context": case.context} if case.context else {})
    )
    seen, given = data(case.space), None if case.context is None else data(case.context)
    with torch.no_grad():
        model.initialize(seen, given)
        if model.fitted_by.in_passes:
            model.maximize(model.expect(seen, given))
    c = None if given is None else given[:ROWS]
    x = seen[:ROWS].double() if isinstance(case.space, Real) else seen[:ROWS]
    reals = [x.requires_grad_()] if isinstance(case.space, Real) else []
    parameters = [] if model.fitted_by.in_passes else list(model.parameters())
    return model, [*reals, *parameters], x, c if c is None or not c.is_floating_point() else c.double()


def agree(model: Model, leaves: list[Tensor], score: Callable[[], Tensor]) -> None:
    """d/ds of the gradient at leaves + s v, by autograd (all at s = 0) and by central differences."""

    def gradient(*, again: bool) -> list[Tensor]:
        torch.manual_seed(7)  # bounds and probes draw their noise
        found = torch.autograd.grad(score().sum(), leaves, create_graph=again, allow_unused=True)
        return [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(found, leaves, strict=True)]

    def slope(step: float) -> list[Tensor]:
        ends = []
        for side in (step, -step):
            move(side)
            ends.append(gradient(again=False))
            move(-side)
        return [(ahead - behind) / (2.0 * step) for ahead, behind in zip(*ends, strict=True)]

    @torch.no_grad()
    def move(by: float) -> None:
        for leaf, along in zip(leaves, v, strict=True):
            leaf.add_(along, alpha=by)

    for seed in range(PLACES):
        torch.manual_seed(seed)
        v = [torch.randn_like(leaf) for leaf in leaves]
        move(0.1)
        v = [torch.randn_like(leaf) for leaf in leaves]
        expected, finer = slope(1e-5), slope(2e-6)
        size = max(float(t.abs().max()) for t in expected)
        if max(float((a - b).abs().max()) for a, b in zip(expected, finer, strict=True)) <= 1e-5 * size:
            break
    else:
        raise AssertionError("no smooth place was found")
    with_graph = sum((g * along).sum() for g, along in zip(gradient(again=True), v, strict=True))
    assert isinstance(with_graph, Tensor)
    found = torch.autograd.grad(with_graph, leaves, allow_unused=True) if with_graph.requires_grad else [None] * len(v)
    for mine, right in zip(found, expected, strict=True):
        error = float(((torch.zeros_like(right) if mine is None else mine) - right).abs().max())
        assert error <= 1e-4 * size, f"off by {error / size:.1e} of the largest second derivative"
