"""The uniform distribution: the unit test of every pipeline that prints bits/dim."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from loglik.contract import Claim, ExactModel, Model
from loglik.errors import UsageError
from loglik.spaces import Discrete, Space


class Uniform(ExactModel):
    """P(x) = levels^-D for every x, so it takes log2(levels) bits/dim exactly: 8 for bytes, 1 for bits."""

    space: Discrete

    def __init__(self, space: Discrete, context: Space | None = None) -> None:
        super().__init__(space, context, torch.float64)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        return torch.full((len(x),), -self.space.dims * math.log(self.space.levels), dtype=self.dtype, device=x.device)

    def conditions(self, observed: Tensor) -> Claim:
        return Claim.EXACT

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        observed = self.masks(observed, x)
        self.events(torch.where(observed, x.to(self.device), 0), context)
        return -math.log(self.space.levels) * observed.flatten(1).sum(1).to(self.dtype)

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        return torch.where(self.masks(observed, x), x.to(self.device), self.sample(len(x), context).to(x.dtype))

    @property
    def shortens(self) -> bool:
        return len(self.space.shape) == 1

    def shortened(self, length: int) -> Model:
        """Every beginning is equally likely too."""
        return Uniform(replace(self.space, shape=(length,)), self.context).to(self.device)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return torch.randint(self.space.levels, (n, *self.space.shape), device=self.device)


def uniform(space: Space, *, context: Space | None = None) -> Uniform:
    """Every event equally likely; nothing to fit.

    >>> import loglik
    >>> model = loglik.build("uniform", loglik.Integer((2,), levels=4))
    >>> round(model.log_prob([[0, 3]]).exp().item(), 4)
    0.0625
    """
    if not isinstance(space, Discrete):
        raise UsageError(f"`uniform` needs a space of finitely many events, Integer or Category; got {space}.")
    return Uniform(space, context)
