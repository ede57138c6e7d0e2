"""Tempered sequential Monte Carlo.

Del Moral, Doucet & Jasra 2006, Sequential Monte Carlo samplers, J. R. Statist. Soc. B 68, 411-436; without waste, as in
Dau & Chopin 2022, arXiv:2011.02328: every state that a chain visits is a particle of the next temperature.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.inference.evidence.moves import Moves, States
from loglik.inference.evidence.result import Evidence, effective_size, mean_of_repeats
from loglik.inference.evidence.target import Target
from loglik.ops import log_mean_exp

CHAIN = 20  # states of each chain at a temperature
SHARE = 0.5  # of the particles is what they are worth after a step of temperature
BISECTIONS = 60


@dataclass
class Path:
    """The temperatures below 1 with the moves at each, and the weighted particles of the posterior."""

    stages: list[tuple[float, Moves]]
    states: States
    log_w: Tensor


@torch.no_grad()
def tempered(target: Target, particles: int) -> Path:
    """A run that finds its temperatures on the way, and shapes its moves by the particles.

    Its own log Z would be biased, since the moves depend on the particles that they move.
    """
    states = States(*target.start(particles))
    beta = 0.0
    scales = {"difference": 1.0, "hamiltonian": 0.3}
    stages: list[tuple[float, Moves]] = []
    while True:
        nearer = next_temperature(states.log_l, beta)
        log_w = (nearer - beta) * states.log_l
        if nearer == 1.0:
            return Path(stages, states, log_w)
        beta = nearer
        moves = Moves(target, states.theta, log_w, dict(scales))
        scales = moves.scales
        stages.append((beta, moves))
        states = moved(states, log_w, moves, beta)
        moves.adapts = False


@torch.no_grad()
def along(path: Path, target: Target, particles: int) -> tuple[Tensor, Tensor]:
    """A run with the temperatures and moves of another: log Z, whose Z is unbiased, and the weights at the end.

    log Z = sum_t log mean_i L(theta_i)^(beta_t - beta_(t-1))
    """
    states = States(*target.start(particles))
    log_z, before = torch.zeros((), dtype=torch.float64), 0.0
    for beta, moves in path.stages:
        log_w = (beta - before) * states.log_l
        log_z = log_z + log_mean_exp(log_w)
        states, before = moved(states, log_w, moves, beta), beta
    log_w = (1.0 - before) * states.log_l
    return log_z + log_mean_exp(log_w), log_w


def moved(states: States, log_w: Tensor, moves: Moves, beta: float) -> States:
    """Chains from resampled particles; all that they visit."""
    n = len(log_w)
    chains = max(2, n // CHAIN)
    kept = [states.take(systematic(log_w, chains))]
    for turn in range(n // chains - 1):
        kept.append(moves.step(kept[-1], beta, turn))
    return States.joined(kept)


def next_temperature(log_l: Tensor, beta: float) -> float:
    """The largest step after which the particles are worth `SHARE` of those that are possible at all."""
    possible = log_l[log_l > -torch.inf]
    if effective_size((1.0 - beta) * possible) >= SHARE * len(possible):
        return 1.0
    low, high = 0.0, 1.0 - beta
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if effective_size(middle * possible) >= SHARE * len(possible):
            low = middle
        else:
            high = middle
    return beta + high


def systematic(log_w: Tensor, n: int) -> Tensor:
    """n indices, each particle as often as its weight says to within one."""
    points = (torch.arange(n, dtype=torch.float64) + torch.rand((), dtype=torch.float64)) / n
    return torch.searchsorted(log_w.softmax(0).cumsum(0), points).clamp(max=len(log_w) - 1)


def by_smc(target: Target, *, particles: int, repeats: int) -> Evidence:
    """`repeats` runs of `particles` each, independent given the temperatures and moves of a run in advance."""
    path = tempered(target, particles)
    runs = [along(path, target, particles) for _ in range(repeats)]
    log_z, error = mean_of_repeats(torch.stack([run[0] for run in runs]))
    effective = sum(effective_size(run[1]) for run in runs)
    return Evidence(log_z, error, effective, target.evaluations, 0.0, "smc", repeats)
