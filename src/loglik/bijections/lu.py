"""A square matrix that stays invertible while it is learned, with its determinant for free: the LU form."""

import torch
from torch import Tensor, nn

from loglik.ops import is_permutation


class LU(nn.Module):
    """W = P L U, (D, D): P a fixed permutation, L unit lower triangular, U upper triangular with diagonal s.

        s = sign exp(log_scale),    log|det W| = sum log_scale

    The signs are those of the start and stay, so W is invertible whatever the parameters. The determinant costs D
    operations in place of D^3, and the inverse is two triangular solves.
    Kingma & Dhariwal 2018, Glow, arXiv:1807.03039, section 3.2; Oliva et al. 2018, TAN, arXiv:1801.09819.

    Args:
        start: (D, D), invertible; W begins there.
    """

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        size = len(start)
        self.register_buffer("order", torch.arange(size))  # row i of W is row order[i] of L U
        self.register_buffer("sign", torch.ones(size))
        self.log_scale = nn.Parameter(torch.zeros(size))
        # L below the diagonal, U above it; of a single number neither is left.
        self.triangles = nn.Parameter(torch.zeros(size, size)) if size > 1 else None
        self.start(start)

    @torch.no_grad()
    def start(self, matrix: Tensor) -> None:
        """Begin at W = matrix."""
        permutation, lower, upper = torch.linalg.lu(matrix.double())
        self.order.copy_(permutation.argmax(dim=1))
        self.sign.copy_(upper.diagonal().sign())
        self.log_scale.copy_(upper.diagonal().abs().log())
        if self.triangles is not None:
            self.triangles.copy_(lower.tril(-1) + upper.triu(1))

    def matrix(self) -> Tensor:
        """(D, D)"""
        lower, upper = self._factors()
        with torch.autocast(lower.device.type, enabled=False):
            return (lower @ upper)[self.order]

    def log_abs_det(self) -> Tensor:
        """log|det W|, a scalar."""
        return self.log_scale.sum()

    def solve(self, z: Tensor) -> Tensor:
        """(D, n) -> W^-1 z, (D, n)."""
        lower, upper = (factor.to(z.dtype) for factor in self._factors())
        between = torch.linalg.solve_triangular(lower, z[self.order.argsort()], upper=False, unitriangular=True)
        x: Tensor = torch.linalg.solve_triangular(upper, between, upper=True)
        return x

    def inverse(self) -> Tensor:
        """W^-1, (D, D)."""
        return self.solve(torch.eye(len(self.sign), dtype=self.sign.dtype, device=self.sign.device))

    def flaw(self) -> str:
        if not is_permutation(self.order):
            return "the order of the rows is no permutation"
        return "" if bool((self.sign.abs() == 1).all()) else "the signs of the diagonal are not 1 or -1"

    def _factors(self) -> tuple[Tensor, Tensor]:
        """L and U. The ones on the diagonal of L are written here, so that what is stored there is never read."""
        scale = torch.diag(self.sign * self.log_scale.exp())
        if self.triangles is None:
            return torch.ones_like(scale), scale
        one = torch.eye(len(scale), dtype=scale.dtype, device=scale.device)
        return self.triangles.tril(-1) + one, self.triangles.triu(1) + scale

    order: Tensor
    sign: Tensor


def rotation(size: int) -> Tensor:
    """(size, size), float64: a rotation or reflection drawn evenly from all (Haar), by torch's generator.

    Mezzadri 2007, How to generate random matrices from the classical compact groups, arXiv:math-ph/0609050: the signs
    of R's diagonal make the QR decomposition of a normal matrix unique, and Q even.
    """
    orthogonal, triangular = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64))
    even: Tensor = orthogonal * triangular.diagonal().sign()
    return even


def permutation(size: int) -> Tensor:
    """(size, size), float64: a random permutation matrix, by torch's generator."""
    return torch.eye(size, dtype=torch.float64)[torch.randperm(size)]
