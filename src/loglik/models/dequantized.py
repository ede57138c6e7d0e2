"""A density seen as a model of integers: what makes flows and mixtures comparable with models of pixels.

Theis, van den Oord, Bethge 2016, A note on the evaluation of generative models, arXiv:1511.01844, section 3.1;
Ho, Chen, Srinivas, Duan, Abbeel 2019, Flow++, arXiv:1902.00275, section 3.1 (noise that is learned).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from loglik.contract import Claim, FittedBy, LatentModel, Model, Stats
from loglik.errors import UsageError
from loglik.ops import uniform_like
from loglik.spaces import Integer, Real, Space


class Noise(nn.Module, ABC):
    """q(u|x), what is added to the integers x: a density on [0, 1)^D that can be drawn from and scored at its draws."""

    @abstractmethod
    def draw(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Integers x (B, *event), context as inputs of a net (B, C) -> u ~ q(u|x, c) (B, *event), log q(u|x, c) (B,).

        u is a differentiable function of q's parameters.
        """


class Dequantized(LatentModel):
    """P(x) = int_[0,1)^D p(x + u) du for x in {0..levels-1}^D; what lies outside [0, levels) counts for the end levels.

        ELBO = E_{u ~ q(u|x)} [log p(x + u) - log q(u|x)]  <=  log P(x)          (Jensen; Ho et al. 2019, section 3.1)

    in nats of the integers themselves, with no offset. Without `noise`, q(u|x) is uniform and log q = 0. More samples
    tighten the bound, as for any latent variable; a sample is a draw from the density, rounded down.

    A density that is fitted by EM sees the statistics of x + u: `draws` copies of each event, each with its own noise,
    keep a flexible density from fitting the noise of one draw.
    """

    space: Integer

    def __init__(self, space: Integer, density: Model, noise: Noise | None = None, *, draws: int = 1) -> None:
        super().__init__(space, density.context, density.dtype)
        self.density = density
        self.noise = noise
        self.draws = draws

    @property
    def claim(self) -> Claim:
        return max(Claim.LOWER_BOUND, self.density.claim)

    @property
    def remark(self) -> str:
        return self.density.remark

    def elbo_terms(self, x: Tensor, context: Tensor | None = None) -> dict[str, Tensor]:
        y, log_q = self._draw(x, context)
        terms = {"log p(x + u)": self.density.log_likelihood(y, context)}
        return terms if log_q is None else terms | {"-log q(u|x)": -log_q}

    @property
    def has_weights(self) -> bool:
        return self.density.has_weights

    def log_weight(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(x + u) - log q(u|x); a density that has weights of its own has p(x + u) weighed by one of them."""
        y, log_q = self._draw(x, context)
        log_w = self.density.log_weight(y, context)
        return log_w if log_q is None else log_w - log_q

    def objective(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """What the density would have training maximise, at x + u."""
        y, log_q = self._draw(x, context)
        objective = self.density.objective(y, context)
        return objective if log_q is None else objective - log_q

    def _draw(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """y = x + u, u ~ q(u|x), and log q(u|x); None for the uniform q, whose log is 0."""
        x = self.events(x, context)
        if self.noise is None:
            return x + uniform_like(x), None
        u, log_q = self.noise.draw(x, self.condition(context))
        return x + u.double(), log_q

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return self._levels(self.density.sample(n, context))

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.measure_context(context)
        x = self.events(x, context)
        self.density.initialize(x + uniform_like(x), context)

    @property
    def fitted_by(self) -> FittedBy:
        return super().fitted_by if self.noise is not None else self.density.fitted_by

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Stats:
        return self.density.expect_dequantized(self.events(x, context), context, draws=self.draws, weights=weights)

    def maximize(self, stats: Stats) -> None:
        self.density.maximize(stats)

    @property
    def has_prior(self) -> bool:
        return self.density.has_prior

    def log_prior(self) -> Tensor:
        return self.density.log_prior()

    @property
    def carries(self) -> bool:
        """Noise that is learned knows one window, and nothing of those before."""
        return self.noise is None and self.density.carries

    def log_likelihood_from(
        self, x: Tensor, state: Tensor | None, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What is remembered is x + u of the windows before."""
        if not self.carries:
            return super().log_likelihood_from(x, state, context)
        return self.density.log_likelihood_from(self._draw(x, context)[0], state, context)

    def conditions(self, observed: Tensor) -> Claim | None:
        """Noise that is learned depends on all values, so it leaves none out."""
        density = self.density.conditions(observed) if self.noise is None else None
        return None if density is None else max(self.claim, density)

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """E_u log p((x + u)_observed) <= log P(x_observed), with one draw of u."""
        return self.density.log_marginal(self._observed(x, observed, context), observed, context)

    def log_conditional(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(y_rest | y_observed), y = x + u, with one draw of u: no bound of log P(x_rest | x_observed)."""
        y = self._observed(x, torch.ones_like(observed), context)
        return self.density.log_conditional(y, observed, context)

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        """From p(rest | x_observed + u), u uniform, rounded down."""
        drawn = self.density.sample_given(self._observed(x, observed, context), observed, context)
        return torch.where(self.masks(observed, x), x.to(self.device), self._levels(drawn).to(x.dtype))

    @property
    def unguided(self) -> str:
        return "draws values between the levels, of which a temperature or a top k says nothing (call sample_given)"

    def _observed(self, x: Tensor, observed: Tensor, context: Tensor | None) -> Tensor:
        """x + u, u uniform; values that are not observed are read as 0."""
        if self.noise is not None:
            self._refuse("leaves no value out, for its noise depends on all of them; build it with uniform noise")
        x = self.events(torch.where(self.masks(observed, x), x.to(self.device), 0), context)
        return x + uniform_like(x)

    def _levels(self, y: Tensor) -> Tensor:
        return y.floor().clamp(0, self.space.levels - 1).long()


def on_integers(space: Space, density: Model, noise: Callable[[Integer], Noise] | None = None) -> Model:
    """The density itself on reals; on integers what it says of them, dequantised with uniform or learned noise."""
    if not isinstance(space, Integer):
        return density
    return Dequantized(space, density, None if noise is None else noise(space))


def density_space(space: Space, name: str) -> Real:
    """The space a density is defined on: the data's own if real, R^D for integers; labels have no density."""
    if isinstance(space, Real | Integer):
        return Real(space.shape)
    raise UsageError(
        f"`{name}` is a density: it models Real data, and Integer data through dequantisation; got {space}. "
        "Models of Category data are histogram, made and vae."
    )
