"""Real NVP: affine couplings, on vectors and on images.

Dinh, Sohl-Dickstein, Bengio 2017, Density estimation using Real NVP, arXiv:1605.08803.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from loglik.arguments.ranges import Count, Few, Layers, Share
from loglik.bijections.choose import normalization_for, transform_for
from loglik.bijections.compose import Chain, Reshape
from loglik.bijections.masks import checkerboard, random_half
from loglik.bijections.multiscale import FactorOut, Squeeze
from loglik.bijections.transform import Transform
from loglik.contract import Bijection, Model
from loglik.densities import StandardNormal
from loglik.models.dequantized import density_space
from loglik.models.flows.couplings import ImageNet, channel_coupling, pixel_coupling, vector_coupling
from loglik.models.flows.images import image_shape
from loglik.models.flows.rescaling import rescaled
from loglik.models.flows.variational import dequantized, image_noise, vector_noise
from loglik.nets.images.convolutional import ResidualNet
from loglik.ops import with_numbers
from loglik.spaces import Real, Space

LOW_DIMENSIONS = 8  # each coupling moves few values there, so more of them are needed, and smaller ones do

Normalize = Callable[[tuple[int, ...]], Bijection]


def vector_couplings(
    dims: int,
    layers: int,
    *,
    transform: Transform,
    normalize: Normalize,
    hidden: Sequence[int],
    dropout: float,
    context: int,
) -> list[Bijection]:
    """Normalisation and coupling, `layers` times; what passes is a random half, then the other half, then another."""
    parts: list[Bijection] = []
    passed = torch.empty(0, dtype=torch.bool)
    for layer in range(layers):
        half = random_half(dims)
        passed = half if layer % 2 == 0 else ~passed
        coupling = vector_coupling(passed, transform, hidden, context=context, dropout=dropout, activation=nn.ReLU)
        parts += [normalize((dims,)), coupling]
    return parts


def image_couplings(
    shape: tuple[int, int, int],
    scales: int | None,
    *,
    transform: Transform,
    normalize: Normalize,
    make: Callable[[int, int, int], ImageNet],
    scale: int = 0,
) -> Bijection:
    """The paper's scales: 3 checkerboard couplings, squeeze, 3 channel couplings, factor out half; at the last of
    `scales` 4 checkerboard couplings. (B, C, H, W) -> (B, C H W). Odd or tiny sizes are not squeezed further.

    Args:
        make: input channels, output channels, scale -> the net of a coupling.
    """
    channels, height, breadth = shape

    def net(inputs: int, outputs: int) -> ImageNet:
        return make(inputs, outputs, scale)

    def board(layer: int) -> list[Bijection]:
        mask = checkerboard(height, breadth, layer)
        return [normalize(shape), pixel_coupling(channels, mask, transform, net)]

    last = scales == scale + 1 or height % 2 or breadth % 2 or min(height, breadth) < 4
    parts = [part for layer in range(4 if last else 3) for part in board(layer)]
    if last:
        return Chain([*parts, Reshape(shape, (channels * height * breadth,))])
    small = (4 * channels, height // 2, breadth // 2)
    first = torch.arange(small[0], device=with_numbers()) < small[0] // 2
    parts.append(Squeeze())
    for passed in (first, ~first, first):
        parts += [normalize(small), channel_coupling(passed, transform, net)]
    rest = (small[0] - small[0] // 2, *small[1:])
    beyond = image_couplings(rest, scales, transform=transform, normalize=normalize, make=make, scale=scale + 1)
    return Chain([*parts, FactorOut(small, beyond)])


def realnvp(
    space: Space,
    *,
    layers: Layers | None = None,
    hidden: Sequence[Count] | None = None,
    transform: str = "affine",
    components: Count = 8,
    norm: str = "act",
    dropout: Share = 0.0,
    rescale: str = "marginals",
    dequantization: str = "uniform",
    context: Space | None = None,
) -> Model:
    """z_a = y_a,  z_b = (y_b - shift(y_a)) exp(-log_scale(y_a)) in each of `layers`: affine couplings of vectors.

    Their nets have `hidden` widths; by default 8 layers of 128, 128, and up to 8 dimensions 12 of 64, 64.

    Before each coupling `norm` is "act" (ActNorm), "batch" (running batch normalisation, the paper's) or "none". A
    coupling's `transform` is "additive", "affine" or "logistic-mixture" (Flow++, of `components` logistics). Integers
    are dequantised, with "uniform" or "variational" noise, and rescaled inside the model: "marginals" makes every
    marginal a standard normal, "logit" is the paper's, "linear" standardises them, as it does reals.

    Raises:
        UsageError: an unknown transform, norm, rescale or dequantization.

    >>> import torch, loglik
    >>> x = torch.randint(4, (100, 3), generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("realnvp", loglik.Integer((3,), levels=4), hidden=(8,), layers=2, seed=0)
    >>> history = loglik.fit(model, x, steps=5)
    >>> score = loglik.evaluate(model, x, samples=8)
    >>> str(score.claim), score.samples, score.bits_per_dim < 3
    ('lower bound', 8, True)
    """
    real = density_space(space, "realnvp")
    condition = context.width if context else 0
    low = real.dims <= LOW_DIMENSIONS
    widths = ((64, 64) if low else (128, 128)) if hidden is None else hidden
    couplings = vector_couplings(
        real.dims,
        (12 if low else 8) if layers is None else layers,
        transform=transform_for(transform, components),
        normalize=partial(normalization_for, norm),
        hidden=widths,
        dropout=dropout,
        context=condition,
    )
    base = StandardNormal(Real((real.dims,)), context)
    flow = rescaled(space, rescale, Chain([Reshape(real.shape, (real.dims,)), *couplings]), base)
    return dequantized(space, flow, dequantization, partial(vector_noise, hidden=widths, context=condition))


def realnvp_images(
    space: Space,
    *,
    layers: Layers = 2,
    width: Count = 32,
    scales: Few | None = None,
    transform: str = "affine",
    components: Count = 8,
    norm: str = "act",
    rescale: str = "marginals",
    dequantization: str = "uniform",
    context: Space | None = None,
) -> Model:
    """Images, (H, W) or (C, H, W), by the paper's multi-scale architecture of affine couplings.

    Its residual nets have `layers` blocks and `width` channels at the first of `scales`, twice as many at each next; by
    default there are as many scales as the size allows. The paper's CIFAR-10 model has layers=8, width=64, scales=2,
    rescale="logit". The rest is as in `realnvp`.

    Raises:
        UsageError: a space that is not of images; an unknown transform, norm, rescale or dequantization.

    >>> import torch, loglik
    >>> x = torch.randint(4, (60, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("realnvp-images", loglik.Integer((1, 4, 4), levels=4), width=4, layers=1, seed=0)
    >>> history = loglik.fit(model, x, steps=3)
    >>> loglik.sample(model, 2, seed=0).shape
    torch.Size([2, 1, 4, 4])
    """
    real = density_space(space, "realnvp-images")
    shape = image_shape(space, "realnvp-images")
    condition = context.width if context else 0

    def make(inputs: int, outputs: int, scale: int) -> ResidualNet:
        return ResidualNet(inputs, width * 2**scale, outputs, blocks=layers, context=condition)

    steered, normalize = transform_for(transform, components), partial(normalization_for, norm)
    body = image_couplings(shape, scales, transform=steered, normalize=normalize, make=make)
    base = StandardNormal(Real((real.dims,)), context)
    flow = rescaled(space, rescale, Chain([Reshape(real.shape, shape), body]), base)
    return dequantized(space, flow, dequantization, partial(image_noise, width=width, context=condition))
