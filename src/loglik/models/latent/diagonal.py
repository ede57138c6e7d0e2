"""Covariances without correlations: diagonal, and spherical. What they mean is said in `covariances`."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from loglik.models.latent.covariances import Covariance, Whitener


class Diagonal(Covariance):
    """Sigma_k = diag(s_k^2); `scale` is s (K, D).

    phi(y) = [1, y, y^2];  <c, phi> = sum_d -mu^2 / 2 s^2 + (mu / s^2) y - (1 / 2 s^2) y^2
    """

    def __init__(self, components: int, dims: int, floor: float) -> None:
        super().__init__(components, dims, floor, torch.ones(components, dims, dtype=torch.float64))

    def log_det(self) -> Tensor:
        return self.scale.abs().log().sum(1)

    def precision(self) -> Tensor:
        return self.scale.square().reciprocal().amax(1)

    def whitener(self, means: Tensor) -> Whitener:
        centre, scale = means[:, :, None], self.scale[:, :, None]
        return lambda y, out=None: torch.div(torch.sub(y, centre, out=out), scale, out=out)

    def colour(self, z: Tensor, k: int) -> Tensor:
        return self.scale[k, :, None] * z

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(2)

    def unwhiten(self, mixed: Tensor) -> Tensor:
        return self.scale * mixed

    def mean(self, second: Tensor, counts: Tensor) -> Tensor:
        return second / counts[:, None]

    def factor(self, second: Tensor) -> Tensor:
        return second.clamp(min=self.floor).sqrt()

    def reduce(self, dense: Tensor) -> Tensor:
        return dense.diagonal(dim1=1, dim2=2)

    def dense(self) -> Tensor:
        return torch.diag_embed(self.scale.square())

    @property
    def feature_count(self) -> int:
        return 1 + 2 * self.dims

    def writer(self) -> Callable[[Tensor], None]:
        return partial(write_squares, self.dims)

    def coefficients(self, means: Tensor) -> Tensor:
        precision = self.scale.square().reciprocal()
        linear = means * precision
        return torch.cat([-0.5 * (means * linear).sum(1, keepdim=True), linear, -0.5 * precision], dim=1)

    def collect(self, totals: Tensor, scatter: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        dims = means.shape[1]
        return self.about(means, totals[:, 0], totals[:, 1 : 1 + dims], totals[:, 1 + dims :])


class Spherical(Covariance):
    """Sigma_k = s_k^2 I in the units of x, so all dimensions share one unit; `scale` is s (K, 1).

    phi(y) = [1, y, |y|^2];  <c, phi> = -|mu|^2 / 2 s^2 + (mu / s^2)^T y - |y|^2 / 2 s^2
    """

    def __init__(self, components: int, dims: int, floor: float) -> None:
        super().__init__(components, dims, floor, torch.ones(components, 1, dtype=torch.float64))

    def units(self, deviation: Tensor) -> Tensor:
        largest = deviation.amax()  # taken out, for the square of a deviation may overflow
        return (largest * (deviation / largest).square().mean().sqrt()).expand_as(deviation)

    def log_det(self) -> Tensor:
        return self.dims * self.scale[:, 0].abs().log()

    def precision(self) -> Tensor:
        return self.scale[:, 0].square().reciprocal()

    def whitener(self, means: Tensor) -> Whitener:
        centre, scale = means[:, :, None], self.scale[:, :, None]
        return lambda y, out=None: torch.div(torch.sub(y, centre, out=out), scale, out=out)

    def colour(self, z: Tensor, k: int) -> Tensor:
        return self.scale[k] * z

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((1, 2))[:, None]

    def unwhiten(self, mixed: Tensor) -> Tensor:
        return self.scale * mixed

    def mean(self, second: Tensor, counts: Tensor) -> Tensor:
        return second / (self.dims * counts[:, None])

    def factor(self, second: Tensor) -> Tensor:
        return second.clamp(min=self.floor).sqrt()

    def reduce(self, dense: Tensor) -> Tensor:
        return dense.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)

    def dense(self) -> Tensor:
        return torch.diag_embed(self.scale.square().expand(self.components, self.dims))

    @property
    def feature_count(self) -> int:
        return 2 + self.dims

    def writer(self) -> Callable[[Tensor], None]:
        return write_norm

    def coefficients(self, means: Tensor) -> Tensor:
        precision = self.scale.square().reciprocal()
        linear = means * precision
        return torch.cat([-0.5 * (means * linear).sum(1, keepdim=True), linear, -0.5 * precision], dim=1)

    def collect(self, totals: Tensor, scatter: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        return self.about(means, totals[:, 0], totals[:, 1:-1], totals[:, -1:])


def write_squares(dims: int, phi: Tensor) -> None:
    """phi = [1, y, y^2]"""
    y = phi[1 : 1 + dims]
    torch.mul(y, y, out=phi[1 + dims :])


def write_norm(phi: Tensor) -> None:
    """phi = [1, y, |y|^2]"""
    torch.sum(phi[1:-1].square(), 0, out=phi[-1])
