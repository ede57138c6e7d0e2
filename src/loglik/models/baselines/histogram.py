"""Independent categoricals: every dimension by its own histogram. What a model gains over it is dependence."""

from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.arguments.ranges import Positive
from loglik.contract import EMModel, ExactModel
from loglik.errors import UsageError
from loglik.ops import are_distributions, sum_event
from loglik.spaces import Discrete, Space


@dataclass(frozen=True)
class Counts:
    """How often each level was seen in each dimension, (D, levels), float64."""

    table: Tensor
    log_likelihood: Tensor

    @property
    def events(self) -> Tensor:
        return self.table[0].sum()

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.table + other.table, self.log_likelihood + other.log_likelihood)


class Histogram(ExactModel, EMModel):
    """P(x) = prod_d theta_d(x_d),  theta_d(k) = (n_dk + smoothing) / (n + levels * smoothing).

    The counts' posterior mean under a symmetric Dirichlet prior: no level is ever impossible.
    """

    space: Discrete

    def __init__(self, space: Discrete, smoothing: float) -> None:
        super().__init__(space, dtype=torch.float64)
        self.smoothing = smoothing
        table = torch.full((space.dims, space.levels), 1.0 / space.levels, dtype=torch.float64)
        self.register_buffer("theta", table)

    @property
    def closed_form(self) -> bool:
        return True

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        flat = self.events(x, context).flatten(1)
        return sum_event(self.theta.log().T.gather(0, flat))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return torch.multinomial(self.theta, n, replacement=True).T.reshape(n, *self.space.shape)

    def expect(self, x: Tensor, context: Tensor | None = None) -> Counts:
        log_likelihood = self.log_prob(x, context).sum()
        flat = self.events(x, context).flatten(1)
        dims, levels = self.theta.shape
        cells = flat + levels * torch.arange(dims, device=flat.device)  # one cell for each level of each dimension
        table = torch.bincount(cells.flatten(), minlength=dims * levels).reshape(dims, levels).to(self.dtype)
        return Counts(table, log_likelihood)

    def maximize(self, stats: Counts) -> None:
        smoothed = stats.table + self.smoothing
        self.theta.copy_(smoothed / smoothed.sum(1, keepdim=True))

    def flaw(self) -> str:
        return "" if are_distributions(self.theta) else "the probabilities of a value's levels do not sum to one"

    theta: Tensor


def histogram(space: Space, *, smoothing: Positive = 0.1) -> Histogram:
    """Independent histograms of the dimensions, fitted in closed form."""
    if not isinstance(space, Discrete):
        raise UsageError(f"`histogram` models Integer and Category data; got {space}. Use gaussian or gmm for reals.")
    if not smoothing > 0:
        raise UsageError(f"Expected smoothing > 0, so that no level is impossible; got {smoothing}.")
    return Histogram(space, smoothing)
