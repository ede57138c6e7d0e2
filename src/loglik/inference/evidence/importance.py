"""Importance sampling from an adapted mixture.   Cappe et al. 2008, Statistics and Computing 18, 447-459."""

import math

import torch
from torch import Tensor

from loglik.inference.evidence.proposals import StudentMixture
from loglik.inference.evidence.result import Evidence, effective_size, mean_of_repeats
from loglik.inference.evidence.smc import tempered
from loglik.inference.evidence.target import Target
from loglik.ops import log_mean_exp

ROUNDS = 3  # of drawing, weighing and fitting again
DEFENCE = 0.1  # of the draws come from the prior, so no weight exceeds the likelihood times 10


@torch.no_grad()
def by_importance(target: Target, *, particles: int, repeats: int) -> Evidence:
    """log w = log L(theta) + log p(theta) - log q(theta), E_q w = Z.

    A tempered run finds the modes; q, a mixture of t's and the prior, is fitted to it and adapted. The draws that count
    are new, so their weights are independent: `repeats` parts of them are the independent estimates.
    """
    path = tempered(target, particles)
    mixture = StudentMixture.fit(path.states.theta, path.log_w)
    for _ in range(ROUNDS):
        theta, log_w = _weighted(target, mixture, particles)
        mixture = StudentMixture.fit(theta, log_w)
    log_w = torch.cat([_weighted(target, mixture, particles)[1] for _ in range(repeats)])
    log_z, error = mean_of_repeats(log_mean_exp(log_w.reshape(repeats, -1), dim=1))
    return Evidence(log_z, error, effective_size(log_w), target.evaluations, 0.0, "importance", repeats)


def _weighted(target: Target, mixture: StudentMixture, n: int) -> tuple[Tensor, Tensor]:
    """n draws of q and their log weights, in an order that says nothing."""
    broad = int(torch.distributions.Binomial(n, torch.tensor(DEFENCE)).sample())
    theta = torch.cat([target.prior.draw(broad), mixture.sample(n - broad)])
    log_l, log_p = target.log_density(theta)
    log_q = torch.logaddexp(math.log(DEFENCE) + log_p, math.log1p(-DEFENCE) + mixture.log_prob(theta))
    return theta, torch.where(log_p > -torch.inf, log_l + log_p - log_q, -torch.inf)
