"""PixelCNN++ pixel by pixel, for sampling: every feature is computed once."""

from collections.abc import Callable

import torch
from torch import Tensor

from loglik.models.autoregressive.pixelcnnpp.regions import NextPixel, NextRow, Region
from loglik.nets.causal import Steps

Features = list[list[Tensor]]  # for each resolution, the outputs of its blocks
Stream = Callable[[Tensor, Region, Features], Tensor]


class PixelByPixel(Steps):
    """The vertical stream once for each row, the horizontal one once for each pixel.

    Args:
        row: (n, W, inputs), zeros: the row above the first.
        features: of the vertical stream, none yet.
    """

    few = 32

    def __init__(
        self,
        vertical: Stream,
        horizontal: Callable[[Tensor, Tensor, Region, Features], Tensor],
        row: Tensor,
        features: Features,
        context: Tensor | None,
    ) -> None:
        self.vertical, self.horizontal, self.row, self.features = vertical, horizontal, row, features
        self.rows, self.pixels = NextRow(context), NextPixel(context, row.shape[1])
        self.above = row
        self.place = 0

    @torch.no_grad()
    def __call__(self, previous: Tensor | None) -> Tensor:
        r, c = divmod(self.place, self.row.shape[1])
        if previous is not None:
            self.row[:, c - 1] = previous  # at the first column: the last of the row above
        if c == 0:
            self.rows.row = r
            self.above = self.vertical(self.row, self.rows, self.features)
        self.pixels.row, self.pixels.column = r, c
        left = self.row[:, c - 1] if c else torch.zeros_like(self.row[:, 0])
        self.place += 1
        return self.horizontal(self.above, left, self.pixels, self.features)
