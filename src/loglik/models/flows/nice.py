"""NICE: additive couplings, which keep volumes, and one scale for each value.

Dinh, Krueger, Bengio 2014, NICE: Non-linear Independent Components Estimation, arXiv:1410.8516.
"""

from collections.abc import Sequence
from functools import partial

from torch import nn

from loglik.arguments.ranges import Count, Layers, Share
from loglik.bijections.affine import Additive
from loglik.bijections.compose import Chain, Reshape
from loglik.bijections.linear import ActNorm
from loglik.bijections.masks import alternate
from loglik.contract import Bijection, Model
from loglik.densities import StandardLogistic, StandardNormal
from loglik.errors import UsageError
from loglik.models.dequantized import density_space
from loglik.models.flows.couplings import vector_coupling
from loglik.models.flows.rescaling import rescaled
from loglik.models.flows.variational import dequantized, vector_noise
from loglik.spaces import Real, Space


def additive_couplings(dims: int, layers: int, hidden: Sequence[int], dropout: float, context: int) -> list[Bijection]:
    """z_b = x_b - m(x_a), even and odd places taking turns; m starts as 0. log|det| = 0, whatever the weights."""
    return [
        vector_coupling(
            alternate(dims, layer), Additive(), hidden, context=context, dropout=dropout, activation=nn.ReLU
        )
        for layer in range(layers)
    ]


def nice(
    space: Space,
    *,
    layers: Layers = 4,
    hidden: Sequence[Count] = (256, 256),
    dropout: Share = 0.0,
    prior: str = "logistic",
    rescale: str = "marginals",
    dequantization: str = "uniform",
    context: Space | None = None,
) -> Model:
    """log p(x) = sum_d [log p_H(z_d) + s_d],  z = exp(s) (f(x) - b),  f of `layers` additive couplings.

    Each net is an MLP with ReLU and `hidden` widths; images are flattened. p_H, the `prior`, is "logistic" or
    "gaussian". s and b start from the data; b adds nothing to what the last couplings can shift. Reals are
    standardised. Integers are dequantised, with "uniform" or "variational" noise, and rescaled: "marginals" makes every
    marginal a standard normal, "logit", or "linear", which standardises.

    The paper's models are linear, up to a rescaling that s and the nets' weights make good: for MNIST 4 couplings of
    5 x 1000 and a logistic prior on [0, 1) (1980.50 nats there are 4.36 bits/dim), for CIFAR-10 and SVHN 4 of 4 x 2000
    on [-1, 1) (5371.78 nats, 4.48 bits/dim). They are trained for 1500 epochs by Adam at 1e-3 (beta 0.9 and 0.99,
    epsilon 1e-4). In the authors' code the CIFAR-10 model is another one: 8 couplings of 2400, one to three layers
    deep, and a Gaussian prior.

    Raises:
        UsageError: an unknown prior, rescale or dequantization; fewer than 2 layers.

    >>> import torch, loglik
    >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)).cumsum(1)
    >>> model = loglik.build("nice", loglik.Real((3,)), hidden=(8,), seed=0)
    >>> history = loglik.fit(model, x, steps=5)
    >>> loglik.sample(model, 4).shape, str(loglik.evaluate(model, x).claim)
    (torch.Size([4, 3]), 'exact')
    """
    real = density_space(space, "nice")
    if layers < 2:
        raise UsageError(f"Expected layers >= 2, so that every value is moved; got {layers}.")
    flat = Real((real.dims,))
    if prior not in ("logistic", "gaussian"):
        raise UsageError(f"Expected prior 'logistic' or 'gaussian'; got {prior!r}.")
    base = StandardLogistic(flat, context) if prior == "logistic" else StandardNormal(flat, context)
    condition = context.width if context else 0
    couplings = additive_couplings(real.dims, layers, hidden, dropout, condition)
    reshape = Reshape(real.shape, flat.shape)
    flow = rescaled(space, rescale, Chain([reshape, *couplings, ActNorm(flat.shape)]), base)
    return dequantized(space, flow, dequantization, partial(vector_noise, hidden=hidden, context=condition))
