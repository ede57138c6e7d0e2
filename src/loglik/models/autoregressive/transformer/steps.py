"""A transformer one value at a time: the keys and values of the positions before are kept."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.compiled.array import Array
from loglik.compiled.drawing import NORMAL, Drawing, drawing_of
from loglik.compiled.worth import worth_compiling
from loglik.models.autoregressive.transformer.block import Block
from loglik.nets.causal import Draws, Steps

FEW = 8  # streams; more of them at once make products of matrices worth calling a library
WORTH_COMPILING = 512  # values to draw; fewer are drawn before the compiled loop is loaded


class Parts(NamedTuple):
    """A transformer as its steps read it: see `CausalTransformer`."""

    blocks: list[Block]
    heads: int
    first: Tensor
    place: Tensor
    read: nn.Linear
    norm: nn.LayerNorm
    last: nn.Linear


class CachedSteps(Steps):
    """The blocks at one position for n streams; what they keep is (n, 2, heads, T, width / heads) a layer."""

    few = 32

    def __init__(self, net: Parts, always: Tensor) -> None:
        self.net, self.n, self.t = net, len(always), 0
        self.always = always  # (n, width), what the context adds at every position
        self.kept: tuple[Tensor, ...] = ()

    def __call__(self, previous: Tensor | None) -> Tensor:
        net, t = self.net, self.t
        length, width = net.place.shape
        if t == 0:
            shape = (len(self.net.blocks), self.n, 2, net.heads, length, width // net.heads)
            self.kept = net.first.new_empty(shape).unbind(0)
        before = net.first if previous is None else net.read(previous)
        h = self.always + before + net.place[t]
        for block, kept in zip(self.net.blocks, self.kept, strict=True):
            parts = block.split(h)
            kept.select(3, t).copy_(parts[:, 1:])
            keys, values = kept.narrow(3, 0, t + 1).unbind(1)
            attended = F.scaled_dot_product_attention(parts[:, 0].unsqueeze(2), keys, values)
            h = block.join(h, attended.flatten(1))
        self.t += 1
        return net.last(net.norm(h))  # type: ignore[no-any-return]

    def run(self, draws: Draws, noise: Tensor, given: Tensor) -> Tensor:
        """The whole loop compiled, for few streams on the CPU and heads that say how they draw; else step by step."""
        drawing, values = drawing_of(draws), len(noise) * self.n
        if drawing is None or self.n > FEW or not worth_compiling(self.always, values, WORTH_COMPILING):
            return super().run(draws, noise, given)
        return self.compiled(drawing, noise, given)

    @torch.no_grad()
    def compiled(self, drawing: Drawing, noise: Tensor, given: Tensor) -> Tensor:
        """(T, n) values, one stream after the other."""
        from loglik.models.autoregressive.transformer.kernel import generate  # numba is slow to load

        def stacked(parts: list[list[Tensor]]) -> Array:
            return torch.stack([torch.cat([t.flatten() for t in row]) for row in parts]).numpy()

        def matrices(name: str) -> Array:
            return torch.stack([getattr(block, name).weight.T for block in self.net.blocks]).contiguous().numpy()

        net, width = self.net, len(self.net.first)
        norms = stacked([[n.weight, n.bias] for b in self.net.blocks for n in (b.norm_attention, b.norm_mlp)])
        biases = stacked([[getattr(b, name).bias for name in MATRICES] for b in self.net.blocks])
        split, mix, up, down = (matrices(name) for name in MATRICES)
        final = torch.cat([net.norm.weight, net.norm.bias, net.last.bias]).numpy()
        values = self.always.new_zeros(self.n, len(noise))
        values[:, : len(given)] = given.T
        for i, stream in enumerate(values):
            generate(
                stream.numpy(), noise[:, i, 0].to(values.dtype).contiguous().numpy(), len(given), net.heads,
                net.first.numpy(), self.always[i].numpy(), net.place.numpy(), net.read.weight.T.contiguous().numpy(),
                split, mix, up, down, norms.reshape(-1, 4, width), biases,
                net.last.weight.T.contiguous().numpy(), final, net.norm.eps, drawing.kind, drawing.limit,
            )  # fmt: skip
        return values.T if drawing.kind == NORMAL else values.T.long()


MATRICES = ("query_key_value", "mix", "up", "down")
