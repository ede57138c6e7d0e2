"""Laplace's approximation: a normal at the mode whose precision is the curvature there.

    p(theta | X) ~ N(theta*, H^-1),   H = -d^2 log p(X, theta) / dtheta^2 at theta*
    log p(X) ~ log p(X, theta*) + d/2 log 2 pi - 1/2 log |H|

MacKay 1992, A practical Bayesian framework for backpropagation networks, Neural Computation 4.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.densities import LOG_2PI
from loglik.errors import UsageError
from loglik.inference.posterior.priors import NormalPrior
from loglik.inference.posterior.target import LogJoint

ROUNDS = 20  # of the search for the prior's scale
FULL = 5000  # weights of a full Hessian
SMALLEST, LARGEST = 1e-4, 1e4  # of the scale of a prior that the evidence chooses


@dataclass(frozen=True)
class Laplace:
    """The normal, in factors: theta = mode + root @ eps on the `free` weights; the others stay at the mode.

    log_evidence: the estimate of log p(X); None where weights were held fixed. flat: directions in which the
        likelihood is not concave at the mode, where the curvature of the prior alone was taken.
    """

    mode: Tensor
    root: Tensor  # (f, f), or (f,) of a diagonal one
    free: Tensor  # (f,) places of the weights
    log_evidence: float | None
    prior: NormalPrior
    flat: int

    def sample(self, n: int) -> Tensor:
        """(n, d)."""
        eps = torch.randn(n, len(self.free), dtype=torch.float64)
        theta = self.mode.repeat(n, 1)
        theta[:, self.free] += eps * self.root if self.root.ndim == 1 else eps @ self.root.T
        return theta


Curvature = Callable[[LogJoint, Tensor], tuple[Tensor, Tensor]]  # places (f,), curvature (f, f) or (f,)


def full(target: LogJoint, mode: Tensor) -> tuple[Tensor, Tensor]:
    """The exact Hessian of all weights.

    Raises:
        UsageError: of more than FULL weights it takes gigabytes, and hours.
    """
    d = len(mode)
    if d > FULL:
        raise UsageError(
            f"Expected at most {FULL} weights for a full Hessian; got {d}. Take method='laplace-diagonal' or "
            "'laplace-last-layer'."
        )
    places = torch.arange(d)
    return places, target.hessian(mode, places)


def diagonal(target: LogJoint, mode: Tensor) -> tuple[Tensor, Tensor]:
    """The diagonal of the empirical Fisher matrix: never negative, one backward pass for each row."""
    return torch.arange(len(mode)), target.fisher(mode)


def last_layer(target: LogJoint, mode: Tensor) -> tuple[Tensor, Tensor]:
    """The exact Hessian of the last weight matrix and its bias; all other weights stay at the mode."""
    matrices = [place for place, p in enumerate(target.parameters) if p.ndim >= 2]
    if not matrices:
        raise UsageError("Expected a model with a weight matrix for its last layer; got none. Take method='laplace'.")
    owner = target.names[matrices[-1]].rpartition(".")[0]
    sizes = [p.numel() for p in target.parameters]
    starts = torch.tensor([0, *sizes]).cumsum(0).tolist()
    own = [
        torch.arange(starts[i], starts[i + 1])
        for i, name in enumerate(target.names)
        if name.rpartition(".")[0] == owner
    ]
    places = torch.cat(own)
    if len(places) > FULL:
        raise UsageError(
            f"Expected a last layer of at most {FULL} weights; got {len(places)}. Take 'laplace-diagonal'."
        )
    return places, target.hessian(mode, places)[:, places]


def laplace(target: LogJoint, curvature: Curvature) -> Laplace:
    """The normal at the target's mode; without a prior, under the normal one whose scale has the highest evidence.

    Raises:
        UsageError: a prior that is not normal, whose curvature is not the same everywhere; weights that neither the
            data nor the prior holds.
    """
    if target.prior is not None and not isinstance(target.prior, NormalPrior):
        raise UsageError("Expected a normal prior for Laplace's approximation; got another. Take method='hmc'.")
    if isinstance(target.prior, NormalPrior):
        return _at_mode(target, curvature, target.prior)
    target.prior = NormalPrior(1.0)
    for _ in range(ROUNDS):
        found = _at_mode(target, curvature, target.prior)
        target.start = found.mode
        before, target.prior = target.prior, NormalPrior(_better_scale(target, found, target.prior))
        if abs(math.log(float(target.prior.scale) / float(before.scale))) < 1e-3:  # type: ignore[arg-type]
            break
    return _at_mode(target, curvature, target.prior)


def _better_scale(target: LogJoint, found: Laplace, prior: NormalPrior) -> float:
    """MacKay's update: 1 / s^2 <- gamma / |theta|^2, gamma the number of weights that the data determine."""
    alpha = float(prior.precision(target.model)[0])
    kept = found.root.square().sum()  # the trace of H^-1
    gamma = len(found.free) - alpha * float(kept)
    scale = math.sqrt(float(found.mode[found.free].square().sum()) / max(gamma, 1e-9))
    return min(max(scale, SMALLEST), LARGEST)


def _at_mode(target: LogJoint, curvature: Curvature, prior: NormalPrior) -> Laplace:
    mode = target.mode()
    places, lik = curvature(target, mode)
    precision = prior.precision(target.model)[places]
    root, log_det, flat = _root(lik, precision)
    log_evidence = None
    if len(places) == len(mode):
        log_evidence = target.gradient(mode)[0] + 0.5 * len(mode) * LOG_2PI - 0.5 * log_det
    return Laplace(mode, root, places, log_evidence, prior, flat)


def _root(lik: Tensor, precision: Tensor) -> tuple[Tensor, float, int]:
    """A root of (lik + diag(precision))^-1, log |lik + diag(precision)|, and the directions made concave.

    A net's mode may be a saddle of the likelihood in directions that only rounding sees; there its curvature counts as
    none, and that of the prior remains.

    Raises:
        UsageError: where the prior is flat too.
    """
    if lik.ndim == 1:
        total = lik + precision
        _check_held(total)
        return total.rsqrt(), float(total.log().sum()), 0
    total = 0.5 * (lik + lik.T) + torch.diag(precision)
    factor, wrong = torch.linalg.cholesky_ex(total)
    flat = 0
    if int(wrong):
        values, vectors = torch.linalg.eigh(0.5 * (lik + lik.T))
        flat = int((values < 0).sum())
        total = (vectors * values.clamp(min=0.0)) @ vectors.T + torch.diag(precision)
        factor, wrong = torch.linalg.cholesky_ex(total)
    _check_held(torch.zeros(1) if int(wrong) else factor.diagonal())
    eye = torch.eye(len(total), dtype=total.dtype)
    root = torch.linalg.solve_triangular(factor.T, eye, upper=True)
    return root, 2.0 * float(factor.diagonal().log().sum()), flat


def _check_held(curvatures: Tensor) -> None:
    if not bool((curvatures > 0).all()):
        raise UsageError(
            "Expected every weight to be held by the data or a prior; got some with neither. Give a prior for all: "
            "prior=loglik.NormalPrior(1.0)."
        )
