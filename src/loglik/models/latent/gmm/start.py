"""Where a mixture starts: the clusters of k-means, softened."""

import torch
from torch import Tensor, nn

from loglik.models.latent.gmm.kmeans import lloyd, plus_plus

START_EVENTS = 1 << 15  # k-means looks at so many events at most; the start needs no more
LLOYD_STEPS = 8
SOFTNESS = 0.02  # of each event is shared among all components at the start, so none begins on a single event


def some_of(x: Tensor) -> Tensor:
    """At most START_EVENTS rows, drawn at random."""
    return x if len(x) <= START_EVENTS else x[torch.randperm(len(x), device=x.device)[:START_EVENTS]]


def first_responsibilities(y: Tensor, components: int) -> Tensor:
    """(N, D), standardised -> (N, K). What is missing, NaN, counts here, and only here, as the column's mean 0."""
    y = torch.where(y.isnan(), 0.0, y)
    nearest = lloyd(y, plus_plus(y, components), LLOYD_STEPS)
    hard = nn.functional.one_hot(nearest, components).to(y.dtype)
    return hard * (1.0 - SOFTNESS) + SOFTNESS / components
