"""Independent categoricals: every dimension by its own histogram. What a model gains over it is dependence."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from loglik.arguments.ranges import Positive
from loglik.contract import Claim, EMModel, ExactModel, FittedBy, Model, Stats
from loglik.errors import UsageError
from loglik.ops import are_distributions, count, sum_event, weighted_sum
from loglik.spaces import Discrete, Space


@dataclass(frozen=True, kw_only=True)
class Counts(Stats):
    """How often each level was seen in each dimension, (D, levels), float64."""

    table: Tensor


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
    def fitted_by(self) -> FittedBy:
        return FittedBy.CLOSED_FORM

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return sum_event(self._log_probs(self.events(x, context)))

    def conditions(self, observed: Tensor) -> Claim:
        return Claim.EXACT

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        observed = self.masks(observed, x)
        x = self.events(torch.where(observed, x.to(self.device), 0), context)
        return sum_event(torch.where(observed.flatten(1), self._log_probs(x), 0.0))

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        return torch.where(self.masks(observed, x), x.to(self.device), self.sample(len(x), context).to(x.dtype))

    @property
    def shortens(self) -> bool:
        return len(self.space.shape) == 1

    def shortened(self, length: int) -> Model:
        """Values are independent: those of the beginning have the histograms that they had."""
        short = Histogram(replace(self.space, shape=(length,)), self.smoothing).to(self.device)
        short.theta.copy_(self.theta[:length])
        return short

    def _log_probs(self, x: Tensor) -> Tensor:
        """(B, D): of each value."""
        return self.theta.log().T.gather(0, x.flatten(1))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return torch.multinomial(self.theta, n, replacement=True).T.reshape(n, *self.space.shape)

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Counts:
        log_likelihood = weighted_sum(self.log_prob(x, context), weights)
        flat = self.events(x, context).flatten(1)
        dims, levels = self.theta.shape
        cells = flat + levels * torch.arange(dims, device=flat.device)  # one cell for each level of each dimension
        each = None if weights is None else weights.repeat_interleave(dims)
        table = torch.bincount(cells.flatten(), each, minlength=dims * levels).reshape(dims, levels).to(self.dtype)
        return Counts(events=count(flat, weights), log_likelihood=log_likelihood, table=table)

    def maximize(self, stats: Counts) -> None:
        smoothed = stats.table + self.smoothing
        self.theta.copy_(smoothed / smoothed.sum(1, keepdim=True))

    def flaw(self) -> str:
        return "" if are_distributions(self.theta) else "the probabilities of a value's levels do not sum to one"

    theta: Tensor


def histogram(space: Space, *, smoothing: Positive = 0.1) -> Histogram:
    """Independent histograms of the dimensions, fitted in closed form.

    >>> import loglik
    >>> model = loglik.build("histogram", loglik.Category((1,), levels=3))
    >>> history = loglik.fit(model, [[0], [0], [0], [2]])
    >>> [round(p, 2) for p in model.log_prob([[0], [1], [2]]).exp().tolist()]
    [0.72, 0.02, 0.26]
    """
    if not isinstance(space, Discrete):
        raise UsageError(f"`histogram` models Integer and Category data; got {space}. Use gaussian or gmm for reals.")
    if not smoothing > 0:
        raise UsageError(f"Expected smoothing > 0, so that no level is impossible; got {smoothing}.")
    return Histogram(space, smoothing)
