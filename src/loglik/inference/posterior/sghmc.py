"""Stochastic gradient Hamiltonian Monte Carlo: a step costs a mini-batch, and no step is ever rejected.

Chen, Fox, Guestrin 2014, Stochastic gradient Hamiltonian Monte Carlo, ICML, equation 15.
"""

import math

import torch
from torch import Tensor

from loglik.inference.posterior.hmc import Chains
from loglik.inference.posterior.target import LogJoint

FRICTION = 0.1
LARGEST = 0.01  # learning rate eta, the square of a step, in units of the posterior's variance
NOISE = 0.1  # at most this share of the injected noise comes from the mini-batch


def sghmc(
    target: LogJoint, mode: Tensor, mass: Tensor, fisher: Tensor, *, batch: int, draws: int, chains: int
) -> Chains:
    """Chains from around the mode, in coordinates scaled by `mass` (d,), about the posterior's precision.

    The noise of a mini-batch, of variance N^2 / batch times that of one gradient, is part of the noise that is due, and
    so much less is added. `fisher` (d,), the sum of the squared gradients of all rows, tells how much.
    """
    scale = mass.rsqrt()
    noise = target.rows / batch * fisher * scale.square()
    eta = min(LARGEST, 2.0 * FRICTION * NOISE / max(float(noise.max()), 1e-30))
    added = (2.0 * FRICTION * eta - eta**2 * noise).sqrt()
    thin, each = math.ceil(2.0 * FRICTION / eta), math.ceil(draws / chains)
    kept, traces = [], []
    for _ in range(chains):
        theta, speed = mode + 0.1 * scale * torch.randn_like(mode), torch.zeros_like(mode)
        states, trace = [], []
        for turn in range(5 * thin + each * thin):
            push = eta * scale * target.noisy_gradient(theta, batch)
            speed = (1.0 - FRICTION) * speed + push + added * torch.randn_like(mode)
            theta = theta + scale * speed
            if turn >= 5 * thin and turn % thin == thin - 1:
                states.append(theta)
                trace.append(target.gradient(theta)[0])
        kept.append(torch.stack(states))
        traces.append(torch.tensor(trace, dtype=torch.float64))
    return Chains(torch.stack(kept, dim=1).flatten(0, 1)[:draws], torch.stack(traces), 1.0)
