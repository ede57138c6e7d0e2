"""Markov chains that leave p_beta(theta) ~ L(theta)^beta p(theta) as it is, many side by side."""

from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.inference.evidence.proposals import StudentMixture
from loglik.inference.evidence.target import Target

JUMP = 0.1  # of the difference moves are whole differences, which lead from mode to mode
REFERENCE = 1000  # draws that differences are taken of
LEAPS = 8  # most leapfrog steps of a trajectory
WANTED = {"difference": 0.25, "hamiltonian": 0.75}  # shares of moves to be accepted


@dataclass
class States:
    """theta (B, d) with log L and log p, (B,)."""

    theta: Tensor
    log_l: Tensor
    log_p: Tensor

    def take(self, index: Tensor) -> "States":
        return States(self.theta[index], self.log_l[index], self.log_p[index])

    def replaced(self, accept: Tensor, other: "States") -> "States":
        return States(
            torch.where(accept[:, None], other.theta, self.theta),
            torch.where(accept, other.log_l, self.log_l),
            torch.where(accept, other.log_p, self.log_p),
        )

    def log_tempered(self, beta: float) -> Tensor:
        """beta log L + log p; -inf where either is."""
        return torch.where(self.log_p > -torch.inf, beta * self.log_l + self.log_p, -torch.inf)

    @staticmethod
    def joined(parts: "list[States]") -> "States":
        return States(*(torch.cat([getattr(p, name) for p in parts]) for name in ("theta", "log_l", "log_p")))


class Moves:
    """Three kinds of Metropolis moves in turn, shaped by weighted draws that stay as they are while the chains move.

    difference      theta + g (a - b), a and b two of the draws (ter Braak 2006, Statistics and Computing 16, 239-249)
    independence    a draw from a mixture of t's fitted to the draws
    hamiltonian     leapfrog steps along the gradient, where there is one (Neal 2011, arXiv:1206.1901)
    """

    def __init__(self, target: Target, theta: Tensor, log_w: Tensor, scales: dict[str, float]) -> None:
        self.target = target
        self.scales = scales  # carried from one temperature to the next
        self.adapts = True
        w = log_w.softmax(0)
        self.reference = theta[torch.multinomial(w, min(REFERENCE, len(theta)), replacement=True)]
        self.mixture = StudentMixture.fit(theta, log_w)
        mean = w @ theta
        self.deviation = (w @ (theta - mean).square()).sqrt().clamp(min=1e-300)
        self.kinds = [self.difference, self.independence]
        if target.differentiable:
            self.kinds.insert(0, self.hamiltonian)

    def step(self, states: States, beta: float, turn: int) -> States:
        return self.kinds[turn % len(self.kinds)](states, beta)

    def difference(self, states: States, beta: float) -> States:
        B, d = states.theta.shape
        a, b = (self.reference[torch.randint(len(self.reference), (B,))] for _ in range(2))
        size = self.scales["difference"] * 2.38 / (2.0 * d) ** 0.5 * torch.exp(0.5 * torch.randn(B, 1).double())
        size = torch.where(torch.rand(B, 1) < JUMP, 1.0, size)
        noise = 1e-3 * self.scales["difference"] * self.deviation * torch.randn(B, d).double()
        proposed = states.theta + size * (a - b) + noise
        accept, moved = self._accept(states, proposed, beta, torch.zeros(B).double())
        local = size[:, 0] != 1.0
        self._adapt("difference", accept[local])
        return moved

    def independence(self, states: States, beta: float) -> States:
        proposed = self.mixture.sample(len(states.theta))
        log_ratio = self.mixture.log_prob(states.theta) - self.mixture.log_prob(proposed)
        return self._accept(states, proposed, beta, log_ratio)[1]

    def hamiltonian(self, states: States, beta: float) -> States:
        """Trajectories that leave the support are turned down."""
        step = self.scales["hamiltonian"] * self.deviation * float(0.8 + 0.4 * torch.rand(()))
        theta = states.theta
        momentum = torch.randn(theta.shape).double()
        energy = 0.5 * momentum.square().sum(1)
        _, _, slope = self.target.gradient(theta, beta)
        alive = torch.ones(len(theta), dtype=torch.bool)
        log_l, log_p = states.log_l, states.log_p
        for _ in range(int(torch.randint(1, LEAPS + 1, ()))):
            half = momentum + 0.5 * step * slope
            ahead = theta + step * half
            alive = alive & ahead.isfinite().all(1)
            theta = torch.where(alive[:, None], ahead, theta)
            log_l, log_p, slope = self.target.gradient(theta, beta)
            alive = alive & (log_p > -torch.inf)
            momentum = half + 0.5 * step * slope
        change = energy - 0.5 * momentum.square().sum(1)
        change = torch.where(alive, change, -torch.inf)
        accept, moved = self._decide(states, States(theta, log_l, log_p), beta, change)
        self._adapt("hamiltonian", accept)
        return moved

    def _accept(self, states: States, proposed: Tensor, beta: float, log_ratio: Tensor) -> tuple[Tensor, States]:
        return self._decide(states, States(proposed, *self.target.log_density(proposed)), beta, log_ratio)

    def _decide(self, states: States, other: States, beta: float, log_ratio: Tensor) -> tuple[Tensor, States]:
        log_accept = other.log_tempered(beta) - states.log_tempered(beta) + log_ratio
        accept = torch.rand(len(log_accept)).double().log() < log_accept
        return accept, states.replaced(accept, other)

    def _adapt(self, kind: str, accept: Tensor) -> None:
        """The scale follows the share accepted, of all chains together, which hardly depends on any one of them."""
        if self.adapts and len(accept):
            share = float(accept.double().mean())
            self.scales[kind] = min(4.0, max(1e-4, self.scales[kind] * 1.5 ** ((share - WANTED[kind]) * 2.0)))
