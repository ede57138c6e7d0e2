"""Transforms that shift a value, and that shift and scale it.

Dinh, Krueger, Bengio 2014, NICE, arXiv:1410.8516; Dinh, Sohl-Dickstein, Bengio 2017, Density estimation using Real
NVP, arXiv:1605.08803; Papamakarios, Pavlakou, Murray 2017, Masked Autoregressive Flow, arXiv:1705.07057.
"""

import functools
from typing import Any

import torch
from torch import Tensor

from loglik.bijections.transform import Transform
from loglik.nets.drawing import NORMAL, Drawing
from loglik.ops import gradients_again


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
        if torch.compiler.is_compiling():
            return shifted_and_scaled(x, h, self.limit)
        return ShiftAndScale.apply(x, h, self.limit)  # type: ignore[no-any-return, no-untyped-call]

    def inverse(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = h.unbind(-1)
        log_scale = self.limit * torch.tanh(raw / self.limit)
        return z * torch.exp(log_scale) + shift, log_scale

    def identity(self) -> Tensor:
        return torch.zeros(2)


def shifted_and_scaled(x: Tensor, h: Tensor, limit: float) -> tuple[Tensor, Tensor]:
    """The map in single steps."""
    shift, raw = h.unbind(-1)
    log_scale = limit * torch.tanh(raw / limit)
    return (x - shift) * torch.exp(-log_scale), -log_scale


class ShiftAndScale(torch.autograd.Function):
    """The same as one operation. With t = tanh(raw / limit) and cotangents g of z and l of log dz/dx, those of

    x       g exp(-log_scale)
    shift  -g exp(-log_scale)
    raw    -(g z + l) (1 - t^2)
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, limit: float) -> tuple[Tensor, Tensor]:
        shift, raw = h.unbind(-1)
        t = torch.mul(raw, 1.0 / limit).tanh_()
        log_slope = t * -limit
        slope = log_slope.exp()
        z = torch.sub(x, shift).mul_(slope)
        ctx.limit = limit
        ctx.save_for_backward(x, h, t, slope, z)
        return z, log_slope

    @staticmethod
    def backward(ctx: Any, g: Tensor, l: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # noqa: E741
        x, h, t, slope, z = ctx.saved_tensors
        if torch.is_grad_enabled():
            of_x, of_h = gradients_again(functools.partial(shifted_and_scaled, limit=ctx.limit), (x, h), (g, l))
            return of_x, of_h, None
        of_x = g * slope
        of_h = torch.empty_like(h)
        torch.neg(of_x, out=of_h[..., 0])
        torch.neg(torch.ops.aten.tanh_backward(torch.addcmul(l, g, z), t), out=of_h[..., 1])
        return of_x, of_h, None
