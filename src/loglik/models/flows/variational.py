"""Variational dequantisation: noise whose distribution is a flow given the integers it is added to.

Ho, Chen, Srinivas, Duan, Abbeel 2019, Flow++: Improving Flow-Based Generative Models with Variational Dequantization
and Architecture Design, arXiv:1902.00275, section 3.1.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from loglik.bijections.affine import Affine
from loglik.bijections.compose import Chain, Reshape
from loglik.bijections.elementwise import Logit
from loglik.bijections.masks import alternate, checkerboard
from loglik.bijections.multiscale import Squeeze
from loglik.contract import Bijection, Model
from loglik.densities import StandardLogistic
from loglik.errors import UsageError
from loglik.models.dequantized import Noise, on_integers
from loglik.models.flows.couplings import channel_coupling, pixel_coupling, vector_coupling
from loglik.models.flows.images import image_shape
from loglik.nets.images.convolutional import GivenImage, ThreeConvolutions
from loglik.ops import with_numbers
from loglik.spaces import Integer, Real, Space

COUPLINGS = 4  # of the noise, as in Flow++


class VariationalNoise(Noise):
    """u = sigma(g(eps; x, c)),   eps ~ logistic,   log q(u|x, c) = log p(eps) - log|det du/deps|.

    sigma of a logistic is uniform, so with g the identity, where it begins, q is the uniform noise it replaces.

    Args:
        bijection: logit u (B, *event), given (B, dims + C) -> eps (B, dims); x, scaled to [-1, 1], and c are what is
            given.
    """

    def __init__(self, space: Integer, bijection: Bijection) -> None:
        super().__init__()
        self.space, self.bijection = space, bijection
        self.logit = Logit(0.0, 1.0, margin=0.0)
        self.base = StandardLogistic(Real((space.dims,)))

    def draw(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        given = self.space.features(x).to(self.base.dtype)
        if context is not None:
            given = torch.cat([given, context], dim=1)
        eps = self.base.sample(len(x))
        y, log_det = self.bijection.inverse(eps, given)
        u, log_slope = self.logit.inverse(y)
        # With x rounded up to x + 1, u would count for the level above.
        below = 1.0 - self.space.levels * torch.finfo(u.dtype).eps
        return u.clamp(max=below), self.base.log_prob(eps) - log_det - log_slope


def vector_noise(space: Integer, hidden: Sequence[int], context: int = 0) -> VariationalNoise:
    """Affine couplings of the logits of u, halves alternating, whose nets read x and c."""
    dims = space.dims
    couplings = [
        vector_coupling(alternate(dims, layer), Affine(), hidden, context=dims + context) for layer in range(COUPLINGS)
    ]
    return VariationalNoise(space, Chain([Reshape(space.shape, (dims,)), *couplings]))


def image_noise(space: Integer, width: int, context: int = 0) -> VariationalNoise:
    """Affine couplings of the logits of u, checkerboards alternating, whose nets read the image x beside u.

    Squeezed, a checkerboard is a choice of channels, and the nets run at a quarter of the pixels.
    """
    shape = image_shape(space, "image_noise")
    channels, height, breadth = shape
    squeezed = height % 2 == 0 and breadth % 2 == 0
    given = (4 if squeezed else 1) * channels

    def make(inputs: int, outputs: int) -> GivenImage:
        net = ThreeConvolutions(inputs + given, width, outputs, context=context)
        return GivenImage(net, shape, squeezed=squeezed)

    parts: list[Bijection] = [Reshape(space.shape, shape)]
    if squeezed:
        parts.append(Squeeze())
        even = torch.tensor([True, False, False, True], device=with_numbers()).repeat(
            channels
        )  # of each block, row + column
        shapes = (given, height // 2, breadth // 2)
        parts += [channel_coupling(even if layer % 2 == 0 else ~even, Affine(), make) for layer in range(COUPLINGS)]
    else:
        shapes = shape
        boards = [checkerboard(height, breadth, layer) for layer in range(COUPLINGS)]
        parts += [pixel_coupling(channels, board, Affine(), make) for board in boards]
    return VariationalNoise(space, Chain([*parts, Reshape(shapes, (space.dims,))]))


def dequantized(
    space: Space, density: Model, dequantization: str, noise: Callable[[Integer], VariationalNoise]
) -> Model:
    """The density itself on reals; on integers as their model, with "uniform" or "variational" noise."""
    if dequantization not in ("uniform", "variational"):
        raise UsageError(f"Expected dequantization 'uniform' or 'variational'; got {dequantization!r}.")
    return on_integers(space, density, noise if dequantization == "variational" else None)
