"""Mixtures of Student's t, fitted to weighted draws: they cover several modes, and their tails are heavy."""

import math

import torch
from torch import Tensor

from loglik.models.latent.gmm.covariances import Full
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.spaces import Real

FREEDOM = 8.0  # degrees of freedom: tails heavier than a normal posterior's, light enough to be efficient
MOST_COMPONENTS = 20
STEPS = 12  # of EM
FLOOR = 1e-9  # of a component's variance, as a share of the draws'


class StudentMixture:
    """p(theta) = sum_k pi_k t_nu(theta|mu_k, S_k S_k^T): `weights` (K,), `means` (K, d), `roots` (K, d, d)."""

    def __init__(self, weights: Tensor, means: Tensor, roots: Tensor) -> None:
        self.weights, self.means, self.roots = weights, means, roots

    @classmethod
    @torch.no_grad()
    def fit(cls, theta: Tensor, log_w: Tensor) -> "StudentMixture":
        """EM for a Gaussian mixture on draws (n, d) of log weights (n,), its shapes kept and its tails made heavier."""
        n, d = theta.shape
        w = n * log_w.softmax(0)
        kept = w > 1e-6
        worth = float(w.sum().square() / w.square().sum())
        components = max(1, min(MOST_COMPONENTS, int(worth) // (10 * d)))
        mixture = GaussianMixture(Real((d,)), Full(components, d, FLOOR))
        drawn = theta[torch.multinomial(w, n, replacement=True)]
        mixture.initialize(drawn)
        for _ in range(STEPS if components > 1 else 1):
            mixture.maximize(mixture.expect(theta[kept], weights=w[kept]))
        roots = torch.linalg.cholesky(mixture.covariances)
        return cls(mixture.weights.detach(), mixture.means.detach(), roots.detach())

    def sample(self, n: int) -> Tensor:
        """n draws, (n, d)."""
        k = torch.multinomial(self.weights, n, replacement=True)
        z = torch.randn(n, self.means.shape[1], dtype=self.means.dtype)
        shape = torch.full((n, 1), FREEDOM / 2.0, dtype=z.dtype)
        stretch = (FREEDOM / (2.0 * torch._standard_gamma(shape))).sqrt()
        return self.means[k] + stretch * (self.roots[k] @ z[:, :, None])[:, :, 0]

    def log_prob(self, theta: Tensor) -> Tensor:
        """(B, d) -> (B,)"""
        d = theta.shape[1]
        centred = (theta[None] - self.means[:, None]).mT  # (K, d, B)
        square = torch.linalg.solve_triangular(self.roots, centred, upper=False).square().sum(1)
        constant = math.lgamma((FREEDOM + d) / 2) - math.lgamma(FREEDOM / 2) - 0.5 * d * math.log(FREEDOM * math.pi)
        volume = self.roots.diagonal(dim1=1, dim2=2).log().sum(1)
        log_t = constant - volume[:, None] - 0.5 * (FREEDOM + d) * torch.log1p(square / FREEDOM)
        return (self.weights.log()[:, None] + log_t).logsumexp(0)
