"""Couplings together with the nets that steer them, on vectors and on images; each begins at the identity."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from loglik.bijections.coupling import Coupling, MaskedCoupling
from loglik.bijections.transform import Transform
from loglik.nets.dense.mlp import MANY, MLP
from loglik.nets.images.convolutional import GivenImage, ResidualNet, ThreeConvolutions

ImageNet = ResidualNet | ThreeConvolutions | GivenImage
MakeNet = Callable[[int, int], ImageNet]  # input channels, output channels


def vector_coupling(
    passed: Tensor,
    transform: Transform,
    hidden: Sequence[int],
    *,
    context: int = 0,
    dropout: float = 0.0,
    activation: Callable[[], nn.Module] = nn.SiLU,
) -> Coupling | MaskedCoupling:
    """What passes (D,) steers the rest through an MLP; a single value is steered by the context alone."""
    dims = len(passed)
    seen = int(passed.sum()) if dims > 1 else 1
    moved = max(1, dims - seen)
    net = MLP(
        seen,
        hidden,
        transform.params * moved,
        context=context,
        dropout=dropout,
        zero_last=True,
        activation=activation,
        apart=transform.params >= MANY,
    )
    net.start(transform.identity().repeat_interleave(moved))
    return Coupling(net, transform, passed) if dims > 1 else MaskedCoupling(net, transform, torch.zeros(1))


def channel_coupling(passed: Tensor, transform: Transform, make: MakeNet) -> Coupling:
    """Some channels (C,) steer the others, through a convolutional net."""
    seen = int(passed.sum())
    moved = len(passed) - seen
    net = make(seen, transform.params * moved)
    net.start(transform.identity().repeat_interleave(moved))
    return Coupling(net, transform, passed)


def pixel_coupling(channels: int, mask: Tensor, transform: Transform, make: MakeNet) -> MaskedCoupling:
    """The pixels of the mask (1, H, W) steer the others, in all channels."""
    net = make(channels, transform.params * channels)
    net.start(transform.identity().repeat_interleave(channels))
    return MaskedCoupling(net, transform, mask)
