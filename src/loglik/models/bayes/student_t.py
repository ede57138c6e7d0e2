"""Multivariate Student-t densities, mixtures of them, and what they say of some values given the others.

    t_nu(x|mu, S) = G((nu + D)/2) / [G(nu/2) (nu pi)^(D/2) |S|^(1/2)] (1 + d/nu)^-((nu + D)/2),   d = |x - mu|^2_S^-1
    x_o ~ t_nu(mu_o, S_oo)
    x_u|x_o ~ t_(nu+o)(mu_u + S_uo S_oo^-1 (x_o - mu_o),  (nu + d_o)/(nu + o) (S_uu - S_uo S_oo^-1 S_ou))

G is the gamma function, o also the number of values observed. nu = inf is the normal density. Ding 2016, On the
conditional distribution of the multivariate t distribution, arXiv:1604.00561.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.densities import LOG_2PI
from loglik.ops import rows_by_mask

NORMAL = 1e8  # degrees of freedom from which on the density is taken for the normal one where both are computed


def student_t_log_prob(distance: Tensor, log_root_det: Tensor, nu: Tensor, dims: int) -> Tensor:
    """log t_nu from d = |x - mu|^2_S^-1 and log|S|/2, all of shapes that broadcast."""
    normal = -0.5 * (dims * LOG_2PI + distance) - log_root_det
    finite = nu.clamp(max=NORMAL)
    volume = torch.lgamma(0.5 * (finite + dims)) - torch.lgamma(0.5 * finite) - 0.5 * dims * (math.pi * finite).log()
    log_t = volume - log_root_det - 0.5 * (finite + dims) * torch.log1p(distance / finite)
    return torch.where(nu.isinf(), normal, log_t)


def stretch(nu: Tensor) -> Tensor:
    """(B,) -> (B,): draws of sqrt(nu / g), g ~ chi^2(nu), which make a normal draw one of t_nu; 1 where nu = inf."""
    finite = nu.clamp(max=NORMAL)
    g = 2.0 * torch.distributions.Gamma(0.5 * finite, torch.ones_like(finite)).sample()
    return torch.where(nu.isinf(), 1.0, (finite / g).sqrt())


@dataclass(frozen=True)
class StudentTs:
    """A mixture: log_pi (K,), means (K, D), roots L (K, D, D) of the scale matrices, lower triangular, nu (K,)."""

    log_pi: Tensor
    means: Tensor
    roots: Tensor
    nu: Tensor

    def log_joint(self, x: Tensor) -> Tensor:
        """(B, D) -> log pi_k + log t(x|k), (K, B)."""
        eps = torch.linalg.solve_triangular(self.roots, (x - self.means[:, None]).mT, upper=False)  # (K, D, B)
        log_root_det = self.roots.diagonal(dim1=1, dim2=2).log().sum(1)
        log_t = student_t_log_prob(eps.square().sum(1), log_root_det[:, None], self.nu[:, None], x.shape[1])
        return self.log_pi[:, None] + log_t

    def sample(self, n: int) -> Tensor:
        """(n, D)"""
        k = torch.multinomial(self.log_pi.exp(), n, replacement=True) if n else self.log_pi.new_zeros(0).long()
        eps = torch.randn(n, self.means.shape[1], dtype=self.means.dtype, device=self.means.device)
        coloured = torch.empty_like(eps)
        for j in range(len(self.log_pi)):
            coloured[k == j] = eps[k == j] @ self.roots[j].T
        return self.means[k] + stretch(self.nu[k])[:, None] * coloured

    def log_marginal(self, x: Tensor, observed: Tensor) -> Tensor:
        """(B, D), observed (B, D) bool -> log p(x_o), (B,)."""
        log_p = x.new_zeros(len(x))
        for seen, rows in rows_by_mask(observed):
            log_p[rows] = self._of(seen).log_joint(x[rows][:, seen]).logsumexp(0)
        return log_p

    def sample_given(self, x: Tensor, observed: Tensor) -> Tensor:
        """(B, D), observed (B, D) bool -> x with the other values drawn from p(x_u|x_o)."""
        drawn = x.clone()
        for seen, rows in rows_by_mask(observed):
            if not bool(seen.all()):
                drawn[rows] = self._completed(x[rows], seen)
        return drawn

    def _of(self, seen: Tensor) -> "StudentTs":
        """The same of the values `seen`, (D,) bool."""
        if bool(seen.all()):
            return self
        scales = (self.roots @ self.roots.mT)[:, seen][:, :, seen]
        return StudentTs(self.log_pi, self.means[:, seen], torch.linalg.cholesky(scales), self.nu)

    def _completed(self, x: Tensor, seen: Tensor) -> Tensor:
        part = self._of(seen)
        chosen = torch.multinomial(part.log_joint(x[:, seen]).softmax(0).T, 1).squeeze(1)
        x = x.clone()
        for k in set(chosen.tolist()):
            rows = (chosen == k).nonzero().squeeze(1)
            scale = self.roots[k] @ self.roots[k].T
            half = torch.linalg.solve_triangular(part.roots[k], scale[seen][:, ~seen], upper=False)  # L^-1 S_ou
            centred = (x[rows][:, seen] - part.means[k]).T
            eps = torch.linalg.solve_triangular(part.roots[k], centred, upper=False)  # (o, R)
            rest = torch.linalg.cholesky(scale[~seen][:, ~seen] - half.T @ half)
            nu, more = self.nu[k].expand(len(rows)), int(seen.sum())
            factor = torch.where(nu.isinf(), 1.0, ((nu + eps.square().sum(0)) / (nu + more)).sqrt())
            noise = torch.randn(len(rows), len(rest), dtype=x.dtype, device=x.device)
            filled = x[rows]
            filled[:, ~seen] = (
                self.means[k, ~seen] + eps.T @ half + (factor * stretch(nu + more))[:, None] * (noise @ rest.T)
            )
            x[rows] = filled
        return x
