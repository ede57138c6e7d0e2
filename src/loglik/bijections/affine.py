"""Transforms that shift a value, and that shift and scale it.

Dinh, Krueger, Bengio 2014, NICE, arXiv:1410.8516; Dinh, Sohl-Dickstein, Bengio 2017, Density estimation using Real
NVP, arXiv:1605.08803; Papamakarios, Pavlakou, Murray 2017, Masked Autoregressive Flow, arXiv:1705.07057.
"""

import torch
from torch import Tensor

from loglik.bijections.transform import Transform
from loglik.nets.drawing import NORMAL, Drawing


class Additive(Transform):
    """z = x - shift, which keeps volumes: log dz/dx = 0."""

    params = 1

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return x - h.squeeze(-1), torch.zeros_like(x)

    def inverse(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return z + h.squeeze(-1), torch.zeros_like(z)

    def identity(self) -> Tensor:
        return torch.zeros(1)


class Affine(Transform):
    """z = (x - shift) exp(-log_scale), log dz/dx = -log_scale.

    h = (shift, raw) with log_scale = limit tanh(raw / limit), held softly within +-`limit` and equal to raw near 0. It
    is how `heads.NormalHead` reads its parameters: x given z is a draw of that head with the noise z.
    """

    params = 2

    def __init__(self, limit: float = 7.0) -> None:
        super().__init__()
        self.limit = limit
        self.drawing = Drawing(NORMAL, limit)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = self._shift_and_log_scale(h)
        return (x - shift) * torch.exp(-log_scale), -log_scale

    def inverse(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = self._shift_and_log_scale(h)
        return z * torch.exp(log_scale) + shift, log_scale

    def identity(self) -> Tensor:
        return torch.zeros(2)

    def _shift_and_log_scale(self, h: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = h.unbind(-1)
        return shift, self.limit * torch.tanh(raw / self.limit)
