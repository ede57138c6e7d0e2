"""Transforms that shift a value, and that shift and scale it.

Dinh, Krueger, Bengio 2014, NICE, arXiv:1410.8516; Dinh, Sohl-Dickstein, Bengio 2017, Density estimation using Real
NVP, arXiv:1605.08803; Papamakarios, Pavlakou, Murray 2017, Masked Autoregressive Flow, arXiv:1705.07057.
"""

import torch
from torch import Tensor

from loglik.bijections.transform import Saved, Transform, WrittenOut
from loglik.compiled.drawing import NORMAL, Drawing


class Additive(Transform):
    """z = x - shift, which keeps volumes: log dz/dx = 0."""

    params = 1

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return x - h.squeeze(-1), torch.zeros_like(x)

    def inverse(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return z + h.squeeze(-1), torch.zeros_like(z)

    def identity(self) -> Tensor:
        return torch.zeros(1)


class Affine(WrittenOut):
    """z = (x - shift) exp(-log_scale), log dz/dx = -log_scale.

    h = (shift, raw) with log_scale = limit tanh(raw / limit), held softly within +-`limit` and equal to raw near 0. It
    is how `heads.NormalHead` reads its parameters: x given z is a draw of that head with the noise z.
    """

    params = 2

    def __init__(self, limit: float = 3.0) -> None:
        super().__init__()
        self.limit = limit
        self.drawing = Drawing(NORMAL, limit)

    def reference(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = h.unbind(-1)
        log_scale = self.limit * torch.tanh(raw / self.limit)
        return (x - shift) * torch.exp(-log_scale), -log_scale

    def forward_saved(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Saved]:
        t = torch.mul(h[..., 1], 1.0 / self.limit).tanh_()
        log_slope = t * -self.limit
        slope = log_slope.exp()
        z = torch.sub(x, h[..., 0]).mul_(slope)
        return z, log_slope, (t, slope, z)

    def backward(self, saved: Saved, g: Tensor, l: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741
        """With t = tanh(raw / limit):  x: g exp(-log_scale),  shift: the same times -1,  raw: -(g z + l) (1 - t^2)."""
        t, slope, z = saved
        of_x = g * slope
        of_h = of_x.new_empty(len(z), 2, *z.shape[1:])  # each parameter apart, as nets for few of them give it
        torch.neg(of_x, out=of_h[:, 0])
        torch.neg(torch.ops.aten.tanh_backward(torch.addcmul(l, g, z), t), out=of_h[:, 1])
        return of_x, of_h.movedim(1, -1)

    def inverse(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = h.unbind(-1)
        log_scale = self.limit * torch.tanh(raw / self.limit)
        return z * torch.exp(log_scale) + shift, log_scale

    def identity(self) -> Tensor:
        return torch.zeros(2)
