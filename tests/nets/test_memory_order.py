"""Nets whose outputs lie apart in memory say what others say whose outputs are neighbours, with equal gradients."""

import pytest
import torch
from torch import Tensor, nn

from loglik.nets.dense.mlp import MLP
from loglik.nets.masked.degrees import spread
from loglik.nets.masked.net import MaskedMLP, MaskedWeights

pytestmark = pytest.mark.usefixtures("float64")
DIMS, OUTPUTS = 5, 7


def masked(*, apart: bool, direct: bool) -> MaskedMLP:
    torch.manual_seed(0)
    degrees = spread(torch.arange(DIMS).flip(0), (8, 9))
    net = MaskedMLP(MaskedWeights([degrees], 1, OUTPUTS, context=2, direct=direct, apart=apart), degrees)
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    if apart:  # rows of the last layers in another order
        neighbours = masked(apart=False, direct=direct)
        there = torch.arange(DIMS * OUTPUTS).view(DIMS, OUTPUTS).T.flatten()
        state = neighbours.state_dict()
        rows = {name: value[there] for name, value in state.items() if len(value) == DIMS * OUTPUTS}
        net.load_state_dict(state | rows)
    return net


@pytest.mark.parametrize("direct", [False, True])
def test_masked_nets(direct: bool) -> None:
    x, context = torch.randn(6, DIMS), torch.randn(6, 2)
    weights = torch.randn(6, DIMS, OUTPUTS)
    found = []
    for apart in (False, True):
        net, given = masked(apart=apart, direct=direct), x.clone().requires_grad_()
        out = net.of_flat(given, context)
        assert (out.stride(0) == 1) == apart
        hidden = net.weights.hidden_layers[0].weight
        found.append((out, *torch.autograd.grad((out * weights).sum(), (given, hidden))))
    for near, far in zip(*found, strict=True):
        torch.testing.assert_close(near, far)


def test_perceptrons() -> None:
    found: list[tuple[Tensor, ...]] = []
    x, context, weights = torch.randn(6, 3), torch.randn(6, 2), torch.randn(6, 14)
    for apart in (False, True):
        torch.manual_seed(0)
        net = MLP(3, (8,), 14, context=2, apart=apart)
        out = net(x, context)
        assert (out.stride(0) == 1) == apart
        found.append((out, *torch.autograd.grad((out * weights).sum(), list(net.parameters()))))
    for near, far in zip(*found, strict=True):
        torch.testing.assert_close(near, far)
    half = torch.autocast("cpu", torch.bfloat16)
    with half:
        assert MLP(3, (8,), 14, apart=True)(x).dtype == x.dtype
