"""What may be believed of a mixture's components before any data, and MAP-EM by it.

In the units y of the model, where the data have mean 0 and variance 1, with n_0 = `rows`, for full covariances

    pi ~ Dirichlet(1 + kappa, ...)    mu_k|Sigma_k ~ N(0, Sigma_k / kappa)    Sigma_k ~ IW(psi I, nu)
    kappa = n_0 / 100    nu = D + 1 + n_0    psi = n_0 K^(-2/D),  so that E Sigma_k = K^(-2/D) I

    log p(theta) = sum_k [log N(mu_k|0, Sigma_k / kappa) + (nu D / 2) log(psi / 2) - log Gamma_D(nu / 2)
                          - (nu + D + 1)/2 log|Sigma_k| - (psi/2) tr Sigma_k^-1]
                   + log Gamma(K (1 + kappa)) - K log Gamma(1 + kappa) + kappa sum_k log pi_k

and for diagonal ones the same of every dimension by itself, with D = 1 there, but for psi. The M-step stays closed:

    mu_k = sum_n r_nk y_n / (n_k + kappa)    pi_k = (n_k + kappa) / (N + K kappa)
    Sigma_k = (psi I + sum_n r_nk (y_n - mu_k)(y_n - mu_k)^T + kappa mu_k mu_k^T) / (n_k + nu + D + 2)

Fraley & Raftery 2007, Bayesian regularization for normal mixture estimation and model-based clustering, J. Classif. 24,
155-181, whose prior of the covariances is that of n_0 = 1.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from loglik.densities import LOG_2PI
from loglik.models.latent.gmm.covariances import Covariance, Full
from loglik.models.latent.gmm.fast_expectation import MixtureStats


@dataclass(frozen=True)
class ComponentPrior:
    """The prior of K components over D dimensions that counts like `rows` rows for each; see above."""

    rows: float
    components: int
    dims: int
    correlated: bool  # full covariances, or diagonal ones

    @property
    def kappa(self) -> float:
        return self.rows / 100.0

    @property
    def block(self) -> int:
        """The dimensions of one inverse Wishart density."""
        return self.dims if self.correlated else 1

    @property
    def nu(self) -> float:
        return self.block + 1.0 + self.rows

    @property
    def psi(self) -> float:
        return self.rows * math.pow(self.components, -2.0 / self.dims)

    def added_to(self, stats: MixtureStats, means: Tensor, covariance: Covariance) -> MixtureStats:
        """The statistics about `means` (K, D), with kappa events at 0 for each component, and their scatter with psi I.

        Their M-step is that of maximum likelihood, but for `more` in the divisor of the covariances.
        """
        at_zero = (self.kappa**0.5 * means)[:, :, None]
        one = torch.eye(self.dims).to(means) if self.correlated else means.new_ones(())
        return replace(
            stats,
            counts=stats.counts + self.kappa,
            first=stats.first - self.kappa * means,
            second=stats.second + covariance.outer(at_zero, at_zero) + self.psi * one,
        )

    @property
    def more(self) -> float:
        """What the covariances are divided by, beyond n_k + kappa."""
        return self.nu + self.block + 2.0 - self.kappa

    def log_density(self, log_pi: Tensor, means: Tensor, covariance: Covariance) -> Tensor:
        """log p(theta), ()."""
        k, block, half = self.components, self.block, 0.5 * self.nu
        white = covariance.whitener(torch.zeros_like(means))(means.T)  # (K, D, K): L_k^-1 mu_j
        distances = white.diagonal(dim1=0, dim2=2).square().sum()
        precision = (covariance.whitening() if isinstance(covariance, Full) else covariance.scale.reciprocal()).square()
        each = half * block * math.log(0.5 * self.psi) - _log_gamma(half, block)
        each += 0.5 * block * (math.log(self.kappa) - LOG_2PI)
        constant = k * (self.dims // block) * each
        constant += math.lgamma(k * (1.0 + self.kappa)) - k * math.lgamma(1.0 + self.kappa)
        log_dets = (self.nu + block + 2.0) * covariance.log_det().sum()
        spread = 0.5 * (self.kappa * distances + self.psi * precision.sum())
        return constant - log_dets - spread + self.kappa * log_pi.sum()


def _log_gamma(a: float, dims: int) -> float:
    """log Gamma_D(a), the multivariate one."""
    return 0.25 * dims * (dims - 1) * math.log(math.pi) + sum(math.lgamma(a - 0.5 * j) for j in range(dims))
