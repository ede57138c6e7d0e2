"""Affine coupling: half of x passes unchanged and steers a shift and scale of the other half."""

import torch
from torch import Tensor, nn

from loglik.contract import Bijection
from loglik.ops import sum_event


class AffineCoupling(Bijection):
    """Shift and scale one part of x by functions of the other part, which passes unchanged.

        z = x                                           where the mask is 1
        z = (x - shift(x_a)) exp(-log_scale(x_a))       elsewhere,   x_a = x * mask

    The Jacobian is triangular, so log|det dz/dx| = -sum log_scale. log_scale = bound * tanh(net), with a learned bound,
    keeps one layer's scales in check.   Dinh et al. 2017, arXiv:1605.08803, sections 3.2 to 3.4.

    Args:
        net: (B, C, ...), context -> (B, 2C, ...), the shift and the raw log-scale.
        mask: of ones and zeros, broadcasting over (C, ...).
    """

    def __init__(self, net: nn.Module, mask: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mask", mask.to(torch.get_default_dtype()))
        self.log_scale_bound = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        shift, log_scale = self._shift_and_log_scale(x, context)
        return (x - shift) * torch.exp(-log_scale), -sum_event(log_scale)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        shift, log_scale = self._shift_and_log_scale(z, context)
        return z * torch.exp(log_scale) + shift, sum_event(log_scale)

    def _shift_and_log_scale(self, passed: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        # x and z agree where the mask is 1, so one function serves both directions.
        shift, raw = self.net(passed * self.mask, context).reshape(len(passed), 2, *passed.shape[1:]).unbind(1)
        moved = 1.0 - self.mask
        return shift * moved, self.log_scale_bound * torch.tanh(raw) * moved

    mask: Tensor
