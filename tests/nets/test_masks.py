"""The masks themselves: what they leave, and that no unit is dead."""

import pytest
import torch

from loglik.nets.convolutional import MaskedConv2d, ResidualNet
from loglik.nets.masked import MaskedLinear, MaskedMLP, hidden_degrees
from loglik.nets.mlp import MLP


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_what_survives_of_a_kernel(kernel: int) -> None:
    """Of one channel: (k^2 - 1) / 2 weights with mask A, the pixel itself more with mask B."""
    for mask, survivors in (("A", (kernel**2 - 1) // 2), ("B", (kernel**2 + 1) // 2)):
        assert int(MaskedConv2d(1, 1, kernel, mask=mask, groups=1).mask.sum()) == survivors


def test_groups_at_the_centre() -> None:
    """Input group c' reaches output group c iff c' < c with mask A, c' <= c with mask B."""
    for mask, diagonal in (("A", -1), ("B", 0)):
        layer = MaskedConv2d(6, 9, 3, mask=mask, groups=3)
        centre = layer.mask[:, :, 1, 1].reshape(3, 3, 3, 2)
        assert torch.equal(centre.amax((1, 3)), torch.ones(3, 3).tril(diagonal))
        assert torch.equal(centre.amin((1, 3)), torch.ones(3, 3).tril(diagonal))
        assert float(layer.mask[:, :, 1, 2].sum()) == 0
        assert float(layer.mask[:, :, 0].min()) == 1


def test_masked_weights_have_no_effect_after_a_step() -> None:
    """The mask is applied in every forward, so an optimiser cannot undo it."""
    layer = MaskedLinear(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    with torch.no_grad():
        layer.weight.add_(5.0)
    x = torch.randn(4, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x)[:, 0].sum(), x)
    assert float(gradient[:, 1].abs().max()) == 0


@pytest.mark.parametrize("dims", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_degrees(size: int, dims: int) -> None:
    degrees = hidden_degrees(size, dims)
    assert len(degrees) == size
    assert int(degrees.min()) == 1
    assert int(degrees.max()) <= max(1, dims - 1)
    assert bool((degrees.diff() >= 0).all())


@pytest.mark.parametrize("dims", [2, 5, 16])
def test_no_hidden_unit_is_dead(dims: int) -> None:
    net = MaskedMLP(torch.randperm(dims), 2, (3, 24, 5), 4)
    for layer in net.hidden:
        assert bool((layer.mask.sum(1) > 0).all())
    assert net.last is not None
    assert bool((net.last.mask.sum(0) > 0).all())


def test_nets_that_steer_start_at_zero() -> None:
    assert float(MLP(3, (8,), 4, zero_last=True)(torch.randn(5, 3)).detach().abs().max()) == 0
    assert float(ResidualNet(2, 4, 6, blocks=1)(torch.randn(2, 2, 4, 4)).detach().abs().max()) == 0


def test_a_plain_net_joins_its_context() -> None:
    net = MLP(3, (8,), 2, context=4)
    x = torch.randn(5, 3)
    assert not torch.equal(net(x, torch.zeros(5, 4)), net(x, torch.ones(5, 4)))
