"""MADE: one masked net gives all conditionals of a vector in one pass.

Germain, Gregor, Murray, Larochelle 2015, MADE: Masked Autoencoder for Distribution Estimation, arXiv:1502.03509.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from loglik.bijections.elementwise import Standardize
from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.heads import head_for
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.flows.flow import Flow
from loglik.nets.causal import CausalNet
from loglik.nets.masked import MaskedMLP
from loglik.spaces import Real, Space


class Flattened(CausalNet):
    """Lets a net of vectors read events of any shape: (B, *event, inputs) -> (B, *event, params)."""

    def __init__(self, net: MaskedMLP) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.net(x.flatten(1, -2), context).unflatten(1, x.shape[1:-1])  # type: ignore[no-any-return]

    def start(self, outputs: Tensor) -> None:
        self.net.start(outputs.flatten(0, -2))


def made(
    space: Space,
    *,
    hidden: Sequence[int] = (512, 512),
    dropout: float = 0.0,
    order: str = "natural",
    context: Space | None = None,
) -> ExactModel:
    """A masked net with `hidden` layers; a head for binary, categorical or real values follows from the space.

    `order` is "natural" (first to last) or "random" (one fixed permutation). Reals are standardised inside the model.
    """
    if order not in ("natural", "random"):
        raise UsageError(f"Expected order 'natural' or 'random'; got {order!r}.")
    head = head_for(space)
    places = torch.arange(space.dims) if order == "natural" else torch.randperm(space.dims)
    width = context.width if context else 0
    net = MaskedMLP(places, head.inputs, tuple(hidden), head.params, context=width, dropout=dropout)
    model = Autoregressive(space, Flattened(net), head, places, context)
    return Flow(space, Standardize(space.shape), model) if isinstance(space, Real) else model
