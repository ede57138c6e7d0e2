"""Where the maps of a deep mixture begin: the first layer whitens the clusters of the data."""

import torch
from torch import Tensor

from loglik.models.latent.deep_gmm.paths import Paths
from loglik.models.latent.gmm.kmeans import lloyd, plus_plus

START_EVENTS = 1 << 15  # k-means looks at so many events at most
LLOYD_STEPS = 8
NOISE = 0.01  # of the upper maps at the start, which are else multiples of I
CONTRASTS = 0.5  # log of the largest of these multiples; those of one layer are spread evenly around 1
LEAST_VARIANCE = 1e-6  # of a column, in data of variance 1


@torch.no_grad()
def start_paths(paths: Paths, x: Tensor) -> None:
    """(B, D): the first layer whitens the clusters of k-means; the upper ones are nearly multiples of I."""
    some = x if len(x) <= START_EVENTS else x[torch.randperm(len(x), device=x.device)[:START_EVENTS]]
    first, *upper = paths.layers
    D = paths.dims
    nearest = lloyd(some, plus_plus(some, len(first.maps)), LLOYD_STEPS)
    identity = torch.eye(D, dtype=x.dtype, device=x.device)
    # The whole data's variance counts as D events, for a cluster may have fewer.
    prior = D * some.var(0, correction=0).clamp(min=LEAST_VARIANCE).diag()
    for i in range(len(first.maps)):
        cluster = some[nearest == i]
        centre = cluster.mean(0) if len(cluster) else some.mean(0)
        centred = cluster - centre
        root = torch.linalg.cholesky((centred.T @ centred + prior) / (len(cluster) + D))
        first.maps[i] = torch.linalg.solve_triangular(root, identity, upper=False)
        first.shifts[i] = -first.maps[i] @ centre
    for layer in upper:
        contrasts = torch.linspace(-CONTRASTS, CONTRASTS, len(layer.maps)).to(layer.maps).exp()
        layer.maps.copy_(identity * contrasts[:, None, None] + NOISE * torch.randn_like(layer.maps))
        layer.shifts.copy_(NOISE * torch.randn_like(layer.shifts))
