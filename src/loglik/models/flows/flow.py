"""A flow: a bijection of the data to noise of known density."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from loglik.contract import Bijection, Claim, EMModel, ExactModel, Model
from loglik.spaces import Real


class Flow(Model):
    """log p(x) = log p(z) + log|det dz/dx|,  z = f(x);  a sample is f^-1(z), z ~ p(z).

    `base` is the density of z: a standard normal, or any model, such as another flow. It carries the space of z, which
    has as many dimensions as x. A part that estimates makes the score an estimate; where all parts are exact, take
    `ExactFlow`, which has `log_prob`. `initialize` looks at about `initial_values` numbers, if nets make all too many.
    """

    def __init__(self, space: Real, bijection: Bijection, base: Model, *, initial_values: int | None = None) -> None:
        super().__init__(space, base.context, base.dtype)
        assert base.space.dims == space.dims
        self.initial_values = initial_values
        self.bijection = bijection
        self.base = base

    @property
    def claim(self) -> Claim:
        return max(self.bijection.claim, self.base.claim)

    def log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        z, log_det = self.bijection(self.events(x, context), self.condition(context))
        return self.base.log_likelihood(z, context) + log_det  # type: ignore[no-any-return]

    @property
    def has_weights(self) -> bool:
        return self.bijection.claim is Claim.EXACT and self.base.has_weights

    def log_weight(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if not self.has_weights:
            return super().log_weight(x, context)
        z, log_det = self.bijection(self.events(x, context), self.condition(context))
        return self.base.log_weight(z, context) + log_det  # type: ignore[no-any-return]

    def objective(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(x), in training as `Bijection.follow` has it."""
        if not self.training:
            return self.log_likelihood(x, context)
        z, log_det = self.bijection.follow(self.events(x, context), self.condition(context))
        return self.base.objective(z, context) + log_det

    @property
    def carries(self) -> bool:
        return self.base.carries

    def log_likelihood_from(
        self, x: Tensor, state: Tensor | None, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Every window becomes noise by itself; what is remembered is the noise of the windows before."""
        z, log_det = self.bijection(self.events(x, context), self.condition(context))
        log_p, state = self.base.log_likelihood_from(z, state, context)
        return log_p + log_det, state

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        context = self.contexts(n, context)
        return self.bijection.preimage(self.base.sample(n, context), self.condition(context))

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        if self.initial_values is not None and len(x) > (rows := max(1, self.initial_values // self.space.dims)):
            chosen = torch.linspace(0, len(x) - 1, rows, device=x.device).long()
            x, context = x[chosen], None if context is None else context[chosen]
        z = self.bijection.initialize(self.events(x, context), self.condition(context))
        self.base.initialize(z, context)


class ExactFlow(Flow, ExactModel):
    """A flow whose bijection and base are exact."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.log_likelihood(x, context)


class EMFlow(ExactFlow, EMModel):
    """A flow whose bijection is fixed by `initialize` and whose base is fitted by EM: EM in the space of z."""

    base: Any  # an ExactModel that is an EMModel too

    @property
    def closed_form(self) -> bool:
        return bool(self.base.closed_form)

    def expect(self, x: Tensor, context: Tensor | None = None) -> Any:
        z, log_det = self.bijection(self.events(x, context), self.condition(context))
        stats = self.base.expect(z, context)
        # The base knows the likelihood of z; these are statistics of x.
        return replace(stats, log_likelihood=stats.log_likelihood + log_det.double().sum())

    def maximize(self, stats: Any) -> None:
        self.base.maximize(stats)
