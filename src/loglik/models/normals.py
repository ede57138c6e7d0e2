"""Parts of normal vectors: what a mixture of normals says of some values, and of the others given these.

    p(x_o) = sum_k pi_k N(x_o|mu_o, S_oo)
    p(x_u|x_o) = sum_k p(k|x_o) N(x_u|mu_u + S_uo S_oo^-1 (x_o - mu_o),  S_uu - S_uo S_oo^-1 S_ou)

with mu and S those of component k. Petersen & Pedersen 2012, The Matrix Cookbook, section 8.1.
"""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.contract import Claim, ExactModel
from loglik.densities import LOG_2PI
from loglik.ops import rows_by_mask


class MixtureOfNormals(ExactModel):
    """A model whose events, flattened, are a mixture of normals: any of their values can be left out, exactly."""

    @abstractmethod
    def normals(self) -> "Normals":
        """The mixture of y = (x - shift) / unit, see `units`."""

    @property
    def units(self) -> tuple[Tensor, Tensor] | None:
        """shift and unit (D,) of y; None: y is x."""
        return None

    def conditions(self, observed: Tensor) -> Claim:
        return Claim.EXACT

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        y, observed = self._flat(x, observed, context)
        log_p = self.normals().log_marginal(y, observed)
        return log_p if self.units is None else log_p - torch.where(observed, self.units[1].log(), 0.0).sum(1)

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        drawn = self.normals().sample_given(*self._flat(x, observed, context))
        if self.units is not None:
            drawn = self.units[0] + self.units[1] * drawn
        return torch.where(observed.to(self.device), x.to(drawn), drawn.reshape(x.shape))

    def _flat(self, x: Tensor, observed: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        observed = self.masks(observed, x)
        y = self.events(torch.where(observed, x.to(self.device), 0.0), context).flatten(1)
        return y if self.units is None else (y - self.units[0]) / self.units[1], observed.flatten(1)


@dataclass(frozen=True)
class Normals:
    """log_pi (K,), means (K, D), covariances (K, D, D), in float64; a single normal has K = 1."""

    log_pi: Tensor
    means: Tensor
    covariances: Tensor

    def log_marginal(self, x: Tensor, observed: Tensor) -> Tensor:
        """(B, D), observed (B, D) bool -> log p(x_o), (B,)."""
        return self.log_joint(x, observed).logsumexp(1)

    def log_joint(self, x: Tensor, observed: Tensor) -> Tensor:
        """(B, D), observed (B, D) bool -> log p(k, x_o), (B, K)."""
        log_p = x.new_zeros(len(x), len(self.means))
        for seen, rows in rows_by_mask(observed):
            log_p[rows] = self._log_joint(x[rows], seen).T
        return log_p

    def sample_given(self, x: Tensor, observed: Tensor) -> Tensor:
        """(B, D), observed (B, D) bool -> x with the other values drawn from p(x_u|x_o)."""
        drawn = x.clone()
        for seen, rows in rows_by_mask(observed):
            if not bool(seen.all()):
                drawn[rows] = self._completed(x[rows], seen)
        return drawn

    def _log_joint(self, x: Tensor, seen: Tensor) -> Tensor:
        """(R, D), one mask (D,) -> log p(k, x_o), (K, R)."""
        root = torch.linalg.cholesky(self.covariances[:, seen][:, :, seen])
        centred = (x[:, seen] - self.means[:, None, seen]).mT  # (K, o, R)
        eps = torch.linalg.solve_triangular(root, centred, upper=False)
        volume = root.diagonal(dim1=1, dim2=2).log().sum(1) + 0.5 * int(seen.sum()) * LOG_2PI
        log_joint: Tensor = (self.log_pi - volume)[:, None] - 0.5 * eps.square().sum(1)
        return log_joint

    def _completed(self, x: Tensor, seen: Tensor) -> Tensor:
        chosen = torch.multinomial(self._log_joint(x, seen).softmax(0).T, 1).squeeze(1)
        x = x.clone()
        for k in set(chosen.tolist()):
            rows = (chosen == k).nonzero().squeeze(1)
            mean, covariance = self.means[k], self.covariances[k]
            root = torch.linalg.cholesky(covariance[seen][:, seen])
            half = torch.linalg.solve_triangular(root, covariance[seen][:, ~seen], upper=False)  # L^-1 S_ou
            eps = torch.linalg.solve_triangular(root, (x[rows][:, seen] - mean[seen]).T, upper=False)
            rest = torch.linalg.cholesky(covariance[~seen][:, ~seen] - half.T @ half)
            noise = torch.randn(len(rows), len(rest), dtype=x.dtype, device=x.device)
            filled = x[rows]
            filled[:, ~seen] = mean[~seen] + eps.T @ half + noise @ rest.T
            x[rows] = filled
        return x
