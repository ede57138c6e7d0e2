"""How far chains of draws can be trusted: do they agree, and for how many independent draws do they stand?"""

import torch
from torch import Tensor


def r_hat(traces: Tensor) -> float:
    """(C, n) -> the split R-hat: the spread of all halves of chains over that within one; 1 where they agree.

    Gelman et al. 2013, Bayesian Data Analysis, 11.4.
    """
    half = traces.shape[1] // 2
    parts = torch.cat([traces[:, :half], traces[:, half : 2 * half]]).double()
    within = parts.var(dim=1).mean()
    between = half * parts.mean(dim=1).var()
    return float(((half - 1) / half * within + between / half).div(within).sqrt())


def effective_size(traces: Tensor) -> float:
    """(C, n) -> C n / (1 + 2 sum_t rho_t), over Geyer's initial pairs of autocorrelations that sum above 0."""
    t = traces.double()
    chains, n = t.shape
    centred = t - t.mean(dim=1, keepdim=True)
    spectrum = torch.fft.rfft(centred, 2 * n, dim=1)
    covariance = torch.fft.irfft(spectrum.abs().square(), 2 * n, dim=1)[:, :n].mean(dim=0) / n
    within = float(covariance[0]) * n / (n - 1)
    between = float(t.mean(dim=1).var()) if chains > 1 else 0.0
    total = within * (n - 1) / n + between
    if total <= 0.0:
        return float(chains * n)
    rho = 1.0 - (within - covariance) / total
    rho[0] = 1.0
    time = -1.0
    for pair in rho[: n // 2 * 2].reshape(-1, 2).sum(dim=1).tolist():
        if pair <= 0.0:
            break
        time += 2.0 * pair
    return chains * n / max(time, 1.0 / n)
