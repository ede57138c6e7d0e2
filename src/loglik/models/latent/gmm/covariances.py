"""The four shapes of a mixture's covariances, Sigma_k = L_k L_k^T: full, tied, diagonal, spherical.

    log N(y|mu_k, Sigma_k) = -|z_k|^2 / 2 - log|L_k| - (D/2) log 2 pi,    z_k = L_k^-1 (y - mu_k)

Mixtures have no maximum likelihood: a component that sits on one event may shrink for ever (Day 1969). So covariances
are confined to Sigma_k >= floor * I in coordinates y where the data has variance 1; the prior is uniform on that set.
The M-step stays exact, since the best covariance there is S_k with its eigenvalues raised to the floor; hence EM still
never lowers the likelihood itself, and a component that is nowhere near the floor is not touched by it at all.
"""

from abc import ABC, abstractmethod
from typing import Protocol

import torch
from torch import Tensor, nn

from loglik.errors import UsageError


class Whitener(Protocol):
    def __call__(self, y: Tensor, out: Tensor | None = None) -> Tensor: ...


class Covariance(nn.Module, ABC):
    """The covariances of K components over D dimensions, held as factors `scale`.

    Second moments have the shape of `scale`, whose axes are 1 where components or dimensions share a value.
    """

    correlated = False  # whether events in few directions leave the others to the floor

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

    @property
    def free_parameters(self) -> int:
        """How many numbers can be chosen: those of `scale`, one triangle of each matrix."""
        return self.scale.numel()

    @abstractmethod
    def log_det(self) -> Tensor:
        """(K,) or (1,): log|L_k|."""

    @abstractmethod
    def whitener(self, means: Tensor) -> Whitener:
        """The function y (D, n) -> z (K, D, n), into `out` if given, for many slices at the same factors and means."""

    @abstractmethod
    def colour(self, z: Tensor, k: int) -> Tensor:
        """(D, n) -> (D, n): L_k z."""

    @abstractmethod
    def dense(self) -> Tensor:
        """(K, D, D): Sigma_k."""

    @abstractmethod
    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        """(K, D, n), (K or 1, D, n) -> sum over n of a_k b_k^T, as much of it as this shape keeps."""

    @abstractmethod
    def unwhiten(self, mixed: Tensor) -> Tensor:
        """Second moments of z_k and y -> those of y: L_k mixed_k."""

    @abstractmethod
    def factor(self, second: Tensor) -> Tensor:
        """S_k -> L_k, with S_k raised to the floor."""

    def divisor(self, counts: Tensor) -> Tensor:
        """(K,) -> what sums over as many events are divided by, to be the S_k of this shape."""
        return counts.reshape(-1, *[1] * (self.scale.ndim - 1))

    @torch.no_grad()
    def assign(self, second: Tensor, counts: Tensor) -> None:
        """Set the factors to those of second moments, sums over counts (K,) events; of no event they stay."""
        divisor = self.divisor(counts)
        some = divisor > 0
        mean = torch.where(some, second / divisor, 1.0)
        self.scale.copy_(torch.where(some, self.factor(mean), self.scale))


class Full(Covariance):
    """Each component its own covariance matrix; `scale` is L (K, D, D), lower triangular."""

    correlated = True

    def __init__(self, components: int, dims: int, floor: float) -> None:
        super().__init__(components, dims, floor, torch.eye(dims, dtype=torch.float64).repeat(components, 1, 1))

    @property
    def free_parameters(self) -> int:
        return len(self.scale) * self.dims * (self.dims + 1) // 2

    @property
    def lower(self) -> Tensor:
        """L_k, whatever gradient steps may have left above its diagonal."""
        return self.scale.tril()

    def log_det(self) -> Tensor:
        return self.scale.diagonal(dim1=1, dim2=2).abs().log().sum(1)

    def whitening(self) -> Tensor:
        """L_k^-1: with it one GEMM whitens a whole slice, many times faster than a triangular solve for every slice."""
        identity = torch.eye(self.dims, dtype=self.scale.dtype, device=self.scale.device)
        inverse: Tensor = torch.linalg.solve_triangular(self.lower, identity.expand_as(self.scale), upper=False)
        return inverse

    def whitener(self, means: Tensor) -> Whitener:
        whitening = self.whitening()
        centre = whitening @ means[:, :, None]
        rows = whitening.flatten(0, 1)  # (K D, D): the whitening matrices of all components, one GEMM for them all

        def whiten(y: Tensor, out: Tensor | None = None) -> Tensor:
            fits = out is not None and len(whitening) == len(centre)
            flat = torch.mm(rows, y, out=out.view(len(rows), -1) if out is not None and fits else None)
            return torch.sub(flat.view(len(whitening), *y.shape), centre, out=out)

        return whiten

    def colour(self, z: Tensor, k: int) -> Tensor:
        return self.lower[k % len(self.scale)] @ z

    def dense(self) -> Tensor:
        return (self.lower @ self.lower.mT).expand(self.components, self.dims, self.dims)

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        if len(b) < len(a):  # one GEMM for all components; a batched product with a repeated b is a third slower
            return (a.flatten(0, 1) @ b[0].T).view(len(a), self.dims, self.dims)
        return a @ b.mT

    def unwhiten(self, mixed: Tensor) -> Tensor:
        return self.lower @ mixed

    def factor(self, second: Tensor) -> Tensor:
        identity = torch.eye(self.dims, dtype=second.dtype, device=second.device)
        # A Cholesky factor of S - floor I exists if and only if all eigenvalues lie above the floor.
        low = torch.linalg.cholesky_ex(second - self.floor * identity).info != 0
        root: Tensor = torch.linalg.cholesky_ex(second).L
        if bool(low.any()):
            values, vectors = torch.linalg.eigh(second[low])
            # S = V Lambda V^T = R^T R: to form S and factor it again would cost twice the digits.
            root[low] = torch.linalg.qr(values.clamp(min=self.floor).sqrt()[:, :, None] * vectors.mT).R.mT
        return root


class Tied(Full):
    """All components share one covariance matrix; `scale` is L (1, D, D)."""

    def __init__(self, components: int, dims: int, floor: float) -> None:
        Covariance.__init__(self, components, dims, floor, torch.eye(dims, dtype=torch.float64)[None])

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return a.sum(0, keepdim=True) @ b.mT if len(b) < len(a) else (a @ b.mT).sum(0, keepdim=True)

    def divisor(self, counts: Tensor) -> Tensor:
        return counts.sum().reshape(1, 1, 1)


class Diagonal(Covariance):
    """Sigma_k = diag(s_k^2); `scale` is s (K, D)."""

    def __init__(self, components: int, dims: int, floor: float) -> None:
        super().__init__(components, dims, floor, torch.ones(components, dims, dtype=torch.float64))

    def log_det(self) -> Tensor:
        return self.dims // self.scale.shape[1] * self.scale.abs().log().sum(1)  # spherical: D times the one scale

    def whitener(self, means: Tensor) -> Whitener:
        centre, scale = means[:, :, None], self.scale[:, :, None]
        return lambda y, out=None: torch.div(torch.sub(y, centre, out=out), scale, out=out)

    def colour(self, z: Tensor, k: int) -> Tensor:
        return self.scale[k, :, None] * z

    def dense(self) -> Tensor:
        return torch.diag_embed(self.scale.square().expand(-1, self.dims))

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(2)

    def unwhiten(self, mixed: Tensor) -> Tensor:
        return self.scale * mixed

    def factor(self, second: Tensor) -> Tensor:
        return second.clamp(min=self.floor).sqrt()


class Spherical(Diagonal):
    """Sigma_k = s_k^2 I in the units of x, so all dimensions share one unit; `scale` is s (K, 1)."""

    def __init__(self, components: int, dims: int, floor: float) -> None:
        Covariance.__init__(self, components, dims, floor, torch.ones(components, 1, dtype=torch.float64))

    def units(self, deviation: Tensor) -> Tensor:
        largest = deviation.amax()  # taken out, for the square of a deviation may overflow
        return (largest * (deviation / largest).square().mean().sqrt()).expand_as(deviation)

    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((1, 2))[:, None]

    def divisor(self, counts: Tensor) -> Tensor:
        return self.dims * counts[:, None]
