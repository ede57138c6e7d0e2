"""A causal transformer over the values of an event in their order, with keys and values kept while sampling.

Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin 2017, Attention Is All You Need, arXiv:1706.03762;
layers are normalised before, not after, each part (Radford et al. 2019, GPT-2).
"""

import torch
from torch import Tensor, nn

from loglik.models.autoregressive.transformer.block import Block
from loglik.models.autoregressive.transformer.steps import CachedSteps, Parts
from loglik.nets.causal import CausalNet, Steps


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
        *,
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
        always = self.first.new_zeros(n, len(self.first))
        if self.context is not None and context is not None:
            always = self.context(context)
        blocks = [block for block in self.blocks if isinstance(block, Block)]
        parts = Parts(blocks, self.heads, self.first, self.place, self.read, self.norm, self.last)
        return CachedSteps(parts, always)

    order: Tensor
    rank: Tensor
