"""MADE: one masked net gives all conditionals of a vector in one pass.

Germain, Gregor, Murray, Larochelle 2015, MADE: Masked Autoencoder for Distribution Estimation, arXiv:1502.03509.
"""

from collections.abc import Sequence

import torch

from loglik.arguments.ranges import Count, Few, Share
from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.heads import head_for
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.made.ensemble import MaskEnsemble
from loglik.models.standardized import standardized
from loglik.nets.masked.degrees import sampled, spread
from loglik.nets.masked.net import MaskedMLP, MaskedWeights
from loglik.spaces import Space

ORDERS = ("natural", "random", "agnostic")


def made(
    space: Space,
    *,
    hidden: Sequence[Count] = (512, 512),
    dropout: Share = 0.0,
    input_dropout: Share = 0.0,
    order: str = "natural",
    masks: Few = 1,
    conditioning: bool = False,
    head: str | None = None,
    components: Count = 10,
    context: Space | None = None,
) -> ExactModel:
    """A masked net with `hidden` layers; a head for binary, categorical, ordered or real values follows from the space.

    One mask spreads its connections evenly. More `masks` are an ensemble over shared weights, each with connections of
    its own drawn at random; probabilities are averaged over them. `conditioning` tells units which inputs they may see.

    `order` is "natural" (first to last), "random" (one fixed permutation) or "agnostic": each of the `masks` has an
    order of its own, and p(x_unseen | x_seen) can be asked for any part of the values.

    Dropout acts on hidden units, input dropout on the values that the net reads. Reals are standardised inside the
    model; their conditionals are normal, or with head="mixture" mixtures of `components` normals.

    Raises:
        UsageError: an unknown order, fewer than one mask, any order with one mask, a head that is not for this space.

    >>> import itertools, torch, loglik
    >>> model = loglik.build("made", loglik.Integer((3,), levels=2), hidden=(8,), masks=2, order="agnostic", seed=0)
    >>> every = torch.tensor(list(itertools.product(range(2), repeat=3)))
    >>> round(model.log_prob(every).exp().sum().item(), 4)
    1.0
    """
    if order not in ORDERS:
        raise UsageError(f"Expected order 'natural', 'random' or 'agnostic'; got {order!r}.")
    if masks < 1 or (order == "agnostic" and masks < 2):
        raise UsageError(f"Expected masks >= 1, and >= 2 with order='agnostic'; got {masks}. Set masks=16, say.")
    if any(size < 1 for size in hidden):
        raise UsageError(f"Expected hidden widths >= 1; got {tuple(hidden)}.")
    distribution = head_for(space, head, components)
    first = torch.arange(space.dims) if order == "natural" else torch.randperm(space.dims)
    orders = [first] + [torch.randperm(space.dims) if order == "agnostic" else first for _ in range(masks - 1)]
    degrees = [spread(first, hidden)] if masks == 1 else [sampled(places, hidden) for places in orders]
    weights = MaskedWeights(
        degrees,
        distribution.inputs,
        distribution.params,
        context=context.width if context else 0,
        dropout=dropout,
        input_dropout=input_dropout,
        conditioning=conditioning,
        apart=distribution.apart,
    )
    model: ExactModel
    if masks == 1:
        model = Autoregressive(space, MaskedMLP(weights, degrees[0]), distribution, first, context)
    else:
        model = MaskEnsemble(space, weights, degrees, distribution, context, agnostic=order == "agnostic")
    return standardized(model)
