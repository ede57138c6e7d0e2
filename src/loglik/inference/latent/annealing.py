"""Annealed importance sampling over the latents: from p(z) to p(z|x) in small steps.

Neal 2001, Annealed importance sampling, Statistics and Computing 11, 125-139; Wu, Burda, Salakhutdinov, Grosse 2017,
On the quantitative analysis of decoder-based generative models, arXiv:1611.04273.

    f_b(z) = p(z) p(x|z)^b,  0 = b_0 < ... < b_T = 1        log w = sum_t (b_t - b_{t-1}) log p(x|z_{t-1})

z_t follows z_{t-1} by a step of Hamiltonian Monte Carlo that leaves f_{b_t} as it is. E w = p(x), whatever T and the
steps; the more of them, the less w scatters. The length of a leapfrog step is set for each event by the draws that came
before, so that two thirds of the moves are accepted.
"""

from collections.abc import Callable

import torch
from torch import Tensor

LEAPFROGS = 5
FIRST_STEP, SHORTEST, LONGEST = 0.3, 1e-4, 1.5
WANTED, GROW, SHRINK = 0.65, 1.05, 0.93

Log = Callable[[Tensor], Tensor]  # z (n, B, q) -> (n, B)


def annealed_log_weights(log_likelihood: Log, log_prior: Log, z: Tensor, temperatures: int) -> Tensor:
    """z (n, B, q) drawn from p(z) -> log w (n, B)."""
    # Evenly spaced on a sigmoid: most steps where f_b turns fastest, at both ends.
    b = torch.sigmoid(torch.linspace(-4.0, 4.0, temperatures + 1, dtype=torch.float64, device=z.device))
    b = (b - b[0]) / (b[-1] - b[0])
    log_w = torch.zeros(z.shape[:2], dtype=torch.float64, device=z.device)
    step = torch.full((1, z.shape[1], 1), FIRST_STEP, dtype=z.dtype, device=z.device)
    for t in range(1, temperatures + 1):
        with torch.no_grad():
            log_w += (b[t] - b[t - 1]) * log_likelihood(z)
        if t == temperatures:
            break

        def log_f(z: Tensor, at: Tensor = b[t]) -> Tensor:
            return log_prior(z) + at * log_likelihood(z)

        z, accepted = _hamiltonian(log_f, z, step)
        rate = accepted.to(z.dtype).mean(0)[None, :, None]
        step = (step * torch.where(rate > WANTED, GROW, SHRINK)).clamp(SHORTEST, LONGEST)
    return log_w


def _hamiltonian(log_f: Log, z: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """One move of every z, accepted by Metropolis: the new z, and which moved (n, B). Neal 2011, arXiv:1206.1901."""
    momentum = torch.randn_like(z)
    value, slope = _with_slope(log_f, z)
    energy = value - 0.5 * momentum.square().sum(2)
    new, push, reached = z, momentum, value
    for _ in range(LEAPFROGS):
        push = push + 0.5 * step * slope
        new = new + step * push
        reached, slope = _with_slope(log_f, new)
        push = push + 0.5 * step * slope
    change = reached - 0.5 * push.square().sum(2) - energy
    accepted = torch.rand_like(change).log() < change.nan_to_num(nan=-torch.inf)
    return torch.where(accepted[:, :, None], new, z), accepted


def _with_slope(log_f: Log, z: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = log_f(z)
        (slope,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), slope
