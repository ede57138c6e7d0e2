"""Densities of known mass, fitted to samples of a model: what its own density is held against.

They are written here, or taken from torch, and share nothing with the models that they judge. Of each kind of space
there are several, from the plainest on; `fitted` returns the one under which samples it has not seen are likeliest, so
a model is told from its proposal with as few samples as there are.

    reals       a normal; a mixture of K normals; each with covariances shrunk towards their diagonals
    discrete    uniform; a product of histograms, of all values alike or of each its own; a mixture of K such products
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from loglik.spaces import Discrete, Space

COMPONENTS = (2, 8)
PASSES = 12  # of EM
SHRINKAGE = (0.02, 0.2, 1.0)  # towards the diagonal
FULL = 400  # dims up to which covariances are full
PSEUDO_COUNT = 0.5  # of each level
LEAST = 30  # samples for each component
MOST_CELLS = 20_000_000  # of tables


class Proposal(ABC):
    """A density of mass one, in float64."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """(B, *event) -> (B,), in nats."""

    @abstractmethod
    def sample(self, n: int) -> Tensor:
        """(n, *event)"""


class NormalMixture(Proposal):
    """sum_k w_k N(x; m_k, S_k)"""

    def __init__(self, shape: tuple[int, ...], weights: Tensor, means: Tensor, factors: Tensor) -> None:
        """(K,), (K, D), (K, D, D) lower triangular."""
        self.shape = shape
        parts = MultivariateNormal(means, scale_tril=factors, validate_args=False)
        self.density = MixtureSameFamily(Categorical(probs=weights), parts, validate_args=False)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.density.log_prob(x.double().flatten(1))  # type: ignore[no-any-return]

    def sample(self, n: int) -> Tensor:
        return self.density.sample((n,)).reshape(n, *self.shape)  # type: ignore[no-any-return]


class Histograms(Proposal):
    """sum_k w_k prod_d theta_kd(x_d)"""

    def __init__(self, shape: tuple[int, ...], weights: Tensor, theta: Tensor) -> None:
        """(K,), (K, D, L)"""
        self.shape, self.weights, self.log_theta = shape, weights, theta.log()

    def each(self, x: Tensor) -> Tensor:
        """(B, K): log w_k + log p_k(x)"""
        index = x.long().flatten(1)[:, None, :, None]
        parts = self.log_theta[None].expand(len(x), -1, -1, -1).gather(3, index.expand(-1, len(self.weights), -1, 1))
        return parts.squeeze(3).sum(2) + self.weights.log()

    def log_prob(self, x: Tensor) -> Tensor:
        return self.each(x).logsumexp(1)

    def sample(self, n: int) -> Tensor:
        chosen = torch.multinomial(self.weights, n, replacement=True)
        x = torch.empty(n, self.log_theta.shape[1], dtype=torch.long, device=chosen.device)
        for k in range(len(self.weights)):
            rows = (chosen == k).nonzero().squeeze(1)
            x[rows] = torch.multinomial(self.log_theta[k].exp(), len(rows), replacement=True).T
        return x.reshape(n, *self.shape)


def fitted(space: Space, x: Tensor) -> Proposal:
    """The proposal under which a third of the samples is likeliest, of those fitted to the others."""
    seen, unseen = x[: 2 * len(x) // 3], x[2 * len(x) // 3 :]
    found = _of_levels(space, seen) if isinstance(space, Discrete) else _of_reals(space, seen)
    likeliest = [float(proposal.log_prob(unseen).mean()) for proposal in found]
    return found[max(range(len(found)), key=lambda i: likeliest[i] if math.isfinite(likeliest[i]) else -math.inf)]


def _of_reals(space: Space, x: Tensor) -> list[Proposal]:
    flat = x.double().flatten(1)
    scaled = flat / flat.std(0).clamp(min=1e-300)
    shrinkage = SHRINKAGE if space.dims <= FULL else (1.0,)
    found: list[Proposal] = [_normals(space, flat, torch.ones_like(flat[:, :1]), share) for share in shrinkage]
    for k in COMPONENTS:
        if len(flat) < LEAST * k or space.dims > FULL // 4:
            continue
        share = SHRINKAGE[0] if len(flat) > 4 * k * space.dims else SHRINKAGE[1]
        belongs = torch.nn.functional.one_hot(torch.cdist(scaled, scaled[:k]).argmin(1), k).double()
        for _ in range(PASSES):
            proposal = _normals(space, flat, belongs, share)
            mixture = proposal.density
            parts = mixture.component_distribution.log_prob(flat[:, None]) + mixture.mixture_distribution.logits
            belongs = torch.softmax(parts, dim=1)
        found.append(proposal)
    return found


def _normals(space: Space, x: Tensor, belongs: Tensor, shrinkage: float) -> NormalMixture:
    """Weighted means and covariances, x (B, D), belongs (B, K); a component of few is drawn to the spread of all."""
    total = belongs.sum(0)
    means = (belongs.T @ x + x.mean(0)) / (total + 1.0)[:, None]
    around = x.var(0, correction=0).clamp(min=1e-12 * (1.0 + x.square().mean(0)))
    covariances = []
    for k in range(belongs.shape[1]):
        centred = (x - means[k]) * belongs[:, k : k + 1].sqrt()
        covariance = (centred.T @ centred + torch.diag(around)) / (total[k] + 1.0)
        diagonal = torch.diag(covariance.diagonal())
        covariances.append((1.0 - shrinkage) * covariance + shrinkage * diagonal)
    factors = torch.linalg.cholesky(torch.stack(covariances))
    return NormalMixture(space.shape, (total + 1.0) / (total + 1.0).sum(), means, factors)


def _of_levels(space: Discrete, x: Tensor) -> list[Proposal]:
    levels, dims, flat = space.levels, space.dims, x.long().flatten(1)
    one = torch.ones(1, dtype=torch.float64, device=x.device)
    alike = flat.flatten().bincount(minlength=levels).double() + PSEUDO_COUNT
    found: list[Proposal] = [
        Histograms(space.shape, one, (one / levels).expand(1, dims, levels)),
        Histograms(space.shape, one, (alike / alike.sum()).expand(1, dims, levels)),
    ]
    if dims * levels <= MOST_CELLS:
        found.append(_histograms(space, flat, one.expand(len(x), 1)))
    for k in COMPONENTS:
        if len(x) < LEAST * k or dims * levels * k > MOST_CELLS or dims * len(x) * k > MOST_CELLS:
            continue
        unlike = (flat[:, None] != flat[None, :k]).sum(2)
        belongs = torch.nn.functional.one_hot(unlike.argmin(1), k).double()
        for _ in range(PASSES):
            proposal = _histograms(space, flat, belongs)
            belongs = torch.softmax(proposal.each(x), dim=1)
        found.append(proposal)
    return found


def _histograms(space: Discrete, x: Tensor, belongs: Tensor) -> Histograms:
    """x (B, D), belongs (B, K); a level that a component has not seen is as likely as in all of them, or a little."""
    cells = space.dims * space.levels
    index = (x + space.levels * torch.arange(space.dims, device=x.device)).flatten()
    counts = torch.stack([index.bincount(share.repeat_interleave(space.dims), cells) for share in belongs.T])
    counts = counts.reshape(-1, space.dims, space.levels)
    prior = counts.sum(0) + 1.0 / space.levels
    theta = counts + PSEUDO_COUNT * space.levels * prior / prior.sum(1, keepdim=True)
    total = belongs.sum(0) + 1.0
    return Histograms(space.shape, total / total.sum(), theta / theta.sum(2, keepdim=True))
