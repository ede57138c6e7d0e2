"""The four shapes of a mixture's covariances, Sigma_k = L_k L_k^T: full, tied, diagonal, spherical.

A shape writes its Gaussians in two forms, which give the same numbers; `expectation` says when it takes which.

    whitened    log N(y|mu_k, Sigma_k) = -|z_k|^2 / 2 - log|L_k| - (D/2) log 2 pi,    z_k = L_k^-1 (y - mu_k)
    expanded    -|z_k|^2 / 2 = <c_k, phi(y)>,    phi(y) = [1, y, quadratic terms of y],  (F,)

Mixtures have no maximum likelihood: a component that sits on one event may shrink for ever (Day 1969). So covariances
are confined to Sigma_k >= floor * I in coordinates y where the data has variance 1; the prior is uniform on that set.
The M-step stays exact, since the best covariance there is S_k with its eigenvalues raised to the floor; hence EM still
never lowers the likelihood itself, and a component that is nowhere near the floor is not touched by it at all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from loglik.errors import UsageError


class Whitener(Protocol):
    def __call__(self, y: Tensor, out: Tensor | None = None) -> Tensor: ...


class Covariance(nn.Module, ABC):
    """The covariances of K components over D dimensions, held as factors `scale`.

    Second moments have the shape of `scale`, whose axes are 1 where components or dimensions share a value. Subclasses
    say what a factor does (`whitener`, `colour`, `outer`, ...) and how the expanded square reads (`coefficients`, ...).
    """

    def __init__(self, components: int, dims: int, floor: float, scale: Tensor) -> None:
        super().__init__()
        if components < 1:
            raise UsageError(f"Expected at least 1 component; got {components}.")
        if not 0.0 < floor < 1.0:
            raise UsageError(f"The floor is a share of the data's variance, between 0 and 1; got {floor}.")
        self.components, self.dims, self.floor = components, dims, floor
        self.scale = nn.Parameter(scale)

    def units(self, deviation: Tensor) -> Tensor:
        """(D,) -> (D,): the length of one unit of y along each dimension of x, from the standard deviations of x."""
        return deviation

    @abstractmethod
    def log_det(self) -> Tensor:
        """(K,) or (1,): log|L_k|."""

    @abstractmethod
    def precision(self) -> Tensor:
        """(K,) or (1,): the largest diagonal element of Sigma_k^-1."""

    @abstractmethod
    def whitener(self, means: Tensor) -> Whitener:
        """The function y (D, n) -> z (K, D, n), into `out` if given, for many slices at the same factors and means."""

    @abstractmethod
    def colour(self, z: Tensor, k: int) -> Tensor:
        """(D, n) -> (D, n): L_k z."""

    @abstractmethod
    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        """(K, D, n), (K or 1, D, n) -> sum over n of a_k b_k^T, as much of it as this shape keeps."""

    @abstractmethod
    def unwhiten(self, mixed: Tensor) -> Tensor:
        """Second moments of z_k and y -> those of y: L_k mixed_k."""

    @abstractmethod
    def mean(self, second: Tensor, counts: Tensor) -> Tensor:
        """Sums over counts (K,) events -> their mean S_k."""

    @abstractmethod
    def factor(self, second: Tensor) -> Tensor:
        """S_k -> L_k, with S_k raised to the floor."""

    @abstractmethod
    def reduce(self, dense: Tensor) -> Tensor:
        """(K, D, D) -> the same covariances in this shape; what the shape cannot hold is averaged or dropped."""

    @abstractmethod
    def dense(self) -> Tensor:
        """(K, D, D): Sigma_k."""

    @property
    @abstractmethod
    def feature_count(self) -> int:
        """F."""

    @abstractmethod
    def writer(self) -> Callable[[Tensor], None]:
        """The function that completes phi (F, n) in place, given 1 in row 0 and y in rows 1..D."""

    @abstractmethod
    def coefficients(self, means: Tensor) -> Tensor:
        """(K, F): c_k."""

    @abstractmethod
    def collect(self, totals: Tensor, scatter: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of phi (K, F), and of phi_1..D phi_1..D^T (D, D) -> first (K, D) and second moments about the means."""

    @property
    def any_layout(self) -> bool:
        """Whether the writer is as fast when phi is the transpose of a contiguous (n, F)."""
        return True

    @property
    def scatters(self) -> bool:
        """Whether `collect` wants the scatter, which all components share."""
        return False

    def about(self, means: Tensor, counts: Tensor, linear: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
        """Moments about 0 -> about the means: m - n mu, and Q - m mu^T - mu (m - n mu)^T."""
        first = linear - counts[:, None] * means
        mu = means[:, :, None]
        return first, square - self.outer(linear[:, :, None], mu) - self.outer(mu, first[:, :, None])

    @torch.no_grad()
    def assign(self, second: Tensor, alive: Tensor) -> None:
        """Set the factors to those of S_k (K, ...); components not `alive` (K,) keep theirs."""
        alive = alive if len(alive) == len(self.scale) else alive.any().reshape(1)
        kept = alive.reshape(-1, *[1] * (self.scale.ndim - 1))
        safe = torch.where(kept, second, torch.ones_like(second))
        self.scale.copy_(torch.where(kept, self.factor(safe), self.scale))
