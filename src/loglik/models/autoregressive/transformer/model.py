"""A causal transformer over pixels, characters or samples: the modern yardstick of the older nets.

Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762; on pixels, Chen, Radford, Child, Wu, Jun, Luan,
Sutskever 2020, Generative Pretraining from Pixels (Image GPT).
"""

import torch

from loglik.arguments.ranges import Count, Few, Layers, Share
from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.heads import head_for
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.raster import raster_order
from loglik.models.autoregressive.transformer.net import CausalTransformer
from loglik.models.standardized import standardized
from loglik.spaces import Space

COLOUR_IMAGE = 3  # axes of a colour image


def transformer(
    space: Space,
    *,
    layers: Layers = 4,
    width: Count = 64,
    heads: Few = 4,
    dropout: Share = 0.0,
    head: str | None = None,
    components: Count = 10,
    context: Space | None = None,
) -> ExactModel:
    """`layers` blocks of `width` features and `heads` heads, which must divide the width.

    Values come in their order, those of colour images (C, H, W) pixel by pixel with the colours innermost; attention
    costs the square of their number. Reals are standardised inside the model.

    >>> import loglik
    >>> model = loglik.build("transformer", loglik.Category((5,), levels=3), width=8, heads=2, layers=1, seed=0)
    >>> loglik.sample(model, 2, given=[[2, 1]])[:, :2].tolist()
    [[2, 1], [2, 1]]
    """
    if width % heads:
        raise UsageError(f"Expected heads that divide the width; got {heads} heads and width {width}.")
    distribution = head_for(space, head, components)
    order = raster_order(space.shape) if len(space.shape) == COLOUR_IMAGE else torch.arange(space.dims)
    net = CausalTransformer(
        order, distribution.inputs, width=width, layers=layers, heads=heads, outputs=distribution.params,
        context=context.width if context else 0, dropout=dropout,
    )  # fmt: skip
    return standardized(Autoregressive(space, net, distribution, order, context))
