"""Glow: steps of ActNorm, an invertible 1 x 1 convolution and a coupling, at several scales.

Kingma & Dhariwal 2018, Glow: Generative Flow with Invertible 1x1 Convolutions, arXiv:1807.03039.
"""

from functools import partial

import torch

from loglik.arguments.ranges import Count, Few, Layers
from loglik.bijections.affine import Affine
from loglik.bijections.choose import transform_for
from loglik.bijections.compose import Chain, Reshape
from loglik.bijections.convolution import InvertibleConvolution
from loglik.bijections.linear import ActNorm
from loglik.bijections.lu import LU, rotation
from loglik.bijections.masks import checkerboard
from loglik.bijections.multiscale import FactorOut, Squeeze
from loglik.bijections.transform import Transform
from loglik.contract import Bijection, Model
from loglik.densities import StandardNormal
from loglik.errors import UsageError
from loglik.models.dequantized import density_space
from loglik.models.flows.couplings import MakeNet, channel_coupling, pixel_coupling
from loglik.models.flows.images import image_shape
from loglik.models.flows.rescaling import rescaled
from loglik.models.flows.variational import dequantized, image_noise
from loglik.nets.images.convolutional import ThreeConvolutions
from loglik.ops import with_numbers
from loglik.spaces import Real, Space

Shape = tuple[int, int, int]


def step(shape: Shape, transform: Transform, make: MakeNet, layer: int) -> list[Bijection]:
    """ActNorm, 1 x 1 convolution, and a coupling in which the first half of the channels steers the second.

    One channel has nothing to mix or to split: there the pixels of a checkerboard steer the others, turn by turn.
    """
    channels, height, breadth = shape
    if channels == 1:
        board = checkerboard(height, breadth, layer) if height * breadth > 1 else torch.zeros(1, 1, 1)
        return [ActNorm(shape), pixel_coupling(1, board, transform, make)]
    first = torch.arange(channels, device=with_numbers()) < channels - channels // 2
    mixing = InvertibleConvolution(LU(rotation(channels)))
    return [ActNorm(shape), mixing, channel_coupling(first, transform, make)]


def levels(
    shape: Shape, layers: int, *, scales: int | None, transform: Transform, make: MakeNet, learned_prior: bool
) -> Bijection:
    """(B, C, H, W) -> (B, C H W): squeeze, `layers` steps, half of the channels left behind, and again on the rest.

    Of odd sizes nothing is squeezed. With a learned prior, what is left behind is normal given the rest:
    z = (x - mean(rest)) exp(-log_scale(rest)), which is one more coupling.
    """
    channels, height, breadth = shape
    squeezes = height % 2 == 0 and breadth % 2 == 0
    parts: list[Bijection] = []
    if squeezes:
        parts.append(Squeeze())
        shape = (4 * channels, height // 2, breadth // 2)
    for layer in range(layers):
        parts += step(shape, transform, make, layer)
    channels, height, breadth = shape
    last = not squeezes or scales == 1 or height % 2 or breadth % 2
    if last:
        return Chain([*parts, Reshape(shape, (channels * height * breadth,))])
    left = channels // 2
    if learned_prior:
        parts.append(channel_coupling(torch.arange(channels, device=with_numbers()) >= left, Affine(), make))
    rest = levels(
        (channels - left, height, breadth),
        layers,
        scales=scales and scales - 1,
        transform=transform,
        make=make,
        learned_prior=learned_prior,
    )
    return Chain([*parts, FactorOut(shape, rest)])


def glow(
    space: Space,
    *,
    layers: Layers = 8,
    width: Count = 64,
    scales: Few | None = None,
    transform: str = "affine",
    components: Count = 8,
    learned_prior: bool = True,
    rescale: str = "marginals",
    dequantization: str = "uniform",
    context: Space | None = None,
) -> Model:
    """Images, (H, W) or (C, H, W): at each of `scales` resolutions `layers` steps, with nets of `width` channels.

    By default an image is squeezed as long as its sizes are even. A coupling's `transform` is "additive", "affine" or
    "logistic-mixture" (Flow++, of `components` logistics). With `learned_prior`, the values left behind at a scale are
    normal given those that go on. Integers are dequantised, with "uniform" or "variational" noise, and rescaled:
    "marginals" makes every marginal a standard normal, "logit", or the paper's "linear": standardised, as reals are.

    The paper's CIFAR-10 model has scales=3, layers=32, width=512. It reads 8-bit images linearly scaled; its scale in
    a coupling is sigma(h + 2) where here it is exp(h) with h held within bounds.

    Raises:
        UsageError: a space that is not of images; an unknown transform, rescale or dequantization; no layers.

    >>> import loglik
    >>> model = loglik.build("glow", loglik.Real((3, 4, 4)), width=4, layers=1)
    >>> loglik.sample(model, 2).shape
    torch.Size([2, 3, 4, 4])
    """
    real = density_space(space, "glow")
    shape = image_shape(space, "glow")
    if layers < 1 or (scales is not None and scales < 1):
        raise UsageError(f"Expected layers >= 1 and scales >= 1; got {layers} and {scales}.")
    condition = context.width if context else 0

    def make(inputs: int, outputs: int) -> ThreeConvolutions:
        return ThreeConvolutions(inputs, width, outputs, context=condition)

    steered = transform_for(transform, components)
    body = levels(shape, layers, scales=scales, transform=steered, make=make, learned_prior=learned_prior)
    flow = rescaled(
        space, rescale, Chain([Reshape(real.shape, shape), body]), StandardNormal(Real((real.dims,)), context)
    )
    return dequantized(space, flow, dequantization, partial(image_noise, width=width, context=condition))
