"""Annealed importance sampling.   Neal 2001, Statistics and Computing 11, 125-139, arXiv:physics/9803008."""

import torch

from loglik.inference.evidence.moves import States
from loglik.inference.evidence.result import Evidence, effective_size, mean_of_repeats
from loglik.inference.evidence.smc import tempered
from loglik.inference.evidence.target import Target
from loglik.ops import log_mean_exp

BETWEEN = 10  # temperatures for each one of the pilot


@torch.no_grad()
def by_ais(target: Target, *, particles: int, repeats: int) -> Evidence:
    """log w = sum_t (beta_t - beta_(t-1)) log L(theta_(t-1)) of chains from the prior, E w = Z.

    A tempered run in advance finds the temperatures and shapes the moves; then they stay as they are, so that the
    weights of all chains are independent, and their mean is unbiased.
    """
    path = tempered(target, particles)
    states = States(*target.start(particles))
    log_w = torch.zeros(particles, dtype=torch.float64)
    beta, turn = 0.0, 0
    ends = [stage[0] for stage in path.stages[1:]] + [1.0]
    log_w += path.stages[0][0] * states.log_l if path.stages else states.log_l
    for (start, moves), end in zip(path.stages, ends, strict=True):
        for i in range(BETWEEN):
            # Neighbours lie at equal ratios: what changes between temperatures is their logarithm.
            here = start * (end / start) ** (i / BETWEEN)
            beta = start * (end / start) ** ((i + 1) / BETWEEN) if i + 1 < BETWEEN else end
            states, turn = moves.step(states, here, turn), turn + 1
            log_w += (beta - here) * states.log_l
    apart = log_w[: particles // repeats * repeats].reshape(repeats, -1)
    log_z, error = mean_of_repeats(log_mean_exp(apart, dim=1))
    return Evidence(log_z, error, effective_size(log_w), target.evaluations, 0.0, "ais", repeats)
