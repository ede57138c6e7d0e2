"""The masks themselves: what they leave, and that no unit is dead."""

from collections.abc import Callable

import pytest
import torch

from loglik.nets.dense.mlp import MLP
from loglik.nets.images.convolutional import MaskedConv2d, ResidualNet
from loglik.nets.masked.degrees import Degrees, even_degrees, sampled, spread
from loglik.nets.masked.net import MaskedLinear, MaskedMLP, MaskedWeights


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
    layer, mask = MaskedLinear(2, 2, 1.0), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    with torch.no_grad():
        layer.weight.add_(5.0)
    x = torch.randn(4, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x, mask)[:, 0].sum(), x)
    assert float(gradient[:, 1].abs().max()) == 0


@pytest.mark.parametrize("dims", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_degrees(size: int, dims: int) -> None:
    degrees = even_degrees(size, dims)
    assert len(degrees) == size
    assert int(degrees.min()) == 1
    assert int(degrees.max()) <= max(1, dims - 1)
    assert bool((degrees.diff() >= 0).all())


@pytest.mark.parametrize("connect", [spread, sampled])
@pytest.mark.parametrize("dims", [2, 5, 16])
def test_no_hidden_unit_is_dead(dims: int, connect: Callable[..., Degrees]) -> None:
    """Every unit sees something, and something sees it; sampled degrees never fall below all of the layer before."""
    for seed in range(20):
        torch.manual_seed(seed)
        *hidden, _, last = connect(torch.randperm(dims), (3, 24, 5)).masks(2, 4)
        assert all(bool(mask.any(1).all()) for mask in hidden)
        assert bool(last.any(0).all())


def test_sampled_degrees_are_uniform_above_the_least_below() -> None:
    torch.manual_seed(0)
    first, second = sampled(torch.arange(9), (1, 4000)).hidden
    counts = torch.bincount(second, minlength=9)
    least = int(first[0])
    assert int(counts[:least].sum()) == 0
    assert float((counts[least:] / 4000 - 1 / (9 - least)).abs().max()) < 0.03


def test_masks_follow_degrees_through_a_file() -> None:
    """Masks are not kept, degrees are."""
    nets = []
    for seed in range(2):
        torch.manual_seed(seed)
        degrees = sampled(torch.randperm(6), (8, 8))
        nets.append(MaskedMLP(MaskedWeights([degrees], 1, 2), degrees))
    assert not any("mask" in name for name in nets[0].state_dict())
    nets[1].load_state_dict(nets[0].state_dict())
    for one, other in zip(nets[0].masks, nets[1].masks, strict=True):
        assert torch.equal(one, other)


def test_weights_start_at_the_scale_of_what_masks_let_through() -> None:
    """On average over the members, so that no unit that one member leaves few inputs floods another."""
    torch.manual_seed(0)
    degrees = [sampled(torch.arange(100), (400,)) for _ in range(64)]
    weights = MaskedWeights(degrees, 1, 1)
    h = torch.stack([weights.hidden_layers[0](torch.ones(1, 100), own.masks(1, 1)[0]) for own in degrees])
    assert float(h.detach().square().mean()) == pytest.approx(1.0, abs=0.1)
    assert float(weights.hidden_layers[0].weight.detach().abs().max()) < 1.0


def test_conditioning_weights_tell_what_may_be_seen() -> None:
    """(U * M) 1: the same inputs under another mask give another output, though all inputs are 0."""
    layer = MaskedLinear(3, 1, 1.0, conditioning=True)
    assert layer.conditioning is not None
    with torch.no_grad():
        layer.conditioning.copy_(torch.tensor([[1.0, 10.0, 100.0]]))
    for mask, value in (([1.0, 0.0, 1.0], 101.0), ([0.0, 1.0, 0.0], 10.0)):
        assert float(layer(torch.zeros(1, 3), torch.tensor([mask])).detach()) == value


def test_nets_that_steer_start_at_zero() -> None:
    assert float(MLP(3, (8,), 4, zero_last=True)(torch.randn(5, 3)).detach().abs().max()) == 0
    assert float(ResidualNet(2, 4, 6, blocks=1)(torch.randn(2, 2, 4, 4)).detach().abs().max()) == 0


def test_a_plain_net_joins_its_context() -> None:
    net = MLP(3, (8,), 2, context=4)
    x = torch.randn(5, 3)
    assert not torch.equal(net(x, torch.zeros(5, 4)), net(x, torch.ones(5, 4)))
