"""Recurrent cells one value at a time, with their weights packed once: what `nn.LSTM` packs anew in every call.

A step is one product of matrices for each layer, on tensors that are made once; for a single stream of values that is
limited by how fast the weights come out of memory.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from loglik.compiled.array import Array
from loglik.compiled.drawing import NORMAL, Drawing, drawing_of
from loglik.compiled.worth import worth_compiling
from loglik.nets.causal import Draws, Steps

FEW = 4  # streams; with more of them torch's products of matrices read the weights once for all
WORTH_COMPILING = 4_096  # so many steps of streams or more; loading the compiled loop takes as long as some thousand


class CellLayer(ABC):
    """One layer of cells for n streams: the new hidden state (n, H) from what it reads (n, I) and its own last one.

    Args:
        read: (I, G), the input weights of the G gates, transposed.
        recur: (H, G), the recurrent weights.
        bias_in, bias_own: (G,) or (n, G), what is added to the one product and to the other.
    """

    def __init__(self, read: Tensor, recur: Tensor, bias_in: Tensor, bias_own: Tensor, n: int) -> None:
        self.read, self.recur, self.width = read.contiguous(), recur.contiguous(), len(recur)
        self.gates = recur.new_empty(n, recur.shape[1])
        self.bias_in, self.bias_own = bias_in.expand_as(self.gates), bias_own.expand_as(self.gates)
        self.h = recur.new_zeros(n, self.width)

    @abstractmethod
    def __call__(self, x: Tensor | None) -> Tensor:
        """x (n, I), or None for zeros; the returned state is overwritten by the next step."""

    def both(self, x: Tensor | None) -> Tensor:
        """bias + x W_read + h W_recur, (n, G), for cells that add the two products."""
        torch.addmm(self.bias_in, self.h, self.recur, out=self.gates)
        return self.gates if x is None else self.gates.addmm_(x, self.read)


class LSTMLayer(CellLayer):
    """c <- sigmoid(f) c + sigmoid(i) tanh(g),  h = sigmoid(o) tanh(c)."""

    def __init__(self, read: Tensor, recur: Tensor, bias_in: Tensor, bias_own: Tensor, n: int) -> None:
        def sigmoids_first(t: Tensor) -> Tensor:
            i, f, g, o = t.chunk(4, dim=-1)
            return torch.cat([i, f, o, g], dim=-1)

        bias = sigmoids_first(bias_in + bias_own)
        super().__init__(sigmoids_first(read), sigmoids_first(recur), bias, bias, n)
        width = self.width
        self.c, self.tanh_c = torch.zeros_like(self.h), torch.zeros_like(self.h)
        self.sigmoids, self.g = self.gates[:, : 3 * width], self.gates[:, 3 * width :]
        self.i, self.f, self.o = self.sigmoids.chunk(3, dim=1)

    def __call__(self, x: Tensor | None) -> Tensor:
        self.both(x)
        self.sigmoids.sigmoid_()
        self.g.tanh_()
        self.c.mul_(self.f).addcmul_(self.i, self.g)
        torch.tanh(self.c, out=self.tanh_c)
        return torch.mul(self.o, self.tanh_c, out=self.h)


class GRULayer(CellLayer):
    """h <- (1 - u) m + u h,  m = tanh(W_m x + r (U_m h + b)),  r and u = sigmoid(W x + U h)."""

    def __init__(self, read: Tensor, recur: Tensor, bias_in: Tensor, bias_own: Tensor, n: int) -> None:
        super().__init__(read, recur, bias_in, bias_own, n)
        width = self.width
        self.own = torch.empty_like(self.gates)
        self.sigmoids, self.m = self.gates[:, : 2 * width], self.gates[:, 2 * width :]
        self.r, self.u = self.sigmoids.chunk(2, dim=1)
        self.own_sigmoids, self.own_m = self.own[:, : 2 * width], self.own[:, 2 * width :]

    def __call__(self, x: Tensor | None) -> Tensor:
        if x is None:
            self.gates.copy_(self.bias_in)
        else:
            torch.addmm(self.bias_in, x, self.read, out=self.gates)
        torch.addmm(self.bias_own, self.h, self.recur, out=self.own)
        self.sigmoids.add_(self.own_sigmoids).sigmoid_()
        self.m.addcmul_(self.r, self.own_m).tanh_()
        return torch.lerp(self.m, self.h, self.u, out=self.h)


class TanhLayer(CellLayer):
    """h <- tanh(W x + U h + b)."""

    def __init__(self, read: Tensor, recur: Tensor, bias_in: Tensor, bias_own: Tensor, n: int) -> None:
        super().__init__(read, recur, bias_in + bias_own, bias_own, n)

    def __call__(self, x: Tensor | None) -> Tensor:
        return torch.tanh(self.both(x), out=self.h)


# In the order of the compiled loop's constants.
LAYERS: dict[type[nn.RNNBase], type[CellLayer]] = {nn.LSTM: LSTMLayer, nn.GRU: GRULayer, nn.RNN: TanhLayer}


class RecurrentSteps(Steps):
    """The cells and outputs of a `RecurrentNet` for n streams, step by step; a context is folded into the biases."""

    @torch.no_grad()
    def __init__(
        self, cells: nn.RNNBase, embedding: nn.Linear | None, last: nn.Linear, n: int, context: Tensor | None
    ) -> None:
        self.layers: list[CellLayer] = []
        for i in range(cells.num_layers):
            read, recur, bias_in, bias_own = (getattr(cells, f"{part}_l{i}").detach() for part in PARTS)
            if i == 0:
                if context is not None:
                    values = read.shape[1] - context.shape[1]
                    bias_in = bias_in + context @ read[:, values:].T
                    read = read[:, :values]
                if embedding is not None:
                    read = read @ embedding.weight.detach()
            self.layers.append(LAYERS[type(cells)](read.T, recur.T, bias_in, bias_own, n))
        self.weight, self.bias = last.weight.detach().T.contiguous(), last.bias.detach()

    def run(self, draws: Draws, noise: Tensor, given: Tensor) -> Tensor:
        """The whole loop compiled, for few streams on the CPU and heads that say how they draw; else step by step."""
        drawing, (steps, n) = drawing_of(draws), noise.shape[:2]
        if drawing is None or n > FEW or not worth_compiling(self.bias, steps * n, WORTH_COMPILING):
            return super().run(draws, noise, given)
        return self.compiled(drawing, noise, given)

    def compiled(self, drawing: Drawing, noise: Tensor, given: Tensor) -> Tensor:
        """(T, n) values, one stream after the other."""
        from loglik.models.autoregressive.char_rnn.kernel import generate  # numba is slow to load

        def stacked(parts: list[Tensor], *shape: int) -> Array:
            return (torch.stack(parts) if parts else self.bias.new_empty(0, *shape)).contiguous().numpy()

        first, above = self.layers[0], self.layers[1:]
        width, gates = first.recur.shape
        reads = stacked([layer.read for layer in above], width, gates)
        recurs = stacked([layer.recur for layer in self.layers])
        bias_in = stacked([layer.bias_in[0] for layer in above], gates)
        bias_own = stacked([layer.bias_own[0] for layer in self.layers])
        cell = list(LAYERS.values()).index(type(first))
        values = self.bias.new_zeros(noise.shape[1], len(noise))
        values[:, : len(given)] = given.T
        for i, stream in enumerate(values):
            generate(
                stream.numpy(), noise[:, i, 0].to(values.dtype).contiguous().numpy(), len(given), cell,
                first.read.numpy(), reads, recurs, first.bias_in[i].numpy(), bias_in, bias_own,
                self.weight.numpy(), self.bias.numpy(), drawing.kind, drawing.limit,
            )  # fmt: skip
        return values.T if drawing.kind == NORMAL else values.T.long()

    @torch.no_grad()
    def __call__(self, previous: Tensor | None) -> Tensor:
        h = previous
        for layer in self.layers:
            h = layer(h)
        assert h is not None
        return torch.addmm(self.bias, h, self.weight)


PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
