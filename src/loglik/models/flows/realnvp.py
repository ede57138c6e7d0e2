"""Real NVP: affine couplings, on vectors and on images.

Dinh, Sohl-Dickstein, Bengio 2017, Density estimation using Real NVP, arXiv:1605.08803.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from loglik.bijections.affine import Affine
from loglik.bijections.compose import Chain, Reshape
from loglik.bijections.coupling import Coupling, MaskedCoupling
from loglik.bijections.elementwise import Gaussianize, Logit, Standardize
from loglik.bijections.linear import ActNorm
from loglik.bijections.multiscale import FactorOut, Squeeze
from loglik.contract import Bijection, Model
from loglik.densities import StandardNormal
from loglik.errors import UsageError
from loglik.models.dequantized import Dequantized, density_space
from loglik.models.flows.flow import Flow
from loglik.nets.convolutional import ResidualNet
from loglik.nets.mlp import MLP
from loglik.spaces import Integer, Real, Space

LOW_DIMENSIONS = 8  # each coupling moves few values there, so more of them are needed, and smaller ones do


def vector_couplings(dims: int, layers: int, hidden: Sequence[int], dropout: float, context: int) -> list[Bijection]:
    """ActNorm and coupling, `layers` times; what passes is a random half, then the other half, then another one."""
    parts: list[Bijection] = []
    passed = torch.zeros(dims, dtype=torch.bool)
    for layer in range(layers):
        parts.append(ActNorm((dims,)))
        if dims == 1:
            # Nothing passes: an affine map, steered by the context alone.
            net = MLP(1, hidden, 2, context=context, dropout=dropout, zero_last=True)
            parts.append(MaskedCoupling(net, Affine(), torch.zeros(1)))
            continue
        half = torch.zeros(dims, dtype=torch.bool).index_fill(0, torch.randperm(dims)[: dims // 2], True)
        passed = half if layer % 2 == 0 else ~passed
        seen = int(passed.sum())
        net = MLP(seen, hidden, 2 * (dims - seen), context=context, dropout=dropout, zero_last=True)
        parts.append(Coupling(net, Affine(), passed))
    return parts


def checkerboard(height: int, width: int) -> Tensor:
    """(1, H, W): 1 where row + column is even."""
    return ((torch.arange(height)[:, None] + torch.arange(width)) % 2 == 0).float()[None]


def image_couplings(shape: tuple[int, int, int], width: int, blocks: int, context: int) -> Bijection:
    """The paper's scales: 3 checkerboard couplings, squeeze, 3 channel couplings, factor out half; at the end 4
    checkerboard couplings. (B, C, H, W) -> (B, C H W). Odd or tiny sizes are not squeezed further.
    """
    channels, height, breadth = shape

    def board(mask: Tensor) -> list[Bijection]:
        net = ResidualNet(channels, width, 2 * channels, blocks=blocks, context=context)
        return [ActNorm(shape), MaskedCoupling(net, Affine(), mask)]

    even = checkerboard(height, breadth)
    boards = [even, 1.0 - even, even, 1.0 - even]
    if height % 2 or breadth % 2 or min(height, breadth) < 4:
        parts = [part for mask in boards for part in board(mask)]
        return Chain([*parts, Reshape(shape, (channels * height * breadth,))])
    small = (4 * channels, height // 2, breadth // 2)

    def half(passed: Tensor) -> list[Bijection]:
        seen = int(passed.sum())
        net = ResidualNet(seen, width, 2 * (small[0] - seen), blocks=blocks, context=context)
        return [ActNorm(small), Coupling(net, Affine(), passed)]

    first = torch.arange(small[0]) < small[0] // 2
    parts = [part for mask in boards[:3] for part in board(mask)]
    parts.append(Squeeze())
    parts += [part for passed in (first, ~first, first) for part in half(passed)]
    rest = image_couplings((small[0] - small[0] // 2, *small[1:]), width, blocks, context)
    return Chain([*parts, FactorOut(small, rest)])


def realnvp(
    space: Space,
    *,
    layers: int | None = None,
    hidden: Sequence[int] | None = None,
    width: int = 32,
    dropout: float = 0.0,
    images: bool = False,
    rescale: str = "marginals",
    context: Space | None = None,
) -> Model:
    """Affine couplings, on vectors or on images.

    Vectors: `layers` couplings with nets of `hidden` widths; by default 8 of 128, 128, and up to 8 dimensions 12 of
    64, 64. With `images` the multi-scale architecture for (H, W) or (C, H, W), whose residual nets have `width`
    channels and `layers` blocks (default 2). Integers are dequantised and rescaled inside the model: "marginals" makes
    every marginal a standard normal, "logit" is the paper's. Reals are standardised.
    """
    real = density_space(space, "realnvp")
    condition = context.width if context else 0
    scale: Bijection
    if not isinstance(space, Integer):
        scale = Standardize(real.shape)
    elif rescale == "logit":
        scale = Logit(0.0, float(space.levels))
    elif rescale == "marginals":
        scale = Gaussianize(space)
    else:
        raise UsageError(f"Expected rescale 'marginals' or 'logit'; got {rescale!r}.")

    if images:
        if len(real.shape) not in (2, 3):
            raise UsageError(f"`realnvp` with images=True models (H, W) or (C, H, W); got {space}.")
        shape = (1, *real.shape) if len(real.shape) == 2 else real.shape
        body = image_couplings((shape[0], shape[1], shape[2]), width, 2 if layers is None else layers, condition)
        parts = [scale, Reshape(real.shape, shape), body]
    else:
        low = real.dims <= LOW_DIMENSIONS
        depth = (12 if low else 8) if layers is None else layers
        widths = ((64, 64) if low else (128, 128)) if hidden is None else hidden
        couplings = vector_couplings(real.dims, depth, widths, dropout, condition)
        parts = [scale, Reshape(real.shape, (real.dims,)), *couplings]
    flow = Flow(real, Chain(parts), StandardNormal(Real((real.dims,)), context))
    return Dequantized(space, flow) if isinstance(space, Integer) else flow
