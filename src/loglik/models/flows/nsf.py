"""Neural spline flows: rational-quadratic splines, steered by masked nets or in couplings, with linear layers between.

Durkan, Bekasov, Murray, Papamakarios 2019, Neural Spline Flows, arXiv:1906.04032.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from loglik.arguments.ranges import Count, Few, Layers, Positive, Share
from loglik.bijections.autoregressive import MaskedAutoregressive
from loglik.bijections.compose import Chain, Reshape
from loglik.bijections.linear import Linear
from loglik.bijections.lu import LU
from loglik.bijections.masks import random_half
from loglik.bijections.spline.transform import Spline
from loglik.contract import Bijection, Model
from loglik.densities import StandardNormal
from loglik.models.dequantized import density_space
from loglik.models.flows.couplings import vector_coupling
from loglik.models.flows.rescaling import rescaled
from loglik.models.flows.variational import dequantized, vector_noise
from loglik.nets.masked.degrees import spread
from loglik.nets.masked.net import masked_net
from loglik.spaces import Real, Space

rectified = partial(nn.ReLU, inplace=True)  # what is below it in a net has no other use


def nsf(
    space: Space,
    *,
    layers: Layers = 5,
    hidden: Sequence[Count] = (128, 128),
    bins: Few = 8,
    bound: Positive = 3.0,
    dropout: Share = 0.0,
    rescale: str = "marginals",
    dequantization: str = "uniform",
    context: Space | None = None,
) -> Model:
    """log p(x) = log N(z; 0, 1) + log|det dz/dx|,  z_d = f(y_d; h_d(y_<d)) in each of `layers`,  y = W x + b.

    f is a spline of `bins` bins on [-bound, bound], h a masked net of `hidden` widths; every second one goes from the
    last value to the first. W, in LU form, begins as a diagonal that sets each value's scale. One pass scores; sampling
    takes values one after the other.

    Reals are standardised. Integers are dequantised, with "uniform" or "variational" noise, and rescaled: "marginals"
    makes every marginal a standard normal; "logit"; "linear" standardises. The paper's models of tables have
    10 layers, residual nets of 2 x 256 and a dropout of 0.1 to 0.25.

    Raises:
        UsageError: bins or a bound that cannot be, an unknown rescale or dequantization.

    >>> import torch, loglik
    >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)).cumsum(1)
    >>> model = loglik.build("nsf", loglik.Real((3,)), hidden=(8,), layers=2, bins=4, seed=0)
    >>> history = loglik.fit(model, x, steps=5)
    >>> score = loglik.evaluate(model, x)
    >>> str(score.claim), score.events
    ('exact', 200)
    """
    dims = density_space(space, "nsf").dims
    condition = context.width if context else 0
    steps: list[Bijection] = []
    for layer in range(layers):
        order = torch.arange(dims) if layer % 2 == 0 else torch.arange(dims).flip(0)
        spline = Spline(bins, bound)
        net = masked_net(spread(order, hidden), spline.params, context=condition, dropout=dropout)
        steps.append(MaskedAutoregressive(net, spline))
    return _flow(space, steps, hidden=hidden, rescale=rescale, dequantization=dequantization, context=context)


def nsf_coupling(
    space: Space,
    *,
    layers: Layers = 8,
    hidden: Sequence[Count] = (128, 128),
    bins: Few = 8,
    bound: Positive = 3.0,
    dropout: Share = 0.0,
    rescale: str = "marginals",
    dequantization: str = "uniform",
    context: Space | None = None,
) -> Model:
    """log p(x) = log N(z; 0, 1) + log|det dz/dx|,  z_a = y_a,  z_b = f(y_b; h(y_a)) in each of `layers`,  y = W x + b.

    As `nsf`, with couplings in place of the autoregressive steps: half of the values pass and steer the others through
    an MLP of `hidden` widths, then the other half does. Both directions take one pass.

    Raises:
        UsageError: bins or a bound that cannot be, an unknown rescale or dequantization.

    >>> import torch, loglik
    >>> x = torch.randint(17, (100, 4), generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("nsf-coupling", loglik.Integer((4,), levels=17), hidden=(8,), layers=2, bins=4, seed=0)
    >>> history = loglik.fit(model, x, steps=5)
    >>> str(loglik.evaluate(model, x).claim)
    'lower bound'
    """
    dims = density_space(space, "nsf-coupling").dims
    condition = context.width if context else 0
    steps: list[Bijection] = []
    passed = torch.empty(0, dtype=torch.bool)
    for layer in range(layers):
        half = random_half(dims)
        passed = half if layer % 2 == 0 else ~passed
        spline = Spline(bins, bound)
        steps.append(vector_coupling(passed, spline, hidden, context=condition, dropout=dropout, activation=nn.ReLU))
    return _flow(space, steps, hidden=hidden, rescale=rescale, dequantization=dequantization, context=context)


def _flow(
    space: Space,
    steps: Sequence[Bijection],
    *,
    hidden: Sequence[int],
    rescale: str,
    dequantization: str,
    context: Space | None,
) -> Model:
    """A linear layer before each step."""
    dims = space.dims
    parts: list[Bijection] = [Reshape(space.shape, (dims,))]
    for step in steps:
        parts += [Linear(LU(torch.eye(dims))), step]
    flow = rescaled(space, rescale, Chain(parts), StandardNormal(Real((dims,)), context))
    condition = context.width if context else 0
    return dequantized(space, flow, dequantization, partial(vector_noise, hidden=hidden, context=condition))
