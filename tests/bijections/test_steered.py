"""Layers of flows as single operations: the numbers and the derivatives of single steps, and derivatives of these."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from loglik.bijections.affine import Affine
from loglik.bijections.autoregressive import MaskedAutoregressive
from loglik.bijections.coupling import Coupling
from loglik.bijections.steered import SteeredFunction
from loglik.contract import Bijection
from loglik.nets.dense.mlp import MLP
from loglik.nets.masked.degrees import spread
from loglik.nets.masked.net import masked_net
from loglik.ops import FAR

pytestmark = pytest.mark.usefixtures("float64")
D = 5


def masked(context: int = 0, *, direct: bool = False) -> MaskedAutoregressive:
    net = masked_net(spread(torch.arange(D).flip(0), (6, 7)), 2, context=context, direct=direct)
    return MaskedAutoregressive(net, Affine())


def coupling() -> Coupling:
    passed = torch.tensor([True, False, True, False, False])
    return Coupling(MLP(2, (6, 7), 6, activation=nn.ReLU), Affine(), passed)


LAYERS: dict[str, tuple[Callable[[], Bijection], int]] = {
    "masked": (masked, 0),
    "masked, direct connections": (lambda: masked(direct=True), 0),
    "masked, a context": (lambda: masked(3), 3),
    "coupling": (coupling, 0),
}
each_layer = pytest.mark.parametrize("name", LAYERS)


def layer(name: str) -> tuple[Bijection, Tensor | None]:
    make, width = LAYERS[name]
    made = make()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made, torch.randn(8, width) if width else None


def in_steps(made: Bijection, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    """What automatic differentiation makes of it: as the compiler is given it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.compiler, "is_compiling", lambda: True)
        z, log_det = made(x, context)
    return z, log_det


def derivatives(z: Tensor, log_det: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad((z.sin().sum() + log_det.square().sum()), inputs, create_graph=True))


@each_layer
def test_it_computes_what_single_steps_do(name: str) -> None:
    made, context = layer(name)
    x = torch.randn(8, D)
    x[0, 0], x[1] = 3.0 * FAR, -2.0 * FAR  # where nets read no further
    x.requires_grad_()
    inputs = [x, *made.parameters()]
    at_once, stepwise = made(x, context), in_steps(made, x, context)
    assert isinstance(at_once[0].grad_fn, torch.autograd.function.BackwardCFunction)
    assert at_once[0].grad_fn.name() == f"{SteeredFunction.__name__}Backward"
    assert stepwise[0].grad_fn is not None
    assert stepwise[0].grad_fn.name() != f"{SteeredFunction.__name__}Backward"
    torch.testing.assert_close(at_once, stepwise)
    torch.testing.assert_close(derivatives(*at_once, inputs), derivatives(*stepwise, inputs))


@each_layer
def test_written_out_gradients_are_those_of_single_steps(name: str) -> None:
    """Without create_graph, where they are taken as they are written."""
    made, context = layer(name)
    x = torch.randn(8, D, requires_grad=True)
    inputs = [x, *made.parameters()]
    g, l = torch.randn(8, D), torch.randn(8)  # noqa: E741
    found = torch.autograd.grad(made(x, context), inputs, (g, l))
    expected = torch.autograd.grad(in_steps(made, x, context), inputs, (g, l))
    torch.testing.assert_close(found, expected)


@each_layer
def test_derivatives_of_derivatives(name: str) -> None:
    made, context = layer(name)
    x = torch.randn(8, D, requires_grad=True)
    inputs = [x, *made.parameters()]

    def second(z: Tensor, log_det: Tensor) -> list[Tensor]:
        first = derivatives(z, log_det, inputs)
        return list(torch.autograd.grad(sum(f.square().sum() for f in first), inputs))  # type: ignore[arg-type]

    torch.testing.assert_close(second(*made(x, context)), second(*in_steps(made, x, context)))


@pytest.mark.parametrize("name", ["masked", "coupling"])
def test_single_precision_gradients_stay_so_under_autocast(name: str) -> None:
    made, _ = layer(name)
    made, x = made.float(), torch.randn(200, D, dtype=torch.float32, requires_grad=True)
    exact = torch.autograd.grad(made(x)[0].square().sum(), [x, *made.parameters()])
    with torch.autocast("cpu", torch.bfloat16):
        z, log_det = made(x)
    rough = torch.autograd.grad(z.square().sum(), [x, *made.parameters()])
    assert z.dtype == log_det.dtype == torch.float32
    for a, b in zip(rough, exact, strict=True):
        assert a.dtype == torch.float32
        assert 0.0 < float((a - b).norm()) < 0.1 * float(b.norm())
