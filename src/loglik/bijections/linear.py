"""Linear bijections: activation normalisation, and a learned matrix."""

import functools
from typing import Any

import torch
from torch import Tensor, nn

from loglik.bijections.lu import LU
from loglik.contract import Bijection
from loglik.ops import gradients_again
from loglik.scales import centre_and_scale

NEGLIGIBLE = 1e-6  # a smaller deviation is no scale to divide by


class ActNorm(Bijection):
    """z = (x - shift) exp(-log_scale) for each channel or dimension; for images log|det dz/dx| = -H W sum log_scale.

    Both are learned, and start so that the first data seen, but for values far out, get mean 0 and variance 1.

    It does the work of batch normalisation without ever mixing the events of a batch, so p(x) is p(x) in training too.
    Kingma & Dhariwal 2018, Glow, arXiv:1807.03039, section 3.1.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.places = 1
        for size in shape[1:]:
            self.places *= size
        per_channel = (shape[0], *(1 for _ in shape[1:]))
        self.shift = nn.Parameter(torch.zeros(per_channel))
        self.log_scale = nn.Parameter(torch.zeros(per_channel))

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        centre, scale = centre_and_scale(x.movedim(1, -1).flatten(0, -2))
        self.shift.copy_(centre.reshape(self.shift.shape))
        self.log_scale.copy_(torch.where(scale > NEGLIGIBLE, scale, 1.0).log().reshape(self.shift.shape))
        return self(x)[0]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return Normalise.apply(x, self.shift, self.log_scale, self.places)  # type: ignore[no-any-return]

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_det = self.places * self.log_scale.sum()
        return z * torch.exp(self.log_scale) + self.shift, log_det.expand(len(z))


class Normalise(torch.autograd.Function):
    """z = (x - shift) exp(-log_scale) and its log_det as one operation.

    With cotangents g of z and l of log_det, those of

    x          g exp(-log_scale)
    shift      -sum g exp(-log_scale)
    log_scale  -sum g z - H W sum l,      sums over all but the channels
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor, log_scale: Tensor, places: int) -> tuple[Tensor, Tensor]:
        slope = torch.exp(-log_scale)
        z = torch.sub(x, shift).mul_(slope)
        ctx.places = places
        ctx.save_for_backward(x, shift, log_scale, slope, z)
        return z, (log_scale.sum() * -places).expand(len(x))

    @staticmethod
    def backward(ctx: Any, g: Tensor, l: Tensor) -> tuple[Tensor | None, ...]:  # noqa: E741
        x, shift, log_scale, slope, z = ctx.saved_tensors
        if torch.is_grad_enabled():
            again = functools.partial(normalised, places=ctx.places)
            return *gradients_again(again, (x, shift, log_scale), (g, l)), None
        rest = [0, *range(2, x.ndim)]
        of_x = g * slope
        of_shift = of_x.sum(rest).neg_().reshape(shift.shape)
        of_log_scale = (g * z).sum(rest).add_(l.sum(), alpha=ctx.places).neg_().reshape(shift.shape)
        return of_x, of_shift, of_log_scale, None


def normalised(x: Tensor, shift: Tensor, log_scale: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """The same in single steps."""
    return (x - shift) * torch.exp(-log_scale), (log_scale.sum() * -places).expand(len(x))


class Linear(Bijection):
    """z = W x + b for vectors (B, D), W in LU form: log|det dz/dx| = log|det W|, the inverse by triangular solves.

    Between couplings or autoregressive layers it mixes the values, where a permutation would only move them. It starts
    so that each value of the first data seen, but for values far out, gets mean 0 and variance 1: by b, and by the
    lengths of the rows of W.
    Kingma & Dhariwal 2018, arXiv:1807.03039, section 3.2; Durkan et al. 2019, arXiv:1906.04032, section 3.2.

    Args:
        weight: W, (D, D).
    """

    def __init__(self, weight: LU) -> None:
        super().__init__()
        self.weight = weight
        self.shift = nn.Parameter(torch.zeros_like(weight.log_scale))

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        z, _ = self(x)
        centre, scale = centre_and_scale(z)
        scale = torch.where(scale > NEGLIGIBLE, scale, 1.0)
        self.weight.start(self.weight.matrix() / scale.unsqueeze(1))
        self.shift.copy_((self.shift - centre) / scale)
        return self(x)[0]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            z = torch.addmm(self.shift.to(x.dtype), x, self.weight.matrix().to(x.dtype).T)
        return z, self.weight.log_abs_det().to(x.dtype).expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.weight.solve((z - self.shift).T).T
        return x, -self.weight.log_abs_det().to(z.dtype).expand(len(z))
