"""The fast way to a mixture's densities of few features: the square expanded, one GEMM for all components.

    -|z_k|^2 / 2 = <c_k, phi(y)>,    phi(y) = [1, y, quadratic terms of y],  (F,)

One class for each shape of `covariances`, which gives the same numbers.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from loglik.models.latent.gmm.covariances import Covariance, Diagonal, Full, Spherical, Tied

Moments = tuple[Tensor, Tensor]  # first (K, D) and second moments about the means


class Features(ABC):
    """phi at the factors and means of a pass.

    coefficients (K, F) c_k   precision (K,) or (1,) the largest diagonal element of Sigma_k^-1
    """

    by_event = True  # whether phi is completed as fast when it is the transpose of a contiguous (n, F)
    scatters = False  # whether `moments` need the scatter, which all components share

    coefficients: Tensor
    precision: Tensor

    def __init__(self, covariance: Covariance, means: Tensor) -> None:
        self.covariance, self.means = covariance, means

    @staticmethod
    @abstractmethod
    def count(dims: int) -> int:
        """F."""

    @abstractmethod
    def complete(self, phi: Tensor) -> None:
        """Write phi (F, n) in place, given 1 in row 0 and y in rows 1..D."""

    @abstractmethod
    def moments(self, totals: Tensor, scatter: Tensor) -> Moments:
        """Of sums r_k phi (K, F), and of phi_1..D phi_1..D^T (D, D)."""


def about(covariance: Covariance, means: Tensor, *, counts: Tensor, linear: Tensor, square: Tensor) -> Moments:
    """Moments about 0 -> about the means: m - n mu, and Q - m mu^T - mu (m - n mu)^T."""
    first = linear - counts[:, None] * means
    mu = means[:, :, None]
    return first, square - covariance.outer(linear[:, :, None], mu) - covariance.outer(mu, first[:, :, None])


class ProductFeatures(Features):
    """phi(y) = [1, y, y_d y_e for d <= e];  <c, phi> = -|W mu|^2 / 2 + (P mu)^T y - sum P_de y_d y_e / (1 + [d = e])

    with W = L^-1 and P = W^T W.
    """

    by_event = False  # the products of single dimensions need them as rows

    def __init__(self, covariance: Covariance, means: Tensor) -> None:
        super().__init__(covariance, means)
        assert isinstance(covariance, Full)
        whitening = covariance.whitening()
        centre = (whitening @ means[:, :, None])[:, :, 0]
        linear = (whitening.mT @ centre[:, :, None])[:, :, 0]
        precision = whitening.mT @ whitening
        self.precision = precision.diagonal(dim1=1, dim2=2).amax(1)
        precision.diagonal(dim1=1, dim2=2).mul_(0.5)
        d, e = torch.triu_indices(*precision.shape[1:], device=means.device)
        constant = -0.5 * centre.square().sum(1, keepdim=True)
        self.coefficients = torch.cat([constant, linear, -precision[:, d, e]], dim=1)

    @staticmethod
    def count(dims: int) -> int:
        return 1 + dims + dims * (dims + 1) // 2

    def complete(self, phi: Tensor) -> None:
        dims = self.covariance.dims
        y, row = phi[1 : 1 + dims], 1 + dims
        for d in range(dims):  # y_d times all y_e with e >= d: neighbouring rows, no gather
            torch.mul(y[d:], y[d], out=phi[row : row + dims - d])
            row += dims - d

    def moments(self, totals: Tensor, scatter: Tensor) -> Moments:
        components, dims = self.means.shape
        d, e = torch.triu_indices(dims, dims, device=totals.device)
        square = totals.new_empty(components, dims, dims)
        square[:, d, e] = totals[:, 1 + dims :]
        square[:, e, d] = totals[:, 1 + dims :]
        counts, linear = totals[:, 0], totals[:, 1 : 1 + dims]
        return about(self.covariance, self.means, counts=counts, linear=linear, square=square)


class WhitenedFeatures(Features):
    """With the shared whitening W = L^-1, y' = W y and mu' = W mu:

    phi(y) = [1, y', |y'|^2];  <c, phi> = -|mu'|^2 / 2 + mu'^T y' - |y'|^2 / 2
    """

    scatters = True

    def __init__(self, covariance: Covariance, means: Tensor) -> None:
        super().__init__(covariance, means)
        assert isinstance(covariance, Tied)
        self.lower, self.whitening = covariance.lower, covariance.whitening()[0]
        self.centre = means @ self.whitening.T
        constant = -0.5 * self.centre.square().sum(1, keepdim=True)
        half = torch.full_like(constant, -0.5)
        self.precision = self.whitening.square().sum(0).amax().reshape(1)
        self.coefficients = torch.cat([constant, self.centre, half], dim=1)

    @staticmethod
    def count(dims: int) -> int:
        return 2 + dims

    def complete(self, phi: Tensor) -> None:
        white = torch.mm(self.whitening, phi[1:-1])
        phi[1:-1] = white
        torch.sum(white.square_(), 0, out=phi[-1])

    def moments(self, totals: Tensor, scatter: Tensor) -> Moments:
        counts, linear = totals[:, 0], totals[:, 1:-1]
        first, second = about(self.covariance, self.centre, counts=counts, linear=linear, square=scatter[None])
        return first @ self.lower[0].T, self.lower @ second @ self.lower.mT


class SquareFeatures(Features):
    """phi(y) = [1, y, y^2];  <c, phi> = sum_d -mu^2 / 2 s^2 + (mu / s^2) y - (1 / 2 s^2) y^2"""

    def __init__(self, covariance: Covariance, means: Tensor) -> None:
        super().__init__(covariance, means)
        precision = covariance.scale.square().reciprocal()
        linear = means * precision
        constant = -0.5 * (means * linear).sum(1, keepdim=True)
        self.precision = precision.amax(1)
        self.coefficients = torch.cat([constant, linear, -0.5 * precision], dim=1)

    @staticmethod
    def count(dims: int) -> int:
        return 1 + 2 * dims

    def complete(self, phi: Tensor) -> None:
        y = phi[1 : 1 + self.covariance.dims]
        torch.mul(y, y, out=phi[1 + self.covariance.dims :])

    def moments(self, totals: Tensor, scatter: Tensor) -> Moments:
        dims = self.covariance.dims
        counts, linear, square = totals[:, 0], totals[:, 1 : 1 + dims], totals[:, 1 + dims :]
        return about(self.covariance, self.means, counts=counts, linear=linear, square=square)


class NormFeatures(SquareFeatures):
    """phi(y) = [1, y, |y|^2];  <c, phi> = -|mu|^2 / 2 s^2 + (mu / s^2)^T y - |y|^2 / 2 s^2"""

    @staticmethod
    def count(dims: int) -> int:
        return 2 + dims

    def complete(self, phi: Tensor) -> None:
        torch.sum(phi[1:-1].square(), 0, out=phi[-1])


FEATURES: dict[type[Covariance], type[Features]] = {
    Full: ProductFeatures,
    Tied: WhitenedFeatures,
    Diagonal: SquareFeatures,
    Spherical: NormFeatures,
}
