"""A density seen as a model of integers: what makes flows and mixtures comparable with models of pixels.

Theis, van den Oord, Bethge 2016, A note on the evaluation of generative models, arXiv:1511.01844, section 3.1;
Ho, Chen, Srinivas, Duan, Abbeel 2019, Flow++, arXiv:1902.00275, section 3.1 (noise that is learned).
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from loglik.contract import Claim, EMModel, LatentModel, Model
from loglik.errors import UsageError
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
    """

    def __init__(self, space: Integer, density: Model, noise: Noise | None = None) -> None:
        super().__init__(space, density.context, density.dtype)
        self.density = density
        self.noise = noise

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
            return self.dequantize(x), None
        u, log_q = self.noise.draw(x, self.condition(context))
        return x + u.double(), log_q

    def dequantize(self, x: Tensor) -> Tensor:
        """x + u, u ~ U[0, 1)^D, in float64: of many levels a sum in float32 would be rounded up to the next."""
        return x + torch.rand(x.shape, dtype=torch.float64, device=x.device)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        assert isinstance(self.space, Integer)
        return self.density.sample(n, context).floor().clamp(0, self.space.levels - 1).long()

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.measure_context(context)
        self.density.initialize(self.dequantize(self.events(x, context)), context)


class EMDequantized(Dequantized, EMModel):
    """A dequantised density that is fitted by EM: the statistics are those of x + u, for several draws of u.

    `draws` copies of each event, each with its own noise, keep a flexible density from fitting the noise of one draw.
    """

    density: EMModel

    def __init__(self, space: Integer, density: EMModel, *, draws: int = 1) -> None:
        super().__init__(space, density)
        self.draws = draws

    @property
    def closed_form(self) -> bool:
        return self.density.closed_form

    def expect(self, x: Tensor, context: Tensor | None = None) -> Any:
        x = self.events(x, context)
        stats = self.density.expect(self.dequantize(x), context)
        for _ in range(self.draws - 1):
            stats = stats + self.density.expect(self.dequantize(x), context)
        return stats

    def maximize(self, stats: Any) -> None:
        self.density.maximize(stats)


def density_space(space: Space, name: str) -> Real:
    """The space a density is defined on: the data's own if real, R^D for integers; labels have no density."""
    if isinstance(space, Real | Integer):
        return Real(space.shape)
    raise UsageError(
        f"`{name}` is a density: it models Real data, and Integer data through dequantisation; got {space}. "
        "Models of Category data are histogram, made and vae."
    )
