"""One block of a transformer: attention and an MLP, each normalised before (Radford et al. 2019, GPT-2).

Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin 2017, Attention Is All You Need, arXiv:1706.03762.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.models.autoregressive.transformer.attention import causal_attention


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
