"""A causal transformer over the values of an event in their order, with keys and values kept while sampling.

Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin 2017, Attention Is All You Need, arXiv:1706.03762;
layers are normalised before, not after, each part (Radford et al. 2019, GPT-2).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.nets.causal import CausalNet, Steps
from loglik.nets.causal_attention import causal_attention


class Block(nn.Module):
    """h <- h + Attention(LN(h));  h <- h + MLP(LN(h)).  (B, T, width) -> the same; position t sees t and earlier."""

    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():  # what is added to the stream starts small, so that its scale does not grow with depth
            for last in (self.mix, self.down):
                last.weight.mul_((2 * layers) ** -0.5)

    def forward(self, h: Tensor) -> Tensor:
        query, key, value = self.split(h).permute(2, 0, 3, 1, 4)
        attended = causal_attention(query, key, value)
        return self.join(h, attended.transpose(1, 2).flatten(2))

    def split(self, h: Tensor) -> Tensor:
        """(..., width) -> queries, keys and values of all heads, (..., 3, heads, width / heads)."""
        parts: Tensor = self.query_key_value(self.norm_attention(h))
        return parts.view(*h.shape[:-1], 3, self.heads, -1)

    def join(self, h: Tensor, attended: Tensor) -> Tensor:
        """What attention found, and the MLP, added to the stream: all (..., width)."""
        h = h + self.dropout(self.mix(attended))
        up = F.gelu(self.up(self.norm_mlp(h)), approximate="tanh")
        return h + self.dropout(self.down(up))  # type: ignore[no-any-return]


class CausalTransformer(CausalNet):
    """(B, *event, inputs) -> (B, *event, outputs): the values in their order are a sequence.

    Position t reads the value before it, its own place and the context, and attends to all positions up to t.

    Args:
        order: (D,), the places of the order: order[t] is the value generated at step t.
    """

    def __init__(
        self,
        order: Tensor,
        inputs: int,
        width: int,
        layers: int,
        heads: int,
        outputs: int,
        context: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.register_buffer("order", order.clone(), persistent=False)
        self.register_buffer("rank", order.argsort(), persistent=False)
        self.read = nn.Linear(inputs, width, bias=False)
        self.first = nn.Parameter(torch.zeros(width))  # stands for the value before the first
        self.place = nn.Parameter(0.02 * torch.randn(len(order), width))
        self.context = nn.Linear(context, width, bias=False) if context else None
        self.blocks = nn.ModuleList(Block(width, heads, layers, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, outputs)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        values = x.flatten(1, -2)[:, self.order[:-1]]
        before = torch.cat([self.first.expand(len(x), 1, -1), self.read(values)], dim=1)
        h = before + self.place
        if self.context is not None and context is not None:
            h = h + self.context(context)[:, None]
        for block in self.blocks:
            h = block(h)
        outputs = self.last(self.norm(h)).to(x.dtype)
        return outputs[:, self.rank].unflatten(1, x.shape[1:-1])  # type: ignore[no-any-return]

    def start(self, outputs: Tensor) -> None:
        """One bias serves all positions, so they begin at the mean of their outputs."""
        with torch.no_grad():
            self.last.bias.copy_(outputs.flatten(0, -2).mean(0))

    def steps(self, n: int, context: Tensor | None = None) -> Steps:
        from loglik.nets.attention_steps import CachedSteps

        return CachedSteps(self, n, context)

    order: Tensor
    rank: Tensor
