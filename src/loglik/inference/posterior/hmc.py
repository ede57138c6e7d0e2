"""Hamiltonian Monte Carlo on all rows, its step adapted by dual averaging while it warms up.

Neal 2011, MCMC using Hamiltonian dynamics; Hoffman & Gelman 2014, The No-U-Turn sampler, section 3.2 (the step).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.inference.posterior.target import LogJoint

WANTED = 0.8  # acceptance
PATH = 1.5  # length of a path, in standard deviations of the posterior if the mass fits


@dataclass(frozen=True)
class Chains:
    """draws (S, d); traces (C, n) of log p(X, theta); the mean acceptance, 0 to 1."""

    draws: Tensor
    traces: Tensor
    accepted: float


def hmc(target: LogJoint, mode: Tensor, mass: Tensor, *, draws: int, chains: int, warm: int, thin: int) -> Chains:
    """Chains from around the mode; every `thin`-th state after `warm` is a draw, `draws` of all chains together.

    Args:
        mass: (d,), above 0: about the precision of the posterior, weight by weight.
    """
    scale, each = mass.rsqrt(), math.ceil(draws / chains)
    kept, traces, accepted = [], [], []
    for _ in range(chains):
        theta = mode + 0.1 * scale * torch.randn_like(mode)
        states, trace, rate = _chain(target, theta, scale, each, warm, thin=thin)
        kept.append(states)
        traces.append(trace)
        accepted.append(rate)
    return Chains(torch.stack(kept, dim=1).flatten(0, 1)[:draws], torch.stack(traces), sum(accepted) / chains)


def _chain(
    target: LogJoint, theta: Tensor, scale: Tensor, each: int, warm: int, *, thin: int
) -> tuple[Tensor, Tensor, float]:
    value, slope = target.gradient(theta)
    step = _Step(0.5 * len(theta) ** -0.25)
    states, trace, accepted = [], [], 0.0
    for turn in range(warm + each * thin):
        size = step.size if turn < warm else step.settled
        length = max(1, min(100, round(PATH / size * (0.5 + float(torch.rand(()))))))
        p = torch.randn_like(theta)
        ahead, energy, push = theta, 0.5 * float(p.square().sum()) - value, slope
        there = value
        for _ in range(length):
            p = p + 0.5 * size * scale * push
            ahead = ahead + size * scale * p
            there, push = target.gradient(ahead)
            p = p + 0.5 * size * scale * push
            if not math.isfinite(there):
                break
        change = energy - (0.5 * float(p.square().sum()) - there) if math.isfinite(there) else -math.inf
        chance = math.exp(min(0.0, change)) if change > -700.0 else 0.0
        if float(torch.rand(())) < chance:
            theta, value, slope = ahead, there, push
        if turn < warm:
            step.learn(chance)
        else:
            accepted += chance
            trace.append(value)
            if (turn - warm) % thin == thin - 1:
                states.append(theta)
    return torch.stack(states), torch.tensor(trace, dtype=torch.float64), accepted / (each * thin)


class _Step:
    """Nesterov's dual averaging of log step, towards the acceptance WANTED."""

    def __init__(self, size: float) -> None:
        self.size = self.settled = size
        self.aim, self.lack, self.turn = math.log(10.0 * size), 0.0, 0

    def learn(self, chance: float) -> None:
        self.turn += 1
        t = self.turn
        self.lack += (WANTED - chance - self.lack) / (t + 10.0)
        log_size = self.aim - math.sqrt(t) / 0.05 * self.lack
        share = t**-0.75
        self.settled = math.exp(share * log_size + (1.0 - share) * math.log(self.settled))
        self.size = math.exp(log_size)
