"""Convolutions that see rows above and columns to the left by where they are padded, without masks.

Salimans, Karpathy, Chen, Kingma 2017, PixelCNN++, arXiv:1701.05517, section 2.4 and figure 2. Kernels end in the row of
their pixel. Those 3 wide are centred, so they are for features of whole rows above; those 2 wide end in the column of
their pixel. What the first of them reads is shifted down, or right, by one, so no pixel is seen from itself.

Features have their channels last, (B, H, W, C), the layout in which convolutions are fastest in bf16. Every layer also
computes one row, or one pixel, from the few values that it depends on; sampling uses that.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONCAT_ELU_POWER = 0.645  # E elu(h)^2 for h ~ N(0, 1)


def down_shift(x: Tensor) -> Tensor:
    """(B, H, W, C): every row becomes the one above it, the first becomes 0."""
    return F.pad(x[:, :-1], (0, 0, 0, 0, 1, 0))


def right_shift(x: Tensor) -> Tensor:
    """(B, H, W, C): every column becomes the one before it, the first becomes 0."""
    return F.pad(x[:, :, :-1], (0, 0, 1, 0))


def concat_elu(x: Tensor) -> Tensor:
    """(..., C) -> (..., 2C): elu(x) and elu(-x) (Shang et al. 2016, arXiv:1603.05201, with elu for relu)."""
    return F.elu(torch.cat([x, -x], dim=-1))


def scaled_normal_(weight: Tensor, fan_in: float, power: float, gain: float = 1.0) -> None:
    """Weights under which inputs with E x^2 = `power` give outputs of standard deviation `gain`.

    The paper normalises weights and measures their scale on the first batch; for these layers the measured scale is
    this one, so the model starts alike and trains without the extra parameters.
    """
    nn.init.normal_(weight, std=gain / math.sqrt(power * fan_in))


class ShiftedConv(nn.Module):
    """(B, H, W, C) -> (B, ceil(H / stride), ceil(W / stride), outputs).

    Output (i, j) sees rows stride i - kh + 1 .. stride i, and columns up to stride j for kernels 1 or 2 wide, up to
    stride j + 1 for those 3 wide.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int],
        *,
        stride: int = 1,
        power: float = 1.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        assert kernel[1] <= 3, "wider kernels would need another padding"
        self.height, self.width = kernel
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(outputs, inputs, *kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        scaled_normal_(self.weight, inputs * self.height * self.width, power, gain)

    def forward(self, x: Tensor) -> Tensor:
        # The padding is symmetric and what it adds below and to the right is cut off: one copy less.
        y = self._convolved(x, self.height - 1)
        return y[:, : -(-x.shape[1] // self.stride), : -(-x.shape[2] // self.stride)]

    def row(self, before: Tensor, row: Tensor) -> Tensor:
        """Input rows stride i - 1 and stride i, (n, W, C) each -> output row i, (n, W', outputs)."""
        rows = torch.stack([before, row] if self.height == 2 else [row], dim=1)
        return self._convolved(rows, 0)[:, 0, : -(-row.shape[1] // self.stride)]

    def _convolved(self, x: Tensor, above: int) -> Tensor:
        padding = (above, self.width // 2)
        return F.conv2d(x.permute(0, 3, 1, 2), self.weight, self.bias, self.stride, padding).permute(0, 2, 3, 1)

    def matrix(self) -> Tensor:
        """(outputs, kh kw C): the kernel as one product with the values it covers."""
        return self.weight.permute(0, 2, 3, 1).flatten(1)


class ShiftedUpsample(nn.Module):
    """The transposed convolution of stride 2: (B, H, W, C) -> (B, H', W', outputs), sizes 2H, 2W or one less.

    Output row r sees row r // 2; kernels 2 wide let column c see column c // 2, those 3 wide also the next one.
    """

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        assert kernel in ((2, 2), (2, 3))
        self.width = kernel[1]
        self.left = self.width // 3  # columns that stick out to the left
        self.weight = nn.Parameter(torch.empty(inputs, outputs, *kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        scaled_normal_(self.weight, inputs * self.width / 2, 1.0)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        y = F.conv_transpose2d(x.permute(0, 3, 1, 2), self.weight, self.bias, 2).permute(0, 2, 3, 1)
        return y[:, : size[0], self.left : self.left + size[1]]

    def row(self, row: Tensor, down: int, size: int) -> Tensor:
        """Input row r // 2, (n, W, C), and `down` = r % 2 -> output row r, (n, size, outputs)."""
        weight = self.weight[:, :, down : down + 1]
        y = F.conv_transpose2d(row.transpose(1, 2).unsqueeze(2), weight, self.bias, (1, 2))
        return y.squeeze(2).transpose(1, 2)[:, self.left : self.left + size]

    def pixel(self, pixel: Tensor, down: int, right: int) -> Tensor:
        """Input (r // 2, c // 2), (n, C), r % 2 and c % 2 -> output (r, c), (n, outputs); for kernels 2 wide."""
        assert self.width == 2
        return torch.addmm(self.bias, pixel, self.weight[:, :, down, right])
