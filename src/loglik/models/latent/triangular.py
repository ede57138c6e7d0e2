"""Covariances with a Cholesky factor: full, and tied. What they mean is said in `covariances`."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from loglik.models.latent.covariances import Covariance, Whitener


class Triangular(Covariance):
    """Sigma_k = L_k L_k^T with L_k lower triangular; `scale` is (K, D, D), or (1, D, D) if all components share it."""

    @property
    def lower(self) -> Tensor:
        """L_k, whatever gradient steps may have left above its diagonal."""
        return self.scale.tril()

    def log_det(self) -> Tensor:
        return self.scale.diagonal(dim1=1, dim2=2).abs().log().sum(1)

    def precision(self) -> Tensor:
        return self.whitening().square().sum(1).amax(1)

    def whitening(self) -> Tensor:
        """L_k^-1: with it one GEMM whitens a whole slice, many times faster than a triangular solve for every slice."""
        identity = torch.eye(self.scale.shape[1], dtype=self.scale.dtype, device=self.scale.device)
        inverse: Tensor = torch.linalg.solve_triangular(self.lower, identity.expand_as(self.scale), upper=False)
        return inverse

    def colour(self, z: Tensor, k: int) -> Tensor:
        return self.lower[k % len(self.scale)] @ z

    def unwhiten(self, mixed: Tensor) -> Tensor:
        return self.lower @ mixed

    def factor(self, second: Tensor) -> Tensor:
        identity = torch.eye(second.shape[1], dtype=second.dtype, device=second.device)
        # A Cholesky factor of S - floor I exists if and only if all eigenvalues lie above the floor.
        low = torch.linalg.cholesky_ex(second - self.floor * identity).info != 0
        root: Tensor = torch.linalg.cholesky_ex(second).L
        if bool(low.any()):
            values, vectors = torch.linalg.eigh(second[low])
            # S = V Lambda V^T = R^T R: to form S and factor it again would cost twice the digits.
            root[low] = torch.linalg.qr(values.clamp(min=self.floor).sqrt()[:, :, None] * vectors.mT).R.mT
        return root

    def dense(self) -> Tensor:
        return (self.lower @ self.lower.mT).expand(self.components, self.dims, self.dims)


class Full(Triangular):
    """Each component its own covariance matrix.

    phi(y) = [1, y, y_d y_e for d <= e];  <c, phi> = -|W mu|^2 / 2 + (P mu)^T y - sum P_de y_d y_e / (1 + [d = e])
    with W = L^-1 and P = W^T W.
    """

    def __init__(self, components: int, dims: int, floor: float) -> None:
        super().__init__(components, dims, floor, torch.eye(dims, dtype=torch.float64).repeat(components, 1, 1))

    def whitener(self, means: Tensor) -> Whitener:
        whitening = self.whitening()
        centre = whitening @ means[:, :, None]
        rows = whitening.flatten(0, 1)  # (K D, D): the whitening matrices of all components, one GEMM for them all

        def whiten(y: Tensor, out: Tensor | None = None) -> Tensor:
            flat = torch.mm(rows, y, out=None if out is None else out.view(len(rows), -1))
            return torch.sub(flat.view(len(centre), *y.shape), centre, out=out)

        return whiten

    @property
    def any_layout(self) -> bool:
        return False  # the products of single dimensions need them as rows

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        if len(b) < len(a):  # one GEMM for all components; a batched product with a repeated b is a third slower
            return (a.flatten(0, 1) @ b[0].T).view(len(a), self.dims, self.dims)
        return a @ b.mT

    def mean(self, second: Tensor, counts: Tensor) -> Tensor:
        return second / counts[:, None, None]

    def reduce(self, dense: Tensor) -> Tensor:
        return dense

    @property
    def feature_count(self) -> int:
        return 1 + self.dims + self.dims * (self.dims + 1) // 2

    def writer(self) -> Callable[[Tensor], None]:
        return partial(write_products, self.dims)

    def coefficients(self, means: Tensor) -> Tensor:
        whitening = self.whitening()
        centre = (whitening @ means[:, :, None])[:, :, 0]
        linear = (whitening.mT @ centre[:, :, None])[:, :, 0]
        precision = whitening.mT @ whitening
        precision.diagonal(dim1=1, dim2=2).mul_(0.5)
        d, e = torch.triu_indices(means.shape[1], means.shape[1], device=means.device)
        return torch.cat([-0.5 * centre.square().sum(1, keepdim=True), linear, -precision[:, d, e]], dim=1)

    def collect(self, totals: Tensor, scatter: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        components, dims = means.shape
        d, e = torch.triu_indices(dims, dims, device=means.device)
        square = totals.new_empty(components, dims, dims)
        square[:, d, e] = totals[:, 1 + dims :]
        square[:, e, d] = totals[:, 1 + dims :]
        return self.about(means, totals[:, 0], totals[:, 1 : 1 + dims], square)


class Tied(Triangular):
    """All components share one covariance matrix, (1, D, D).

    With the shared whitening W = L^-1, y' = W y and mu' = W mu:
    phi(y) = [1, y', |y'|^2];  <c, phi> = -|mu'|^2 / 2 + mu'^T y' - |y'|^2 / 2
    """

    def __init__(self, components: int, dims: int, floor: float) -> None:
        super().__init__(components, dims, floor, torch.eye(dims, dtype=torch.float64)[None])

    @property
    def scatters(self) -> bool:
        return True

    def whitener(self, means: Tensor) -> Whitener:
        whitening = self.whitening()[0]
        centre = (means @ whitening.T)[:, :, None]
        return lambda y, out=None: torch.sub(whitening @ y, centre, out=out)

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return a.sum(0, keepdim=True) @ b.mT if len(b) < len(a) else (a @ b.mT).sum(0, keepdim=True)

    def mean(self, second: Tensor, counts: Tensor) -> Tensor:
        return second / counts.sum()

    def reduce(self, dense: Tensor) -> Tensor:
        return dense.mean(0, keepdim=True)

    @property
    def feature_count(self) -> int:
        return 2 + self.dims

    def writer(self) -> Callable[[Tensor], None]:
        whitening = self.whitening()[0]

        def write(phi: Tensor) -> None:
            white = torch.mm(whitening, phi[1:-1])
            phi[1:-1] = white
            torch.sum(white.square_(), 0, out=phi[-1])

        return write

    def coefficients(self, means: Tensor) -> Tensor:
        centre = means @ self.whitening()[0].T
        half = torch.full_like(centre[:, :1], -0.5)
        return torch.cat([-0.5 * centre.square().sum(1, keepdim=True), centre, half], dim=1)

    def collect(self, totals: Tensor, scatter: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        centre = means @ self.whitening()[0].T
        first, second = self.about(centre, totals[:, 0], totals[:, 1:-1], scatter[None])
        return first @ self.lower[0].T, self.lower @ second @ self.lower.mT


def write_products(dims: int, phi: Tensor) -> None:
    """phi = [1, y, y_d y_e for d <= e]"""
    y, row = phi[1 : 1 + dims], 1 + dims
    for d in range(dims):  # y_d times all y_e with e >= d: neighbouring rows, no gather
        torch.mul(y[d:], y[d], out=phi[row : row + dims - d])
        row += dims - d
