"""A flow: a bijection of the data to noise of known density."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from loglik.arguments.tensors import tensor_of
from loglik.bijections.compose import Chain
from loglik.contract import Bijection, Claim, ExactModel, FittedBy, Model, Posterior, Stats
from loglik.errors import UsageError
from loglik.models.beginning import Beginning, cut_axis, padded
from loglik.ops import sum_event, weighted_sum
from loglik.spaces import Real

Direction = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]


class Flow(Model):
    """log p(x) = log p(z) + log|det dz/dx|,  z = f(r(x));  a sample is r^-1(f^-1(z)), z ~ p(z).

    r, `rescale`, takes the data as they are, in float64, to the scale that nets expect; by default it does nothing.
    f, `bijection`, computes in the model's own dtype. `base` is the density of z: a standard normal, or any model, such
    as another flow. It carries the space of z, which has as many dimensions as x.

    A part that estimates makes the score an estimate; where all parts are exact, take `ExactFlow`, which has
    `log_prob`. `initialize` shows f about `initial_values` numbers, if nets make all too many; r sees all.
    """

    def __init__(
        self,
        space: Real,
        bijection: Bijection,
        base: Model,
        *,
        rescale: Bijection | None = None,
        initial_values: int | None = None,
    ) -> None:
        super().__init__(space, base.context, base.dtype)
        assert base.space.dims == space.dims
        self.initial_values = initial_values
        self.rescale = Chain([]) if rescale is None else rescale
        self.bijection = bijection
        self.base = base

    @property
    def claim(self) -> Claim:
        return max(self.rescale.claim, self.bijection.claim, self.base.claim)

    @property
    def by_value(self) -> bool:
        """Whether each value of x becomes one of z by itself, so that parts of x are the same parts of z."""
        return self.rescale.by_value and self.bijection.by_value

    def noise(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, *event) -> z = f(r(x)), log|det dz/dx| (B,)."""
        return self._noise_by(self.bijection, x, context)

    def log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = tensor_of(x, "the events")
        if x.shape[:1] == (0,):  # nets and solvers cannot lay out nothing
            return self.events(x, context).new_zeros(0, dtype=torch.float64)
        z, log_det = self.noise(x, context)
        return self.base.log_likelihood(z, context) + log_det

    @property
    def has_weights(self) -> bool:
        return max(self.rescale.claim, self.bijection.claim) is Claim.EXACT and self.base.has_weights

    def log_weight(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if not self.has_weights:
            return super().log_weight(x, context)
        if not len(x):
            return self.log_likelihood(x, context)
        z, log_det = self.noise(x, context)
        return self.base.log_weight(z, context) + log_det

    @property
    def infers(self) -> bool:
        """The latents are those of the base."""
        return self.has_weights and self.base.infers

    def posterior(self, x: Tensor, context: Tensor | None = None) -> Posterior:
        if not self.infers:
            return super().posterior(x, context)
        return self.base.posterior(self.noise(x, context)[0], context)

    def infer(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if not self.infers:
            return super().infer(x, context)
        return self.base.infer(self.noise(x, context)[0], context)

    def log_joint(self, x: Tensor, z: Tensor, context: Tensor | None = None) -> Tensor:
        if not self.infers:
            return super().log_joint(x, z, context)
        noise, log_det = self.noise(x, context)
        return self.base.log_joint(noise, z, context) + log_det

    @property
    def draws_latents(self) -> bool:
        return self.infers and self.base.draws_latents

    def sample_latents(self, n: int, context: Tensor | None = None) -> Tensor:
        return self.base.sample_latents(n, context)

    def log_latent(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return self.base.log_latent(z, context)

    def objective(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(x), in training by `Bijection.training_forward`."""
        if not self.training:
            return self.log_likelihood(x, context)
        z, log_det = self._noise_by(self.bijection.training_forward, x, context)
        return self.base.objective(z, context) + log_det

    def _noise_by(self, bijection: Direction, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        y, log_scale = self.rescale(self.events(x, context, torch.float64))
        z, log_det = bijection(y.to(self.dtype), self.condition(context))
        return z, log_det + log_scale

    @property
    def remark(self) -> str:
        return self.base.remark

    @property
    def fitted_by(self) -> FittedBy:
        """Bijections that have nothing to train are fixed by `initialize`, and the base is fitted in the space of z."""
        trained = any(parameter.requires_grad for parameter in self.bijection.parameters())
        return super().fitted_by if trained else self.base.fitted_by

    @property
    def learns_gaps(self) -> bool:
        """What is missing of x is missing of z, where each value is mapped by itself."""
        return self.by_value and self.base.learns_gaps

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Stats:
        if self.learns_gaps and bool(x.isnan().any()):
            observed = ~x.isnan()
            z, log_slope, _ = self._by_value(x, observed, context)
            z, log_det = torch.where(observed, z, math.nan), sum_event(torch.where(observed, log_slope, 0.0))
        else:
            z, log_det = self.noise(x, context)
        stats = self.base.expect(z, context, weights=weights)
        # The base knows the likelihood of z; these are statistics of x.
        return replace(stats, log_likelihood=stats.log_likelihood + weighted_sum(log_det, weights))

    def maximize(self, stats: Stats) -> None:
        self.base.maximize(stats)

    @property
    def has_prior(self) -> bool:
        return self.base.has_prior

    def log_prior(self) -> Tensor:
        return self.base.log_prior()

    def conditions(self, observed: Tensor) -> Claim | None:
        """A value that is mapped by itself is left out of x where it is left out of z."""
        return self._mapped_claim(self.base.conditions(observed) if self.by_value else None)

    def conditional_claim(self, observed: Tensor) -> Claim | None:
        return self._mapped_claim(self.base.conditional_claim(observed) if self.by_value else None)

    def _mapped_claim(self, base: Claim | None) -> Claim | None:
        return None if base is None else max(self.rescale.claim, self.bijection.claim, base)

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        z, log_slope, observed = self._by_value(x, observed, context)
        return self.base.log_marginal(z, observed, context) + sum_event(torch.where(observed, log_slope, 0.0))

    def log_conditional(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        z, log_slope, _ = self._by_value(x, torch.ones_like(observed), context)
        observed = self.masks(observed, x)
        return self.base.log_conditional(z, observed, context) + sum_event(torch.where(observed, 0.0, log_slope))

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        z, _, observed = self._by_value(x, observed, context)
        drawn = self.base.sample_given(z, observed, context)
        y = self.rescale.preimage(self.bijection.preimage(drawn, self.condition(context)).double())
        return torch.where(observed, x.to(y), y)

    def _by_value(self, x: Tensor, observed: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """z, log|dz_d/dx_d| and the masks, all (B, *event); values that are not observed are read as 0."""
        observed = self.masks(observed, x)
        x = self.events(torch.where(observed, x.to(self.device), 0), context, torch.float64)
        y, log_scale = self.rescale.forward_by_value(x)
        z, log_slope = self.bijection.forward_by_value(y.to(self.dtype))
        return z, log_scale + log_slope, observed

    @property
    def carries(self) -> bool:
        return self.base.carries

    def log_likelihood_from(
        self, x: Tensor, state: Tensor | None, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Every window becomes noise by itself; what is remembered is the noise of the windows before."""
        z, log_det = self.noise(x, context)
        log_p, state = self.base.log_likelihood_from(z, state, context)
        return log_p + log_det, state

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        context = self.contexts(n, context)
        y = self.bijection.preimage(self.base.sample(n, context), self.condition(context))
        return self.rescale.preimage(y.double())

    @property
    def guided(self) -> bool:
        return self.by_value and self.base.guided

    @property
    def unguided(self) -> str:
        return self.base.unguided if self.by_value else super().unguided

    @torch.no_grad()
    def sample_guided(
        self, n: int, context: Tensor | None = None, *, given: Tensor | None = None, temperature: float = 1.0,
        top_k: int | None = None, length: int | None = None,
    ) -> Tensor:  # fmt: skip
        """The base draws z. A temperature is that of z's conditionals, and so of x's where the maps are affine.

        Raises:
            UsageError: a length, for the maps are of whole events; what the base refuses.
        """
        if not self.guided:
            self._refuse(f"takes no beginning, temperature, top k or length: it {self.unguided}")
        if length is not None:
            self._refuse("draws events of its own length; leave the length out")
        context, shape, known = self.contexts(n, context), self.space.shape, None
        if given is not None:
            whole, known = (part.to(self.device).expand(n, *self.space.shape) for part in padded(given, n, shape))
            axis = 1 + cut_axis(shape)
            given = self._by_value(whole, known, context)[0].narrow(axis, 0, given.shape[axis])
        drawn = self.base.sample_guided(n, context, given=given, temperature=temperature, top_k=top_k)
        y = self.rescale.preimage(self.bijection.preimage(drawn, self.condition(context)).double())
        return y if known is None else torch.where(known, whole.to(y), y)

    @property
    def shortens(self) -> bool:
        return self.by_value and self.claim is Claim.EXACT and self.base.shortens

    def shortened(self, length: int) -> Model:
        return Beginning(self, length).to(self.device) if self.shortens else super().shortened(length)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.measure_context(context)
        y = self.rescale.initialize(self.events(x, context, torch.float64)).to(self.dtype)
        if self.initial_values is not None and len(y) > (rows := max(1, self.initial_values // self.space.dims)):
            chosen = torch.linspace(0, len(y) - 1, rows, device=y.device).long()
            y, context = y[chosen], None if context is None else context[chosen]
        z = self.bijection.initialize(y, self.condition(context))
        self.base.initialize(z, context)


class ExactFlow(Flow, ExactModel):
    """A flow all of whose parts are exact, which is checked once, when it is made.

    Raises:
        UsageError: a part that is not.
    """

    def __init__(
        self,
        space: Real,
        bijection: Bijection,
        base: Model,
        *,
        rescale: Bijection | None = None,
        initial_values: int | None = None,
    ) -> None:
        super().__init__(space, bijection, base, rescale=rescale, initial_values=initial_values)
        for part in (self.rescale, bijection, base):
            if part.claim is not Claim.EXACT:
                raise UsageError(
                    f"Expected parts that are exact; got {type(part).__name__}, whose claim is '{part.claim}'. Take "
                    "Flow, which has no log_prob."
                )

    @property
    def claim(self) -> Claim:
        return Claim.EXACT

    @property
    def has_weights(self) -> bool:
        return self.base.has_weights

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.log_likelihood(x, context)
