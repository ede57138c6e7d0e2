"""The invertible 1 x 1 convolution: a learned mixing of an image's channels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.bijections.lu import LU
from loglik.contract import Bijection


class InvertibleConvolution(Bijection):
    """z = W x at every pixel of (B, C, H, W), W (C, C) in LU form: log|det dz/dx| = H W log|det W|.

    It lets every channel pass and be moved in turn, which a fixed permutation of channels does too, with less choice.
    Kingma & Dhariwal 2018, Glow: Generative Flow with Invertible 1x1 Convolutions, arXiv:1807.03039, section 3.2.

    Args:
        weight: W; Glow begins with a random rotation.
    """

    def __init__(self, weight: LU) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            z = F.conv2d(x, self.weight.matrix().to(x.dtype)[:, :, None, None])
        return z, self._log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        columns = z.movedim(1, 0).flatten(1)  # (C, B H W)
        x = self.weight.solve(columns).reshape(z.shape[1], len(z), *z.shape[2:]).movedim(0, 1)
        return x, -self._log_det(z)

    def _log_det(self, x: Tensor) -> Tensor:
        return (x.shape[2] * x.shape[3] * self.weight.log_abs_det()).to(x.dtype).expand(len(x))
