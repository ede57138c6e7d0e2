"""Convolutional nets: masked ones that never look ahead in raster order, and residual ones for images.

van den Oord, Kalchbrenner, Kavukcuoglu 2016, Pixel Recurrent Neural Networks, arXiv:1601.06759, section 3.4.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MaskedConv2d(nn.Conv2d):
    """A k x k convolution that sees the pixels above and to the left, and of its own pixel only earlier groups.

    Features are split into `groups` in the order of the colours, contiguously. At the centre pixel, input group c'
    reaches output group c iff c' < c with mask A (the first layer, whose input is the data) and iff c' <= c with mask B
    (all later layers, whose features of group c have seen colours before c only).

    Args:
        above: how many rows above its own the kernel covers, k // 2 unless given; with 0 it is 1 x ceil(k / 2).
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, mask: str, groups: int, above: int | None = None
    ) -> None:
        assert inputs % groups == outputs % groups == 0, "features divide into groups"
        assert kernel % 2 == 1
        assert mask in ("A", "B")
        reach = kernel // 2
        above = reach if above is None else above
        right = reach if above else 0
        # The rows below the centre are masked whole, so they are not stored; nor is a right side that no row has.
        super().__init__(inputs, outputs, (above + 1, reach + 1 + right))
        self.reach, self.right, self.above, self.colours = reach, right, above, groups
        group_in = torch.arange(inputs) * groups // inputs
        group_out = torch.arange(outputs) * groups // outputs
        centre = group_in[None, :] < group_out[:, None] if mask == "A" else group_in[None, :] <= group_out[:, None]
        allowed = torch.ones(outputs, inputs, *self.kernel_size)
        allowed[:, :, -1, reach + 1 :] = 0.0
        allowed[:, :, -1, reach] = centre.float()
        self.register_buffer("mask", allowed, persistent=False)
        fan_in = allowed.sum((1, 2, 3)).clamp(min=1.0)
        with torch.no_grad():
            self.weight.copy_(torch.randn_like(self.weight) / fan_in.sqrt().view(-1, 1, 1, 1))
            assert self.bias is not None
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        # Padding by nothing would still copy.
        padded = F.pad(x, (self.reach, self.right, self.above, 0)) if self.reach else x
        return F.conv2d(padded, self.weight * self.mask, self.bias)

    mask: Tensor


class RowsConv2d(nn.Conv2d):
    """A ceil(k/2) x k convolution that sees its own row and those above, to both sides; it has no mask."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        assert kernel % 2 == 1
        super().__init__(inputs, outputs, (kernel // 2 + 1, kernel))
        self.reach = kernel // 2
        with torch.no_grad():
            self.weight.copy_(torch.randn_like(self.weight) / self.weight[0].numel() ** 0.5)
            assert self.bias is not None
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (self.reach, self.reach, self.reach, 0)), self.weight, self.bias)


class ResidualNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H, W): 3 x 3 convolutions in residual blocks, the last layer starting at 0."""

    def __init__(self, inputs: int, width: int, outputs: int, *, blocks: int, context: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.SiLU(), nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)
            )
            for _ in range(blocks)
        )
        self.context = nn.Linear(context, width, bias=False) if context else None
        self.last = nn.Conv2d(width, outputs, 3, padding=1)
        begin_at(self.last, torch.zeros(outputs))

    def start(self, outputs: Tensor) -> None:
        """Begin at constant outputs (outputs,), at every pixel."""
        begin_at(self.last, outputs)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.first(x)
        if self.context is not None and context is not None:
            h = h + self.context(context)[:, :, None, None]
        for block in self.blocks:
            h = h + block(h)
        return self.last(F.silu(h)).to(x.dtype)  # type: ignore[no-any-return]


class ThreeConvolutions(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H, W): 3 x 3, 1 x 1, 3 x 3 with ReLU between, the last starting at 0.

    Most of its work is the 1 x 1 convolution, so it can be wide. Kingma & Dhariwal 2018, Glow, arXiv:1807.03039.
    """

    def __init__(self, inputs: int, width: int, outputs: int, *, context: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width, 1)
        self.context = nn.Linear(context, width, bias=False) if context else None
        self.last = nn.Conv2d(width, outputs, 3, padding=1)
        begin_at(self.last, torch.zeros(outputs))

    def start(self, outputs: Tensor) -> None:
        """Begin at constant outputs (outputs,), at every pixel."""
        begin_at(self.last, outputs)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.first(x)
        if self.context is not None and context is not None:
            h = h + self.context(context)[:, :, None, None]
        return self.last(F.relu(self.middle(F.relu(h)))).to(x.dtype)  # type: ignore[no-any-return]


class GivenImage(nn.Module):
    """A net of images that reads one more image, which comes flattened at the head of its context.

    (B, C, H, W), (B, C' H W + rest) -> net of (B, C + C', H, W) given (B, rest). With `squeezed`, x is a squeezed image
    (every 2 x 2 block of it has become channels), and the other one is squeezed here.
    """

    def __init__(self, net: ResidualNet | ThreeConvolutions, shape: tuple[int, ...], *, squeezed: bool = False) -> None:
        super().__init__()
        self.net, self.shape, self.squeezed = net, shape, squeezed

    def start(self, outputs: Tensor) -> None:
        self.net.start(outputs)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        values = math.prod(self.shape)
        image, rest = context[:, :values].reshape(-1, *self.shape), context[:, values:]
        image = F.pixel_unshuffle(image, 2) if self.squeezed else image
        return self.net(torch.cat([x, image], dim=1), rest)  # type: ignore[no-any-return]


@torch.no_grad()
def begin_at(last: nn.Conv2d, outputs: Tensor) -> None:
    """Make a last layer the constant `outputs` (outputs,), for now."""
    assert last.bias is not None
    last.weight.zero_()
    last.bias.copy_(outputs)
