"""Mistakes in couplings, convolutions and dequantisation: each breaks one law, and the law must say so."""

from collections.abc import Callable
from typing import Any

import torch
from mutating import mutated
from torch import Tensor

from cases import LABEL_CONTEXT, Case
from loglik.bijections.convolution import InvertibleConvolution
from loglik.bijections.coupling import MaskedCoupling
from loglik.bijections.elementwise import Standardize
from loglik.bijections.linear import ActNorm
from loglik.bijections.logistic_mixture import LogisticMixture, logit_of_cdf
from loglik.bijections.multiscale import Squeeze
from loglik.contract import Bijection, Model
from loglik.models.flows.variational import VariationalNoise
from loglik.ops import sum_event
from loglik.spaces import Integer, Real

Direction = tuple[Tensor, Tensor]

SMALL = {"width": 2, "layers": 1}
NICE = Case("nice", Real((2,)), {"hidden": (8,)})
NICE_LEVELS = Case("nice", Integer((2,), 3), {"hidden": (8,), "rescale": "linear"})
NOISY = Case("nice", Integer((2,), 3), {"hidden": (8,), "rescale": "linear", "dequantization": "variational"})
GLOW = Case("glow", Real((1, 4, 2)), SMALL, LABEL_CONTEXT)
BOARDS = Case("realnvp-images", Real((1, 3)), SMALL)
MIXTURE = Case("glow", Real((1, 2, 2)), SMALL | {"transform": "logistic-mixture", "components": 3})


def without(part: type[Bijection], case: Case) -> Model:
    """One kind of part says that it changes no volume, in both directions."""

    def silent(self: Bijection, sound: Any, x: Tensor, context: Tensor | None = None) -> Direction:
        z, log_det = sound(self, x, context)
        return z, torch.zeros_like(log_det)

    return mutated(case, part, forward=silent, inverse=silent)


def log_det_of_one_pixel() -> Model:
    """log|det W| where H W log|det W| belongs."""

    def once(self: Bijection, sound: Any, x: Tensor, context: Tensor | None = None) -> Direction:
        z, log_det = sound(self, x, context)
        return z, log_det / (x.shape[2] * x.shape[3])

    return mutated(GLOW, InvertibleConvolution, forward=once, inverse=once)


def summed_where(kept: Callable[[Tensor], Tensor | float]) -> Model:
    """A checkerboard coupling whose log derivatives are summed over other values than those that move."""

    def forward(self: MaskedCoupling, sound: Any, x: Tensor, context: Tensor | None = None) -> Direction:
        z, _ = sound(self, x, context)
        _, log_slope = self.transform(x, self._steering(x, context))
        return z, sum_event(log_slope * kept(self.mask))

    return mutated(BOARDS, MaskedCoupling, forward=forward)


def logit_forgotten() -> Model:
    """log dF/dx in place of log d logit F/dx = log dF/dx - log F - log(1 - F)."""

    def forward(self: LogisticMixture, sound: Any, x: Tensor, h: Tensor) -> Direction:
        z, log_slope = sound(self, x, h)
        y, _ = logit_of_cdf(x, self._read(h)[0])
        return z, log_slope + torch.nn.functional.logsigmoid(y) + torch.nn.functional.logsigmoid(-y)

    return mutated(MIXTURE, LogisticMixture, forward=forward)


def search_broken_off() -> Model:
    """An inverse that is content with six digits."""

    def inverse(self: LogisticMixture, sound: Any, z: Tensor, h: Tensor) -> Direction:
        x, log_slope = sound(self, z, h)
        return x + 1e-6, log_slope

    return mutated(MIXTURE, LogisticMixture, inverse=inverse)


def unsqueezed_elsewhere() -> Model:
    """Rows and columns of a block exchanged on the way back."""

    def inverse(self: Squeeze, sound: Any, z: Tensor, context: Tensor | None = None) -> Direction:
        x, log_det = sound(self, z, context)
        return x.mT, log_det

    return mutated(GLOW, Squeeze, inverse=inverse)


def noise_scored(log_q: Callable[[Tensor, Tensor], Tensor]) -> Model:
    """Variational noise u whose log q(u|x) is something else."""

    def draw(self: VariationalNoise, sound: Any, x: Tensor, context: Tensor | None = None) -> Direction:
        u, right = sound(self, x, context)
        return u, log_q(u, right)

    return mutated(NOISY, VariationalNoise, draw=draw)


MISTAKES: dict[str, tuple[str, Callable[[], Model]]] = {
    "linear rescaling without log-det": ("total mass", lambda: without(Standardize, NICE_LEVELS)),
    "linear rescaling without log-det, Jacobian": ("log-determinant", lambda: without(Standardize, NICE_LEVELS)),
    "NICE without its scales' log-det": ("log-determinant", lambda: without(ActNorm, NICE)),
    "NICE without its scales' log-det, mass": ("total mass", lambda: without(ActNorm, NICE)),
    "1 x 1 convolution counted at one pixel": ("log-determinant", log_det_of_one_pixel),
    "checkerboard log-det over what passes": ("log-determinant", lambda: summed_where(lambda mask: mask)),
    "checkerboard log-det over everything": ("log-determinant", lambda: summed_where(lambda mask: 1.0)),
    "mixture of logistics without the logit": ("log-determinant", logit_forgotten),
    "mixture of logistics solved roughly": ("inverse", search_broken_off),
    "squeeze undone in another order": ("inverse", unsqueezed_elsewhere),
    "learned noise without its entropy": ("total mass", lambda: noise_scored(lambda u, right: 0.0 * right)),
    "learned noise with the wrong sign": ("total mass", lambda: noise_scored(lambda u, right: -right)),
    "learned noise scored before the sigmoid": (
        "total mass",
        lambda: noise_scored(lambda u, right: right + sum_event(u.log() + torch.log1p(-u))),
    ),
}
