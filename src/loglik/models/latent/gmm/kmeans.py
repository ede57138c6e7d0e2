"""k-means: where a mixture starts.   Arthur & Vassilvitskii 2007, k-means++: the advantages of careful seeding.

Draws come from the global generator, which the entry points seed.
"""

import math

import torch
from torch import Tensor


def squared_distances(y: Tensor, centres: Tensor) -> Tensor:
    """(N, D), (K, D) -> (N, K): |y - c|^2."""
    return torch.cdist(y, centres, compute_mode="donot_use_mm_for_euclid_dist").square()


def plus_plus(y: Tensor, components: int) -> Tensor:
    """(N, D) -> (K, D): events drawn one by one, with probability proportional to the squared distance to the nearest
    centre so far. Of several candidates the one that lowers the sum of these most is taken, as the paper's end advises.
    """
    candidates = 2 + int(math.log(components))
    centres = y.new_empty(components, y.shape[1])
    centres[0] = y[torch.randint(len(y), (), device=y.device)]
    nearest = squared_distances(y, centres[:1])[:, 0]
    for k in range(1, components):
        if not bool(nearest.sum() > 0):  # every event is a centre itself: any will do for the others
            centres[k:] = y[torch.randint(len(y), (components - k,), device=y.device)]
            break
        cumulative = nearest.cumsum(0)  # searched, since multinomial refuses more than 2^24 rows
        u = torch.rand(candidates, dtype=y.dtype, device=y.device) * cumulative[-1]
        drawn = y[torch.searchsorted(cumulative, u, right=True).clamp(max=len(y) - 1)]
        distances = torch.minimum(nearest[:, None], squared_distances(y, drawn))
        best = distances.sum(0).argmin()
        centres[k] = drawn[best]
        nearest = distances[:, best]
    return centres


def lloyd(y: Tensor, centres: Tensor, steps: int) -> Tensor:
    """(N, D), (K, D) -> (N,): the nearest of the centres, each moved `steps` times to the mean of its events."""
    for _ in range(steps):
        nearest = squared_distances(y, centres).argmin(1)
        counts = torch.bincount(nearest, minlength=len(centres))[:, None]
        sums = torch.zeros_like(centres).index_add_(0, nearest, y)
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)  # one without events stays
    return squared_distances(y, centres).argmin(1)
