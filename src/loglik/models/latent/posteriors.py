"""The two posteriors that have a formula: of normal latents, and of a latent with finitely many values."""

import torch
from torch import Tensor

from loglik.contract import Posterior
from loglik.densities import normal_log_prob
from loglik.ops import sum_event


class NormalPosterior(Posterior):
    """z ~ N(mean, L L^T) for each event: mean (B, q), L = `root`, lower triangular, (B, q, q) or (1, q, q) for all."""

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

    @staticmethod
    def _by_event(root: Tensor, eps: Tensor) -> Tensor:
        """L eps, (n, B, q)."""
        return (root @ eps.movedim(0, -1)).movedim(-1, 0)


class CategoricalPosterior(Posterior):
    """z in 0..K-1 for each event, with the log-probabilities `log_probs` (B, K)."""

    def __init__(self, log_probs: Tensor, *, exact: bool) -> None:
        self.log_probs, self.exact = log_probs, exact

    def sample(self, n: int) -> Tensor:
        if not len(self.log_probs):
            return torch.zeros(n, 0, dtype=torch.int64, device=self.log_probs.device)
        return torch.multinomial(self.log_probs.exp(), n, replacement=True).T

    def log_prob(self, z: Tensor) -> Tensor:
        return self.log_probs.gather(1, z.T).T
