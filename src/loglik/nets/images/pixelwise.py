"""Masked convolutions evaluated while an image is being generated: each feature once, where it is first known.

Ramachandran et al. 2017, Fast Generation for Convolutional Autoregressive Models, arXiv:1704.06001, keep every layer's
features; here they lie so that what a kernel covers is one stretch of memory, and a layer at a pixel is one product.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.nets.images.convolutional import MaskedConv2d, RowsConv2d


class RasterWalk:
    """Where a raster scan stands that takes all colours of a pixel one after the other."""

    def __init__(self, colours: int, columns: int) -> None:
        self.colours, self.columns = colours, columns
        self.colour = self.column = 0

    def step(self) -> bool:
        """On to the next value; whether it begins a new row."""
        self.colour = (self.colour + 1) % self.colours
        if self.colour == 0:
            self.column = (self.column + 1) % self.columns
        return self.colour == self.column == 0


class PixelwiseConv:
    """A `MaskedConv2d` over n images of `columns` columns, asked for the features of one colour at one pixel.

    Before `at` is called, `slots[column][colour]`, a view (n, inputs / colours), must hold the layer's input there, as
    far as the mask lets it through; `next_row` moves on. What is not yet known at the pixel itself, or to its right, is
    left from the row before and meets weights of 0.

    The rows that the kernel covers are kept as (n, columns, rows, inputs), columns outermost, so the window around a
    pixel is contiguous for each image. Weights are those at the time of construction.
    """

    @torch.no_grad()
    def __init__(self, layer: MaskedConv2d, n: int, columns: int) -> None:
        colours, rows = layer.colours, layer.above + 1
        weight = (layer.weight * layer.mask).permute(3, 2, 1, 0).flatten(0, 2)  # as the window lies
        assert layer.bias is not None
        self.weights = [part.contiguous() for part in weight.chunk(colours, 1)]
        self.biases = layer.bias.detach().clone().chunk(colours)
        # A 1 x 1 kernel never looks back, so one place serves all columns.
        kept = layer.reach + columns + layer.right if layer.reach else 1
        self.band = weight.new_zeros(n, kept, rows, layer.in_channels)
        across = layer.kernel_size[1]
        slots = [tuple(self.band[:, place, -1].chunk(colours, -1)) for place in range(layer.reach, kept - layer.right)]
        windows = [self.band[:, place : place + across].flatten(1) for place in range(kept - across + 1)]
        self.slots = slots if layer.reach else slots * columns
        self.windows = windows if layer.reach else windows * columns

    def at(self, column: int, colour: int, plus: Tensor | None = None) -> Tensor:
        """(n, outputs / colours): the features of a colour; `plus` (n, outputs / colours) in place of the bias."""
        added = self.biases[colour] if plus is None else plus
        return torch.addmm(added, self.windows[column], self.weights[colour])

    def put_relu(self, x: Tensor, column: int, colour: int) -> None:
        """relu(x), (n, inputs / colours), is the layer's input there."""
        torch.clamp_min(x, 0.0, out=self.slots[column][colour])

    def next_row(self) -> None:
        if self.band.shape[2] > 1:
            self.band.copy_(self.band.roll(-1, 2))


class RowwiseConv:
    """A `RowsConv2d` over n images of `columns` columns, evaluated as the rows of its input come."""

    @torch.no_grad()
    def __init__(self, layer: RowsConv2d, n: int, columns: int) -> None:
        assert layer.bias is not None
        self.weight, self.bias, self.reach = layer.weight.detach().clone(), layer.bias.detach().clone(), layer.reach
        self.band = self.weight.new_zeros(n, layer.reach + 1, columns, layer.in_channels)

    def next_row(self, row: Tensor) -> Tensor:
        """The input's next row, (n, columns, inputs) -> the features of that row, (n, columns, outputs)."""
        self.band = torch.cat([self.band[:, 1:], row.unsqueeze(1)], dim=1)
        features = F.conv2d(self.band.permute(0, 3, 1, 2), self.weight, self.bias, padding=(0, self.reach))
        return features.squeeze(2).mT
