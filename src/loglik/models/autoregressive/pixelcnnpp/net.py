"""The net of PixelCNN++: a vertical stream sees the rows above, a horizontal one also the pixels to the left.

Salimans, Karpathy, Chen, Kingma 2017, PixelCNN++, arXiv:1701.05517, sections 2.3 to 2.5; wiring as in the authors'
code (github.com/openai/pixel-cnn). Both streams are U-nets of gated residual blocks: down to half the resolution and to
half of that, and up again, each block on the way up reading the features of its mirror image on the way down.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.models.autoregressive.pixelcnnpp.regions import Region, Whole
from loglik.models.autoregressive.pixelcnnpp.shifted import (
    CONCAT_ELU_POWER,
    ShiftedConv,
    ShiftedUpsample,
    concat_elu,
    down_shift,
    right_shift,
    scaled_normal_,
)
from loglik.models.autoregressive.pixelcnnpp.steps import Features, PixelByPixel
from loglik.nets.causal import CausalNet, Steps

ABOVE, ABOVE_AND_LEFT = (2, 3), (2, 2)  # the streams' kernels
SMALL = 0.1  # what a block adds at the start, relative to what passes


class GatedBlock(nn.Module):
    """h + a sigmoid(b),  (a, b) = conv(dropout(f(conv(f(h)) + N f(beside)))) + V context,  f = concat_elu.

    Args:
        beside: channels of what the block reads at its own pixel besides h; 0 for none.
    """

    def __init__(self, width: int, kernel: tuple[int, int], beside: int, context: int, dropout: float) -> None:
        super().__init__()
        self.first = ShiftedConv(2 * width, width, kernel, power=CONCAT_ELU_POWER)
        self.second = ShiftedConv(2 * width, 2 * width, kernel, power=CONCAT_ELU_POWER, gain=SMALL)
        self.beside = nn.Linear(2 * beside, width, bias=False) if beside else None
        if self.beside is not None:
            scaled_normal_(self.beside.weight, 2 * beside, CONCAT_ELU_POWER)
        self.context = nn.Linear(context, 2 * width, bias=False) if context else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, beside: Tensor | None, region: Region) -> Tensor:
        c = region.conv(self.first, concat_elu(h))
        if self.beside is not None:
            assert beside is not None
            c = c + self.beside(concat_elu(beside))
        c = region.conv(self.second, self.dropout(concat_elu(c)))
        if self.context is not None and region.context is not None:
            c = c + region.everywhere(self.context(region.context))
        a, b = c.chunk(2, dim=-1)
        return h + a * torch.sigmoid(b)


class Resolution(nn.Module):
    """One resolution of a stream, with all coarser ones inside it.

    Down: `layers` blocks. Then the coarser resolutions, if any. Up: a block for each feature map of the way down, read
    last to first; where nothing is coarser the last one is where the way up begins.

    Args:
        depth: 0 for the finest of the `resolutions`.
        guided: whether each block also reads the other stream's block.
    """

    def __init__(
        self, depth: int, resolutions: int, layers: int, width: int, kernel: tuple[int, int], *,
        guided: bool, context: int, dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.depth = depth
        coarsest = depth == resolutions - 1
        other = width if guided else 0
        self.down = nn.ModuleList(GatedBlock(width, kernel, other, context, dropout) for _ in range(layers))
        self.up = nn.ModuleList(
            GatedBlock(width, kernel, other + width, context, dropout) for _ in range(layers + int(not coarsest))
        )
        self.inner: Resolution | None = None
        if not coarsest:
            self.downsample = ShiftedConv(width, width, kernel, stride=2)
            self.inner = Resolution(
                depth + 1, resolutions, layers, width, kernel, guided=guided, context=context, dropout=dropout
            )
            self.upsample = ShiftedUpsample(width, width, kernel)

    def forward(self, h: Tensor, region: Region, features: Features, vertical: Features | None) -> Tensor:
        """The stream's last output; `features` receives every block's. vertical: the other stream's, if guided."""
        mine: list[Tensor] = []
        other = None if vertical is None else vertical[self.depth]
        passed = [h]
        for block in self.down:
            h = block(h, None if other is None else region.here(other[len(mine)]), region)
            passed.append(h)
            mine.append(h)
        if self.inner is None:
            h = passed.pop()
        else:
            inner = self.inner
            h = region.coarser(self.downsample, lambda x, half: inner(x, half, features, vertical), self.upsample, h)
        for block in self.up:
            beside = passed.pop()
            if other is not None:
                beside = torch.cat([region.here(other[len(mine)]), beside], dim=-1)
            h = block(h, beside, region)
            mine.append(h)
        features[self.depth] = mine
        return h


class TwoStreams(CausalNet):
    """(B, H, W, inputs) -> (B, H, W, params): outputs at a pixel depend on the pixels before it in raster order.

    No earlier pixel within reach is left out: what the vertical stream sees grows by a column to either side with every
    layer, in the row above too. Shifted inputs get a channel of ones, which tells padding from values of 0.

    Args:
        columns: W; the number of rows is free.
    """

    def __init__(
        self,
        columns: int,
        inputs: int,
        params: int,
        *,
        width: int,
        layers: int,
        resolutions: int,
        context: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.columns, self.inputs, self.resolutions = columns, inputs, resolutions
        self.first_upper = ShiftedConv(inputs + 1, width, ABOVE)
        self.first_above = ShiftedConv(inputs + 1, width, (1, 3))
        self.first_left = ShiftedConv(inputs + 1, width, (2, 1))
        size = (0, resolutions, layers, width)
        self.upper = Resolution(*size, ABOVE, guided=False, context=context, dropout=dropout)
        self.left = Resolution(*size, ABOVE_AND_LEFT, guided=True, context=context, dropout=dropout)
        self.last = nn.Linear(width, params)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        whole, features = Whole(context), self.no_features()
        down, right = self.shifted(x)
        above = self.vertical(down, whole, features)
        return self.horizontal(above, right, whole, features).to(x.dtype)

    def shifted(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the streams read: the row above in place of each row, the column before in place of each column."""
        return down_shift(x), right_shift(x)

    def no_features(self) -> Features:
        return [[] for _ in range(self.resolutions)]

    def vertical(self, down: Tensor, region: Region, features: Features) -> Tensor:
        """Runs the vertical stream, storing its blocks' outputs; returns its part of the horizontal one's input."""
        down = F.pad(down, (0, 1), value=1.0)
        self.upper(region.conv(self.first_upper, down), region, features, None)
        return region.conv(self.first_above, down)

    def horizontal(self, above: Tensor, right: Tensor, region: Region, vertical: Features) -> Tensor:
        """Runs the horizontal stream, which reads the vertical one's features; returns the parameters of the head."""
        h = region.here(above) + region.conv(self.first_left, F.pad(right, (0, 1), value=1.0))
        h = self.left(h, region, self.no_features(), vertical)
        # Means must tell 65536 levels apart: the last product is not for half precision.
        with torch.autocast(h.device.type, enabled=False):
            out: Tensor = self.last(F.elu(h.to(self.last.weight.dtype)))
        return out

    def start(self, outputs: Tensor) -> None:
        """One bias serves all pixels, so they begin at the mean of their outputs."""
        with torch.no_grad():
            self.last.bias.copy_(outputs.flatten(0, -2).mean(0))

    def steps(self, n: int, context: Tensor | None = None) -> Steps | None:
        like = self.last.weight
        row = torch.zeros(n, self.columns, self.inputs, dtype=like.dtype, device=like.device)
        return PixelByPixel(self.vertical, self.horizontal, row, self.no_features(), context)
