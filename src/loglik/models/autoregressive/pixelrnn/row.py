"""The Row LSTM: rows from top to bottom, each pixel reading the three states above it.

van den Oord, Kalchbrenner, Kavukcuoglu 2016, Pixel Recurrent Neural Networks, arXiv:1601.06759, section 3.1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.models.autoregressive.pixelrnn.net import ImageLayer, LayerState
from loglik.models.autoregressive.pixelrnn.sweep import Fronts, gates, sweep


class RowLSTM(ImageLayer):
    """With h_r the states of row r, the input-to-state K^is 1 x 3 with mask B, the state-to-state K^ss 1 x 3 without,

        [o, f, i, g] = act(K^is * x_r + K^ss * h_{r-1}),   c_r = f . c_{r-1} + i . g,   h_r = o . tanh(c_r).

    The row above is past as a whole, so K^ss needs no mask and may mix the colours. A layer sees a triangle above the
    pixel, one column wider on each side with every row, and two pixels of its own row.
    """

    def __init__(self, height: int, columns: int, width: int, groups: int) -> None:
        super().__init__(width, directions=1, taps=3, kernel=3, groups=groups)
        self.fronts = Fronts.rows(height, columns)

    def forward(self, x: Tensor) -> Tensor:
        left = F.pad(x, (0, 0, 1, 0))[:, :, :-1]
        both = torch.cat([left, x]).flatten(1, 2)  # (4h, H W, B)
        kernel = self.kernel().movedim(3, 2).flatten(2)
        h = sweep(both[None], kernel, self.bias(), self.state, self.fronts)
        return h[0].view(-1, *x.shape[1:])

    @staticmethod
    def memory(layers: Sequence[ImageLayer], n: int, columns: int) -> LayerState:
        return RowState(layers, n, columns)


class RowState(LayerState):
    """The last row of each layer. What a row reads of the one above is computed for all of it when it begins."""

    def __init__(self, layers: Sequence[ImageLayer], n: int, columns: int) -> None:
        # (L, 4h, 4h) over features to the left and at the pixel; (L, 3h, 4h) over states above.
        self.kernel = torch.stack([layer.kernel()[0].movedim(2, 1).flatten(1).T for layer in layers])
        self.bias = torch.stack([layer.bias()[0].T for layer in layers])  # (L, 1, 4h)
        self.state = torch.stack([layer.state[0].transpose(1, 2).flatten(0, 1) for layer in layers])
        width = layers[0].width
        self.h = self.kernel.new_zeros(len(layers), n, columns, width)
        self.c = torch.zeros_like(self.h)
        self.x = self.kernel.new_zeros(len(layers), n, columns + 1, 2 * width)  # after a column of zeros

    def begin_row(self) -> None:
        margin = F.pad(self.h, (0, 0, 1, 1))
        taps = torch.cat([margin[:, :, :-2], margin[:, :, 1:-1], margin[:, :, 2:]], dim=-1)
        above = taps.flatten(1, 2) @ self.state + self.bias
        self.above = above.view(*self.h.shape[:3], -1)
        self.c_above = self.c.clone()

    def pixel(self, layer: int, column: int, x: Tensor) -> Tensor:
        self.x[layer, :, column + 1] = x
        both = self.x[layer, :, column : column + 2].flatten(1)
        read = torch.addmm(self.above[layer, :, column], both, self.kernel[layer])
        h, c = gates(read, self.c_above[layer, :, column])
        self.h[layer, :, column], self.c[layer, :, column] = h, c
        return h

    def end_row(self) -> None:
        pass
