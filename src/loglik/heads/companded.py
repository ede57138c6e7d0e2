"""Mu-law: a softmax over a few hundred codes, fine near silence and coarse at full scale, as a pmf on the PCM levels.

ITU-T G.711, 1972, Pulse code modulation of voice frequencies; van den Oord et al. 2016, WaveNet, arXiv:1609.03499,
section 2.2, which models the codes alone.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.heads.discrete import CategoricalHead
from loglik.heads.head import Head
from loglik.heads.levels import draw_level, sharpened
from loglik.ops import at_least_float32, with_numbers

CODES = 256
MU = 255.0


def compress(v: Tensor) -> Tensor:
    """F(v) = sign(v) ln(1 + mu |v|) / ln(1 + mu), [-1, 1] -> [-1, 1]."""
    return torch.sign(v) * torch.log1p(MU * v.abs()) / math.log1p(MU)


def expand(f: Tensor) -> Tensor:
    """v = sign(f) ((1 + mu)^|f| - 1) / mu, the inverse of `compress`."""
    return torch.sign(f) * torch.expm1(f.abs() * math.log1p(MU)) / MU


def cells(levels: int) -> Tensor:
    """(K + 1,): the first level of each code's cell, then `levels`. Every level lies in one cell, no cell is empty.

    256 cells of equal width 2/256 in F; a cell's edge is the first whole level at or above it. Where levels are so few
    that a cell holds none, as near silence with 8 bits, there is no such code: K is then below 256.
    """
    edges = expand(torch.arange(CODES + 1, dtype=torch.float64, device=with_numbers()) * (2.0 / CODES) - 1.0)
    inner = torch.ceil(edges[1:-1] * (levels / 2) + levels // 2).long()
    return torch.tensor(sorted({0, *inner.clamp(0, levels).tolist(), levels}))


class MuLawHead(Head):
    """p(x) = p(code(x)) / |cell(code(x))|: a softmax over codes times a uniform choice within the code's cell.

    The levels are signed samples with an offset, sample = x - levels // 2, as 16-bit PCM has them with 65536 levels. It
    is an exact pmf on all levels, so its bits compare with those of any other head on the same sound:

        bits of a 16-bit sample = bits of its code + E log2 |cell|

    Nets read the code, one-hot as in the paper, and the companded value F of the level itself, which is finer.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        edges = cells(levels)
        self.register_buffer("edges", edges, persistent=False)  # follows from `levels`
        self.codes = CategoricalHead(len(edges) - 1, ordered=True)
        self.params = self.codes.params
        self.inputs = 1 + self.codes.levels

    def code(self, x: Tensor) -> Tensor:
        """Levels -> codes 0..K-1."""
        return torch.bucketize(x.contiguous(), self.edges, right=True) - 1

    def decode(self, code: Tensor) -> Tensor:
        """Codes -> the levels in the middle of their cells, as the ear has it: in F."""
        first, last = self.compressed(self.edges[code]), self.compressed(self.edges[code + 1] - 1)
        place = torch.round(expand((first + last) / 2) * (self.levels / 2)).long() + self.levels // 2
        return torch.minimum(torch.maximum(place, self.edges[code]), self.edges[code + 1] - 1)

    def compressed(self, x: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """F of levels, in [-1, 1]."""
        return compress((x - self.levels // 2).to(dtype) / (self.levels / 2))

    def log_size(self, x: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """log |cell| of each level's cell, nats: what log p of the code has more than log p of the level."""
        return self.edges.diff()[self.code(x)].to(dtype).log()

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        one_hot = F.one_hot(self.code(x), self.codes.levels).to(dtype)
        return torch.cat([self.compressed(x, dtype).unsqueeze(-1), one_hot], dim=-1)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        log_p = self.codes.log_prob(params, self.code(x))
        return log_p - self.log_size(x, log_p.dtype)

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Uniform numbers, one for the code and one for the place in its cell."""
        return torch.rand(*shape, 2, dtype=at_least_float32(like).dtype, device=like.device)

    def draw(self, params: Tensor, noise: Tensor) -> Tensor:
        code = self.codes.draw(params, noise[..., :1])
        return self._place(code, self.edges[code + 1] - self.edges[code], noise)

    def draw_sharpened(self, params: Tensor, noise: Tensor, temperature: float, top_k: int | None) -> Tensor:
        """Of levels, not of codes: a cell of n levels has n (p(code) / |cell|)^(1/T).

        n is |cell|, or with `top_k` what is left of k when the cells of likelier levels are counted: 0 for most cells,
        and for one its first levels alone.
        """
        size = self.edges.diff()
        log_p = torch.log_softmax(params.double(), -1) - size.double().log()
        taken = size.expand(log_p.shape)
        if top_k is not None:
            order = log_p.sort(dim=-1, descending=True, stable=True).indices
            ordered = taken.gather(-1, order)
            left = (top_k - (ordered.cumsum(-1) - ordered)).clamp(min=0)
            taken = torch.empty_like(ordered).scatter(-1, order, torch.minimum(ordered, left))
        code = draw_level(sharpened(log_p, temperature, None) + taken.double().log(), noise[..., :1])
        return self._place(code, taken.gather(-1, code.unsqueeze(-1)).squeeze(-1), noise)

    def _place(self, code: Tensor, size: Tensor, noise: Tensor) -> Tensor:
        """One of the first `size` levels of a code's cell."""
        # A product with a number below 1 may still be rounded up to the size itself.
        return self.edges[code] + torch.minimum((noise[..., 1] * size).long(), size - 1)

    def marginal(self, x: Tensor) -> Tensor:
        return self.codes.marginal(self.code(x))

    edges: Tensor
