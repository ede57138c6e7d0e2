"""The autoregressive model: a causal net whose outputs a head reads as conditional distributions."""

import torch
from torch import Tensor

from loglik.contract import ExactModel
from loglik.heads import Head
from loglik.nets.causal import CausalNet
from loglik.ops import sum_event
from loglik.spaces import Space


class Autoregressive(ExactModel):
    """log p(x) = sum_i log p(x_o(i) | x_o(<i)),  o the order in which values are generated.

    One pass of the net gives all conditionals of a given x; a sample takes D passes, one for each value.

    It starts from the marginals of the data, so what training gains is dependence.

    Args:
        net: (B, *event, head.inputs), context (B, C) or None -> (B, *event, head.params), where the outputs at value
            o(i) depend on the inputs at values o(<i) only.
        order: (D,), indices into the flattened event.
    """

    def __init__(self, space: Space, net: CausalNet, head: Head, order: Tensor, context: Space | None = None) -> None:
        super().__init__(space, context)
        self.net = net
        self.head = head
        self.register_buffer("order", order)

    def conditionals(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event) -> (B, *event, params): what the head is told about each value, given those before it."""
        outputs: Tensor = self.net(self.head.encode(x, self.dtype), self.condition(context))
        return outputs

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        return sum_event(self.head.log_prob(self.conditionals(x, context), x))

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.net.start(self.head.marginal(self.events(x, context)))

    @torch.no_grad()
    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        context = self.contexts(n, context)
        x = self.space.events(torch.zeros(n, *self.space.shape, device=self.device), self.dtype)
        flat = x.flatten(1)
        for place in self.order.tolist():
            params = self.conditionals(x, context).flatten(1, -2)
            flat[:, place] = self.head.sample(params[:, place]).to(x.dtype)
        return x

    order: Tensor
