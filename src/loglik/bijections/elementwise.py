"""Bijections of each value alone: standardising, the logit, and Gaussianising the marginals of integer data."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.contract import Bijection
from loglik.densities import normal_log_prob
from loglik.ops import KeepsFloat64, are_distributions, sum_event
from loglik.scales import centre_and_scale
from loglik.spaces import Integer

ROWS_AT_ONCE = 2048


class Standardize(KeepsFloat64, Bijection):
    """z = (x - centre) / scale for each dimension, log_det = -sum log scale, in float64 whatever the model's dtype.

    Both are set from the first data seen, as `scales.centre_and_scale` has them: mean and deviation, but for values far
    out; a constant column keeps the scale 1. The scores therefore follow the units of x: those of a x + b are lower by
    sum log|a|, and by nothing else. Over the last `alike` axes values share a centre and a scale, as pixels may.
    """

    def __init__(self, shape: tuple[int, ...], *, alike: int = 0) -> None:
        super().__init__()
        self.own = len(shape) - alike
        self.places = math.prod(shape[self.own :])
        own = (*shape[: self.own], *[1] * alike)
        self.register_buffer("centre", torch.zeros(own, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(own, dtype=torch.float64))

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        alike = tuple(range(self.own + 1, x.ndim))
        pooled = x.movedim(alike, tuple(range(1, len(alike) + 1))).flatten(0, len(alike)) if alike else x
        centre, scale = centre_and_scale(pooled)
        self.centre.copy_(centre.reshape(self.centre.shape))
        self.scale.copy_(torch.where(scale > 0, scale, 1.0).reshape(self.scale.shape))
        return self(x)[0]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return (x.double() - self.centre) / self.scale, self._log_det(x)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z.double() * self.scale + self.centre, -self._log_det(z)

    @property
    def by_value(self) -> bool:
        return True

    def forward_by_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return (x.double() - self.centre) / self.scale, -self.scale.log().expand_as(x)

    def flaw(self) -> str:
        return "" if bool((self.scale > 0).all()) else "a scale is not above 0"

    def _log_det(self, x: Tensor) -> Tensor:
        return (-self.places * self.scale.log().sum()).expand(len(x))

    centre: Tensor
    scale: Tensor


class Logit(Bijection):
    """z = log s - log(1 - s) with s = margin + (1 - 2 margin)(x - low) / (high - low), squeezed off the ends.

    log|dz/dx| = log((1 - 2 margin) / (high - low)) - log s - log(1 - s).   Dinh et al. 2017, arXiv:1605.08803,
    section 4.1, in the symmetric form of its code: the one printed there is infinite at x = high. In float64.
    """

    def __init__(self, low: float, high: float, margin: float = 0.05) -> None:
        super().__init__()
        self.low, self.margin = low, margin
        self.slope = (1.0 - 2.0 * margin) / (high - low)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_slope = self.forward_by_value(x)
        return z, sum_event(log_slope)

    @property
    def by_value(self) -> bool:
        return True

    def forward_by_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s = self.margin + self.slope * (x.double() - self.low)
        z = torch.log(s) - torch.log1p(-s)
        return z, math.log(self.slope) + F.softplus(z) + F.softplus(-z)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z = z.double()
        x = self.low + (torch.sigmoid(z) - self.margin) / self.slope
        return x, -sum_event(math.log(self.slope) + F.softplus(z) + F.softplus(-z))


class Gaussianize(KeepsFloat64, Bijection):
    """z = Phi^-1(F_d(x)), F_d the cumulative histogram of dimension d: every marginal becomes a standard normal.

    For integer data seen as x + u, u ~ U[0, 1): F_d is linear within each level, so

        log|dz_d/dx_d| = log P_d(level of x_d) - log N(z_d; 0, 1),

    and a standard normal base gives the density of independent histograms exactly. What a model puts on top, it learns
    about the dependence alone (a copula). Chen & Gopinath 2000, Gaussianization; Laparra et al. 2011, arXiv:1602.00229.
    `smoothing` is the count added to every level, so that no level has probability 0. In float64.
    """

    # Beyond this the normal quantile of a float64 loses its digits; it is 7 standard deviations out.
    TAIL = 1e-12

    def __init__(self, space: Integer, smoothing: float = 0.1) -> None:
        super().__init__()
        self.levels, self.smoothing = space.levels, smoothing
        mass = torch.full((space.dims, space.levels), 1.0 / space.levels, dtype=torch.float64)
        self.register_buffer("mass", mass)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        counts = torch.full_like(self.mass, self.smoothing)
        parts = torch.split(x, ROWS_AT_ONCE)
        for part in parts:  # in float64 and whole numbers, all rows of images would fill the memory
            level = self._level(part.flatten(1)).T
            counts.scatter_add_(1, level, torch.ones_like(level, dtype=torch.float64))
        self.mass.copy_(counts / counts.sum(1, keepdim=True))
        return torch.cat([self(part)[0] for part in parts])

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_slope = self.forward_by_value(x)
        return z, log_slope.flatten(1).sum(1)

    @property
    def by_value(self) -> bool:
        return True

    def forward_by_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        flat = x.flatten(1).double()
        level = self._level(flat)
        mass, below = self._at(self.mass, level), self._at(self._below(), level)
        quantile = (below + (flat - level) * mass).clamp(self.TAIL, 1.0 - self.TAIL)
        z = torch.special.ndtri(quantile)
        return z.reshape(x.shape), (mass.log() - normal_log_prob(z)).reshape(x.shape)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        flat = z.flatten(1).double()
        quantile = torch.special.ndtr(flat).clamp(self.TAIL, 1.0 - self.TAIL)
        below = self._below()
        level = (torch.searchsorted(below, quantile.T.contiguous(), right=True) - 1).T
        mass = self._at(self.mass, level)
        x = level + ((quantile - self._at(below, level)) / mass).clamp(0.0, 1.0)
        log_det = (normal_log_prob(flat) - mass.log()).sum(1)
        return x.reshape(z.shape), log_det

    def flaw(self) -> str:
        return "" if are_distributions(self.mass) else "the probabilities of a value's levels do not sum to one"

    def _below(self) -> Tensor:
        """(D, levels): the probability of all lower levels."""
        return self.mass.cumsum(1) - self.mass

    def _level(self, flat: Tensor) -> Tensor:
        return flat.floor().clamp(0, self.levels - 1).long()

    @staticmethod
    def _at(table: Tensor, level: Tensor) -> Tensor:
        """(D, levels), (B, D) -> (B, D)"""
        return table.T.gather(0, level)

    mass: Tensor
