"""Nets with ReLU as one operation, against single steps."""

from functools import partial

import pytest
import torch
from torch import Tensor

from loglik.nets.dense import relu_pass
from loglik.nets.dense.quarters import Quarter
from loglik.nets.dense.relu_pass import Layers

B, IN, HIDDEN, OUT = 30, 3, (140, 150), 4


def layers(dtype: torch.dtype, *, onto: bool = False, masked: bool = False) -> Layers:
    sizes = [(HIDDEN[0], IN), (HIDDEN[1], HIDDEN[0]), (OUT, HIDDEN[1])]
    torch.manual_seed(0)
    weights = [t for out, inputs in sizes for t in (torch.randn(out, inputs) / inputs**0.5, torch.randn(out))]
    weights = [t.to(dtype).requires_grad_() for t in weights]
    mask = torch.ones(sizes[1])
    mask[:70, 60:] = 0.0
    masks = [None, mask.to(dtype) if masked else None, None]
    quarters = (None, Quarter(70, 60)) if masked else ()
    return Layers(weights, masks, torch.randn(B, HIDDEN[0]).to(dtype) if onto else None, quarters=quarters)


def found(out: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    return [out.detach(), *torch.autograd.grad((out * torch.linspace(-1.0, 1.0, OUT)).sum(), inputs)]


@pytest.mark.parametrize("options", [{}, {"onto": True}, {"masked": True}], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_one_pass_is_its_single_steps(dtype: torch.dtype, options: dict[str, bool]) -> None:
    net, x = layers(dtype, **options), torch.randn(B, IN, dtype=dtype, requires_grad=True)
    inputs = [x, *net.weights]
    steps = partial(relu_pass.reference, net)(x, net.onto, None, *net.weights)
    tolerance = 1e-11 if dtype is torch.float64 else 2e-4
    for ours, theirs in zip(found(net(x), inputs), found(steps, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=tolerance)


def test_what_is_not_a_number_stays_so() -> None:
    """In the values of its row, and in the gradient: nobody is told that all is well."""
    net, x = layers(torch.float32), torch.randn(B, IN)
    x[7, 1] = torch.nan
    out = net(x)
    assert bool(out[7].isnan().all())
    assert bool(out[:7].isfinite().all())
    (of_weight,) = torch.autograd.grad(out.sum(), [net.weights[0]])
    assert bool(of_weight.isnan().any())
