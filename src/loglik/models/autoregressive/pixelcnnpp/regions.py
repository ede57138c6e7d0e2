"""What of an image a net of shifted convolutions computes: all of it, the next row, or the next pixel.

The net's wiring is written once, for features (..., C), and asks its region wherever places meet: at convolutions and
where the resolution changes. `NextRow` and `NextPixel` keep what later rows and pixels will read, and nothing else, so
every feature is computed once; their results equal those of `Whole`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from loglik.models.autoregressive.pixelcnnpp.shifted import ShiftedConv, ShiftedUpsample

Inner = Callable[[Tensor, "Region"], Tensor]


class Region(ABC):
    """Features of a region: (B, H, W, C), one row (n, W, C) or one pixel (n, C). context: (B, c) or None."""

    def __init__(self, context: Tensor | None) -> None:
        self.context = context

    @abstractmethod
    def conv(self, layer: ShiftedConv, x: Tensor) -> Tensor:
        """The layer's output in this region, given its input there."""

    @abstractmethod
    def coarser(self, downsample: ShiftedConv, inner: Inner, upsample: ShiftedUpsample, x: Tensor) -> Tensor:
        """upsample(inner(downsample(x))): through a net at half the resolution and back."""

    @abstractmethod
    def here(self, x: Tensor) -> Tensor:
        """Of features of the rows that hold this region, those in it."""

    @abstractmethod
    def everywhere(self, x: Tensor) -> Tensor:
        """(B, C): the same features at every place of the region."""


class Whole(Region):
    """All of the image."""

    def conv(self, layer: ShiftedConv, x: Tensor) -> Tensor:
        return layer(x)  # type: ignore[no-any-return]

    def coarser(self, downsample: ShiftedConv, inner: Inner, upsample: ShiftedUpsample, x: Tensor) -> Tensor:
        return upsample(inner(downsample(x), self), (x.shape[1], x.shape[2]))  # type: ignore[no-any-return]

    def here(self, x: Tensor) -> Tensor:
        return x

    def everywhere(self, x: Tensor) -> Tensor:
        return x[:, None, None]


class NextRow(Region):
    """Row number `row`; each convolution's input of the row before is kept.

    At half the resolution there is a new row for every second one here; in between, the last one serves.
    """

    def __init__(self, context: Tensor | None) -> None:
        super().__init__(context)
        self.row = 0
        self.before: dict[nn.Module, Tensor] = {}
        self.half: NextRow | None = None
        self.from_half: Tensor | None = None

    def conv(self, layer: ShiftedConv, x: Tensor) -> Tensor:
        before = self.before.get(layer)
        self.before[layer] = x
        return layer.row(torch.zeros_like(x) if before is None else before, x)

    def coarser(self, downsample: ShiftedConv, inner: Inner, upsample: ShiftedUpsample, x: Tensor) -> Tensor:
        if self.row % 2 == 0:
            self.half = self.half or NextRow(self.context)
            self.half.row = self.row // 2
            self.from_half = inner(self.conv(downsample, x), self.half)
        else:
            self.before[downsample] = x
        assert self.from_half is not None, "rows come in order, from 0"
        return upsample.row(self.from_half, self.row % 2, x.shape[1])

    def here(self, x: Tensor) -> Tensor:
        return x

    def everywhere(self, x: Tensor) -> Tensor:
        return x[:, None]


class NextPixel(Region):
    """Pixel (row, column) of rows `width` long; each convolution's inputs of this row and the one before are kept.

    Kernels are 1 or 2 columns wide: they end in the column of their pixel.
    """

    def __init__(self, context: Tensor | None, width: int) -> None:
        super().__init__(context)
        self.width = width
        self.row = self.column = 0
        self.inputs: dict[nn.Module, Tensor] = {}  # (n, kh, W + 1, C): column 0 lies left of the image
        self.matrices: dict[nn.Module, Tensor] = {}
        self.half: NextPixel | None = None
        self.from_half: Tensor | None = None  # (n, ceil(W / 2), C)

    def conv(self, layer: ShiftedConv, x: Tensor) -> Tensor:
        return torch.addmm(layer.bias, self._covered(layer, x).flatten(1), self.matrices[layer])

    def coarser(self, downsample: ShiftedConv, inner: Inner, upsample: ShiftedUpsample, x: Tensor) -> Tensor:
        if self.row % 2 == 0 and self.column % 2 == 0:
            self.half = self.half or NextPixel(self.context, -(-self.width // 2))
            self.half.row, self.half.column = self.row // 2, self.column // 2
            y = inner(self.conv(downsample, x), self.half)
            if self.from_half is None:
                self.from_half = y.new_zeros(len(y), self.half.width, y.shape[-1])
            self.from_half[:, self.half.column] = y
        else:
            self._covered(downsample, x)
        assert self.from_half is not None, "pixels come in order, from (0, 0)"
        return upsample.pixel(self.from_half[:, self.column // 2], self.row % 2, self.column % 2)

    def here(self, x: Tensor) -> Tensor:
        return x[:, self.column]

    def everywhere(self, x: Tensor) -> Tensor:
        return x

    def _covered(self, layer: ShiftedConv, x: Tensor) -> Tensor:
        """(n, kh, kw, C): the inputs that the kernel covers, x being the one at this pixel."""
        if layer not in self.inputs:
            self.inputs[layer] = x.new_zeros(len(x), layer.height, self.width + 1, x.shape[-1])
            self.matrices[layer] = layer.matrix().t()
        kept = self.inputs[layer]
        if self.column == 0 and layer.height == 2:
            kept[:, 0] = kept[:, 1]
        kept[:, -1, self.column + 1] = x
        return kept[:, :, self.column + 2 - layer.width : self.column + 2]
