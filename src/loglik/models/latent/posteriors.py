"""The two posteriors that have a formula: of normal latents, and of a latent with finitely many values."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from loglik.contract import Posterior
from loglik.densities import normal_log_prob
from loglik.ops import sum_event


class NormalPosterior(Posterior):
    """z ~ N(mean, L L^T) for each event: mean (B, q), L = `root`, lower triangular, (B, q, q) or (1, q, q) for all.

    Its divergences are from p(z) = N(0, I), the prior of all models that have normal latents.
    """

    def __init__(self, mean: Tensor, root: Tensor, *, exact: bool) -> None:
        self.mean, self.root, self.exact = mean, root, exact

    @property
    def covariance(self) -> Tensor:
        """(B, q, q), or (1, q, q) where it is the same for all events."""
        return self.root @ self.root.mT

    def sample(self, n: int) -> Tensor:
        eps = torch.randn(n, *self.mean.shape, dtype=self.mean.dtype, device=self.mean.device)
        return self.mean + self._by_event(self.root, eps)

    def log_prob(self, z: Tensor) -> Tensor:
        n, B, _ = z.shape
        eps = torch.linalg.solve_triangular(self.root, (z - self.mean).movedim(0, -1), upper=False).movedim(-1, 0)
        log_volume = self.root.diagonal(dim1=1, dim2=2).log().sum(1)
        return sum_event(normal_log_prob(eps.reshape(n * B, -1))).reshape(n, B) - log_volume

    def points(self) -> tuple[Tensor, Tensor]:
        """The 2 q points mean +- sqrt(q) L_i, alike in weight: exact up to the third degree (Stroud 1957)."""
        q = self.mean.shape[1]
        steps = math.sqrt(q) * self.root.mT.expand(len(self.mean), q, q).movedim(1, 0)  # (q, B, q)
        return torch.cat([self.mean + steps, self.mean - steps]), self.mean.new_full((2 * q,), 0.5 / q)

    def divergence(self, prior: Callable[[Tensor], Tensor]) -> Tensor:
        """1/2 [tr S + |mean|^2 - q - log|S|]."""
        log_det = 2.0 * self.root.diagonal(dim1=1, dim2=2).log().sum(1)
        spread = self.root.square().sum((1, 2)) - self.mean.shape[1]
        return 0.5 * (spread + self.mean.square().sum(1) - log_det)

    def log_second_moment(self, prior: Callable[[Tensor], Tensor]) -> Tensor:
        """-log|S| - 1/2 log|A| + 2 m^T P A^-1 P m - m^T P m,  P = S^-1, A = 2 P - I; infinite unless A > 0."""
        precision = torch.cholesky_inverse(self.root)
        identity = torch.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
        root, failed = torch.linalg.cholesky_ex(2.0 * precision - identity)
        pulled = (precision @ self.mean[:, :, None])[:, :, 0]
        solved = torch.linalg.solve_triangular(root, pulled[:, :, None], upper=False)[:, :, 0]
        log_det = 2.0 * self.root.diagonal(dim1=1, dim2=2).log().sum(1)
        volume = -log_det - root.diagonal(dim1=1, dim2=2).log().sum(1)
        moment = volume + 2.0 * solved.square().sum(1) - (self.mean * pulled).sum(1)
        return torch.where(failed > 0, math.inf, moment)

    @staticmethod
    def _by_event(root: Tensor, eps: Tensor) -> Tensor:
        """L eps, (n, B, q)."""
        return (root @ eps.movedim(0, -1)).movedim(-1, 0)


class CategoricalPosterior(Posterior):
    """z in 0..K-1 for each event, with the log-probabilities `log_probs` (B, K)."""

    def __init__(self, log_probs: Tensor, *, exact: bool) -> None:
        self.log_probs, self.exact = log_probs, exact

    @property
    def support(self) -> Tensor:
        return torch.arange(self.log_probs.shape[1], device=self.log_probs.device)

    def divergence(self, prior: Callable[[Tensor], Tensor]) -> Tensor:
        terms = self.log_probs.exp() * (self.log_probs - prior(self.support))
        return torch.where(self.log_probs > -math.inf, terms, 0.0).sum(1)

    def log_second_moment(self, prior: Callable[[Tensor], Tensor]) -> Tensor:
        return (2.0 * self.log_probs - prior(self.support)).logsumexp(1)

    def sample(self, n: int) -> Tensor:
        if not len(self.log_probs):
            return torch.zeros(n, 0, dtype=torch.int64, device=self.log_probs.device)
        return torch.multinomial(self.log_probs.exp(), n, replacement=True).T

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_probs.gather(1, z.T).T
