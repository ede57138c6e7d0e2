"""The Diagonal BiLSTM: from both upper corners, diagonal by diagonal, so that all of the past is seen in every layer.

van den Oord, Kalchbrenner, Kavukcuoglu 2016, Pixel Recurrent Neural Networks, arXiv:1601.06759, section 3.2.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.models.autoregressive.pixelrnn.net import ImageLayer, LayerState
from loglik.models.autoregressive.pixelrnn.sweep import Fronts, gates, skewed, sweep


class DiagonalBiLSTM(ImageLayer):
    """From the left, with K^is 1 x 1 with mask B,

        [o, f, i, g] = act(K^is x_{r,c} + K^ss_1 h_{r,c-1} + K^ss_2 h_{r-1,c}),
        c_{r,c} = f . c_{r,c-1} + i . g,   h_{r,c} = o . tanh(c_{r,c});

    from the right the same on the mirrored image, with weights of its own. The states from the right have seen the rest
    of their row, so they move down by one row before they are added: states_{r,c} = left_{r,c} + right_{r-1,c}.

    The states before are past as a whole, so K^ss may mix the colours.

    A layer sees all of the past, with the exception of one pixel, which the paper does not mention: the last of the row
    above. The first convolution shows it only to its own row's right end, and to the pixels below within its reach.
    """

    def __init__(self, height: int, columns: int, width: int, groups: int) -> None:
        super().__init__(width, directions=2, taps=2, kernel=1, groups=groups)
        self.fronts = Fronts.diagonals(height, columns)
        order = skewed(height, columns)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("place", order.argsort(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(1, 2)
        both = Skew.apply(pixels, self.order, self.place)
        states = sweep(both, self.kernel().squeeze(3), self.bias(), self.state, self.fronts)
        left, right = Unskew.apply(states, self.order, self.place).view(2, -1, *x.shape[1:])
        return self.joined(left, right)

    def joined(self, left: Tensor, right: Tensor) -> Tensor:
        """States (h, H, W, B) from either side; those from the right one row down, zeros in the first row."""
        return left + F.pad(right, (0, 0, 0, 0, 1, 0))[:, :-1]

    @staticmethod
    def memory(layers: Sequence[ImageLayer], n: int, columns: int) -> LayerState:
        return DiagonalState(layers, n, columns)

    order: Tensor
    place: Tensor


def skew(x: Tensor, order: Tensor) -> Tensor:
    """Pixels (channels, S, B) -> (2, channels, S, B): in the order of the diagonals, from the left and the right."""
    return x.index_select(1, order.flatten()).view(len(x), 2, -1, x.shape[2]).transpose(0, 1)


def unskew(states: Tensor, place: Tensor) -> Tensor:
    """(2, channels, S, B) in the order of the diagonals -> in the order of the pixels."""
    pixels = torch.empty_like(states, memory_format=torch.contiguous_format)
    for d in range(2):
        torch.index_select(states[d], 1, place[d], out=pixels[d])
    return pixels


class Skew(torch.autograd.Function):
    """`skew`; `place` is the inverse of `order`, so the way back is a reading too, and no scattered sum."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, place: Tensor) -> Tensor:
        ctx.save_for_backward(order, place)
        return skew(x, order)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        _, place = ctx.saved_tensors
        left, right = (grad[d].index_select(1, place[d]) for d in (0, 1))
        return left + right, None, None


class Unskew(torch.autograd.Function):
    """`unskew`, with the same way back."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, order: Tensor, place: Tensor) -> Tensor:
        ctx.save_for_backward(order, place)
        return unskew(states, place)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        order, place = ctx.saved_tensors
        # Reading by the inverse of a permutation undoes it.
        return Unskew.apply(grad, place, order), None, None


class DiagonalState(LayerState):
    """The last row of each layer and direction.

    From the left a state is computed with its pixel; from the right a finished row at once, for all layers together,
    since what they read of it is known by then.
    """

    def __init__(self, layers: Sequence[ImageLayer], n: int, columns: int) -> None:
        kernel = torch.stack([layer.kernel().squeeze(3) for layer in layers], dim=1)  # (D, L, 4h, 2h)
        bias = torch.stack([layer.bias() for layer in layers], dim=1)  # (D, L, 4h, 1)
        state = torch.stack([layer.state for layer in layers], dim=1)  # (D, L, taps, 4h, h)
        self.kernel, self.bias = kernel[0].transpose(1, 2), bias[0].transpose(1, 2)
        self.beside, self.above = state[0].transpose(2, 3).unbind(1)  # (L, h, 4h)
        # From the right, the states above are read like features: both are known for the whole row.
        self.kernel_right, self.bias_right = torch.cat([kernel[1], state[1, :, 1]], dim=-1), bias[1]
        self.beside_right = state[1, :, :1]
        width = layers[0].width
        self.row = Fronts.line(columns)
        self.h = kernel.new_zeros(len(layers), n, columns, width)
        self.right = torch.zeros_like(self.h)
        self.x = kernel.new_zeros(len(layers), n, columns, 2 * width)
        self.c = torch.zeros_like(self.h)
        self.nothing = kernel.new_zeros(n, width)

    def begin_row(self) -> None:
        self.read_above = (self.h.flatten(1, 2) @ self.above + self.bias).view(*self.h.shape[:3], -1)

    def pixel(self, layer: int, column: int, x: Tensor) -> Tensor:
        self.x[layer, :, column] = x
        read = torch.addmm(self.read_above[layer, :, column], x, self.kernel[layer])
        before = self.nothing
        if column:
            before = self.c[layer, :, column - 1]
            read.addmm_(self.h[layer, :, column - 1], self.beside[layer])
        h, c = gates(read, before)
        self.h[layer, :, column], self.c[layer, :, column] = h, c
        return h + self.right[layer, :, column]

    def end_row(self) -> None:
        both = torch.cat([self.x, self.right], dim=-1).permute(0, 3, 2, 1).flip(2)  # (L, 3h, columns, n)
        states = sweep(both, self.kernel_right, self.bias_right, self.beside_right, self.row)
        self.right = states.flip(2).permute(0, 3, 2, 1)
