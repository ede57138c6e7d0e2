"""Causal convolutions in one dimension, with masks A and B, and dilated.

van den Oord et al. 2016, WaveNet: A Generative Model for Raw Audio, arXiv:1609.03499, section 2.1; the masks are those
of PixelCNN (arXiv:1601.06759).
"""

import torch
from torch import Tensor, nn


class CausalConv1d(nn.Module):
    """(B, T, inputs) -> (B, T, outputs): a convolution over time that never looks ahead.

        mask A    y_t = b + sum_{j<k} W_j x_{t - 1 - j d}     the first layer, whose input is the data: x_t is unseen
        mask B    y_t = b + sum_{j<k} W_j x_{t - j d}         later layers, whose input at t has seen x_{<t} only

    with k taps at the distance d, the dilation. What lies before the beginning is zero. Time comes before channels, so
    that a convolution is one matrix product, of (B T, k inputs) with (k inputs, outputs): torch's own dilated
    convolutions take half as long again on a CPU.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, mask: str, dilation: int = 1) -> None:
        super().__init__()
        assert mask in ("A", "B")
        self.kernel, self.dilation = kernel, dilation
        self.memory = (kernel - 1) * dilation + (mask == "A")  # earlier values that y_t sees, back to the furthest
        self.taps = nn.Linear(kernel * inputs, outputs)  # columns: the oldest tap first

    def forward(self, x: Tensor, past: Tensor | None = None) -> Tensor:
        """`past` (B, memory, inputs) are the values just before x; None: zeros."""
        return self.outputs(self.preceded(x, past), x.shape[1])

    def preceded(self, x: Tensor, past: Tensor | None = None) -> Tensor:
        """(B, memory + T, inputs): x with its past. The last `memory` of it are the past of what follows x."""
        if past is None:
            past = x.new_zeros(x.shape[0], self.memory, x.shape[2])
        return torch.cat([past.to(x.dtype), x], dim=1)

    def outputs(self, preceded: Tensor, length: int) -> Tensor:
        """(B, memory + length, inputs) -> (B, length, outputs)."""
        seen = [preceded[:, j * self.dilation : j * self.dilation + length] for j in range(self.kernel)]
        return self.taps(seen[0] if self.kernel == 1 else torch.cat(seen, dim=-1))  # type: ignore[no-any-return]
