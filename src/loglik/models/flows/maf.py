"""Masked autoregressive flows, and inverse ones.

Papamakarios, Pavlakou, Murray 2017, Masked Autoregressive Flow for Density Estimation, arXiv:1705.07057; Kingma,
Salimans, Jozefowicz, Chen, Sutskever, Welling 2016, Improving Variational Inference with Inverse Autoregressive Flow,
arXiv:1606.04934.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from loglik.arguments.ranges import Count, Layers, Share
from loglik.bijections.affine import Affine
from loglik.bijections.autoregressive import MaskedAutoregressive
from loglik.bijections.choose import normalization_for
from loglik.bijections.compose import Chain, Inverse, Reshape
from loglik.contract import Bijection, Model
from loglik.errors import UsageError
from loglik.models.dequantized import density_space
from loglik.models.flows.bases import base_for
from loglik.models.flows.rescaling import rescaled
from loglik.models.flows.variational import dequantized, vector_noise
from loglik.nets.masked.degrees import spread
from loglik.nets.masked.net import masked_net
from loglik.spaces import Space


def maf(
    space: Space,
    *,
    layers: Layers = 5,
    hidden: Sequence[Count] = (128, 128),
    order: str = "natural",
    base: str = "normal",
    components: Count = 10,
    norm: str = "act",
    dropout: Share = 0.0,
    rescale: str = "marginals",
    dequantization: str = "uniform",
    context: Space | None = None,
) -> Model:
    """z_i = (x_i - shift(x_<i)) exp(-log_scale(x_<i)) in each of `layers`, by masked nets of `hidden` widths.

    One pass scores; sampling takes values one after the other. With `order` "natural" every second layer goes from the
    last value to the first, with "random" each has an order of its own. Between layers `norm` is "act" (ActNorm),
    "batch" (running batch normalisation, the paper's) or "none".

    `base` is "normal"; "mixture", of `components` normals; or "autoregressive", a MADE whose conditionals are mixtures
    of `components` normals, the paper's MAF MoG. Reals are standardised. Integers are dequantised, with "uniform" or
    "variational" noise, and rescaled: "marginals" makes every marginal a standard normal; "logit" is the paper's;
    "linear" standardises. The paper has 5 or 10 layers, hidden=(512, 512) and norm="batch" for tables.

    Raises:
        UsageError: no layer, an unknown order, base, norm, rescale or dequantization.

    >>> import torch, loglik
    >>> label = torch.arange(100)[:, None] % 2
    >>> x = torch.randn(100, 2, generator=torch.Generator().manual_seed(0)) + 5 * label
    >>> model = loglik.build("maf", loglik.Real((2,)), hidden=(8,), context=loglik.Category((1,), levels=2), seed=0)
    >>> history = loglik.fit(model, x, context=label, steps=20)
    >>> loglik.sample(model, 4, context=[[1]]).shape
    torch.Size([4, 2])
    """
    dims = density_space(space, "maf").dims
    orders = _orders(dims, layers, order)
    condition = context.width if context else 0
    steps = [_layer(own, hidden, dropout=dropout, context=condition) for own in orders[:-1]]
    density = base_for(base, dims, order=orders[-1], hidden=hidden, components=components, context=context)
    flow = rescaled(space, rescale, _chain(space, steps, norm), density)
    return dequantized(space, flow, dequantization, partial(vector_noise, hidden=hidden, context=condition))


def iaf(
    space: Space,
    *,
    layers: Layers = 5,
    hidden: Sequence[Count] = (128, 128),
    order: str = "natural",
    base: str = "normal",
    components: Count = 10,
    norm: str = "act",
    rescale: str = "marginals",
    dequantization: str = "uniform",
    context: Space | None = None,
) -> Model:
    """x_i = (z_i - shift(z_<i)) exp(-log_scale(z_<i)) in each of `layers`: as `maf`, the other way round.

    One pass samples; scoring finds the noise value by value, and so do gradients, exactly. It is for samples in great
    number; as a density `maf` learns faster. What can be chosen is as in `maf`.

    Raises:
        UsageError: no layer, an unknown order, base, norm, rescale or dequantization.

    >>> import torch, loglik
    >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)).cumsum(1)
    >>> model = loglik.build("iaf", loglik.Real((3,)), hidden=(8,), layers=2, seed=0)
    >>> history = loglik.fit(model, x, steps=5)
    >>> loglik.sample(model, 1000).shape  # one pass
    torch.Size([1000, 3])
    """
    dims = density_space(space, "iaf").dims
    orders = _orders(dims, layers, order)
    condition = context.width if context else 0
    steps = [Inverse(_layer(own, hidden, dropout=0.0, context=condition)) for own in orders[:-1]]
    density = base_for(base, dims, order=orders[-1], hidden=hidden, components=components, context=context)
    flow = rescaled(space, rescale, _chain(space, steps, norm), density)
    return dequantized(space, flow, dequantization, partial(vector_noise, hidden=hidden, context=condition))


def _orders(dims: int, layers: int, order: str) -> list[Tensor]:
    """Of the layers, and of the base."""
    if layers < 1:
        raise UsageError(f"Expected layers >= 1; got {layers}.")
    if order == "random":
        return [torch.randperm(dims) for _ in range(layers + 1)]
    if order == "natural":
        return [torch.arange(dims) if layer % 2 == 0 else torch.arange(dims).flip(0) for layer in range(layers + 1)]
    raise UsageError(f"Expected order 'natural' or 'random'; got {order!r}.")


def _layer(order: Tensor, hidden: Sequence[int], *, dropout: float, context: int) -> MaskedAutoregressive:
    transform = Affine()
    net = masked_net(spread(order, hidden), transform.params, context=context, dropout=dropout)
    return MaskedAutoregressive(net, transform)


def _chain(space: Space, steps: Sequence[Bijection], norm: str) -> Chain:
    """Steps with a normalisation between each two."""
    parts: list[Bijection] = [Reshape(space.shape, (space.dims,))]
    for place, step in enumerate(steps):
        parts += [step] if place == 0 else [normalization_for(norm, (space.dims,)), step]
    return Chain(parts)
