"""A masked autoencoder net: outputs for x_i see only values earlier in the order.

Germain, Gregor, Murray, Larochelle 2015, MADE: Masked Autoencoder for Distribution Estimation, arXiv:1502.03509.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.nets.causal import CausalNet


class MaskedLinear(nn.Linear):
    """A linear layer with the weight W * mask; the mask (out, in) is applied in every forward."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask)
        # Masked weights carry no signal, so the fan-in is what the mask leaves.
        fan_in = mask.sum(1, keepdim=True).clamp(min=1.0)
        with torch.no_grad():
            self.weight.copy_(torch.randn_like(self.weight) / fan_in.sqrt())
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)

    mask: Tensor


class MaskedMLP(CausalNet):
    """(B, D, inputs) -> (B, D, outputs): output i depends on exactly the inputs earlier than i in the order.

    Every hidden unit k has a degree m(k): it may see the first m(k) values of the order. With m0(d) = 1..D the place of
    value d in the order,

        hidden <- hidden    1[m(k) >= m(k')]
        output <- hidden    1[m0(d) > m(k)]
        output <- input     1[m0(d) > m0(d')]      (direct connections)

    Degrees run evenly over 1..D-1, in every layer the same, so none falls below the previous layer's least and no unit
    is dead. A context reaches the first hidden layer and the outputs without a mask.

    Args:
        order: (D,), the places of the order: order[i] is the value generated at step i.
    """

    def __init__(
        self, order: Tensor, inputs: int, hidden: Sequence[int], outputs: int, *, context: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        dims = len(order)
        self.dims, self.outputs = dims, outputs
        degree_of = torch.empty(dims, dtype=torch.long)
        degree_of[order] = torch.arange(1, dims + 1)

        seen = degree_of.repeat_interleave(inputs)
        asked = degree_of.repeat_interleave(outputs)
        below = seen
        hiddens: list[nn.Module] = []
        for size in hidden:
            degrees = hidden_degrees(size, dims)
            hiddens.append(MaskedLinear((degrees[:, None] >= below[None, :]).float()))
            below = degrees
        self.hidden = nn.ModuleList(hiddens)
        self.dropout = nn.Dropout(dropout)
        self.direct = MaskedLinear((asked[:, None] > seen[None, :]).float())
        self.last = MaskedLinear((asked[:, None] > below[None, :]).float()) if hiddens else None
        for layer in (self.direct, self.last):
            if layer is not None:
                nn.init.zeros_(layer.weight)
        self.context_in = nn.Linear(context, hidden[0], bias=False) if context and hidden else None
        self.context_out = nn.Linear(context, dims * outputs, bias=False) if context else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = flat = x.flatten(1)
        for i, layer in enumerate(self.hidden):
            h = layer(h)
            if i == 0 and self.context_in is not None and context is not None:
                h = h + self.context_in(context)
            h = self.dropout(F.silu(h))
        out = self.direct(flat)
        if self.last is not None:
            out = out + self.last(h)
        if self.context_out is not None and context is not None:
            out = out + self.context_out(context)
        return out.to(x.dtype).reshape(len(x), self.dims, self.outputs)  # type: ignore[no-any-return]

    def start(self, outputs: Tensor) -> None:
        with torch.no_grad():
            self.direct.bias.copy_(outputs.flatten())


def hidden_degrees(size: int, dims: int) -> Tensor:
    """(size,): degrees 1..D-1, spread evenly; with one value there is nothing to see, and every degree is 1."""
    return torch.arange(size) * max(1, dims - 1) // size + 1
