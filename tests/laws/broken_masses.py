"""Models whose mass is wrong where no grid sees it, whose samples are of other contexts, or who train another model."""

import math

import torch
from torch import Tensor, nn

from loglik.contract import ExactModel
from loglik.densities import StandardNormal, normal_log_prob
from loglik.ops import sum_event
from loglik.spaces import Category, Integer, Real, Space


class Wider(StandardNormal):
    """A normal of standard deviation 1.1 without its -D log 1.1."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_prob(self.events(x, context) / 1.1, context)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return 1.1 * super().sample(n, context)


class Heavier(StandardNormal):
    """Everywhere a few percent too dense."""

    def __init__(self, space: Real, mass: float) -> None:
        super().__init__(space)
        self.mass = mass

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_prob(x, context) + math.log(self.mass)


class SecondMode(StandardNormal):
    """Half as much mass again, far from where any sample goes."""

    def __init__(self, space: Real, distance: float) -> None:
        super().__init__(space)
        self.distance = distance

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        near, far = (-0.5 * (x - m).square().sum(1) for m in (0.0, self.distance / self.space.dims**0.5))
        return torch.logaddexp(near, far + math.log(0.5)) - 0.5 * self.space.dims * math.log(2.0 * math.pi)


class Coins(ExactModel):
    """Independent coins: too many for all events to be counted."""

    def __init__(self, dims: int, context: Space | None = None) -> None:
        super().__init__(Integer((dims,), 2), context)
        self.logit = nn.Parameter(torch.linspace(-1.0, 2.0, dims))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        return nn.functional.logsigmoid((2 * x - 1) * self._logits(context)).sum(1)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        context = self.contexts(n, context)
        return torch.bernoulli(torch.sigmoid(self._logits(context)).expand(n, -1)).long()

    def _logits(self, context: Tensor | None) -> Tensor:
        features = self.condition(context)
        return self.logit if features is None else self.logit + features.cumsum(1).sum(1, keepdim=True)


class UnequalCoins(Coins):
    """Chances of both sides that do not sum to one."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_prob(x, context) + 0.01 * x.sum(1)


class OneClass(Coins):
    """One class of ten is scored two nats too high."""

    def __init__(self, dims: int, bad: int) -> None:
        super().__init__(dims, Category((1,), 10))
        self.offset = nn.Parameter(torch.randn(10))
        self.bad = bad

    def _logits(self, context: Tensor | None) -> Tensor:
        assert context is not None
        return self.logit + self.offset[context[:, 0].long()][:, None]

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        log_p = super().log_prob(x, context)
        assert context is not None
        return log_p + 2.0 * (context[:, 0] == self.bad)


class Misaligned(Coins):
    """Samples of a batch given each other's contexts."""

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return super().sample(n, self.contexts(n, context).flip(0))


class OneContext(Coins):
    """Samples of a batch all given the first one's context."""

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return super().sample(n, self.contexts(n, context)[:1])


class HalvedInTraining(ExactModel):
    """A scale whose log-determinant is right in evaluation and halved in training."""

    def __init__(self, dims: int) -> None:
        super().__init__(Real((dims,)))
        self.log_scale = nn.Parameter(torch.full((dims,), 0.3))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        share = 0.5 if self.training else 1.0
        z = sum_event(normal_log_prob(x * torch.exp(-self.log_scale)))
        return z - share * self.log_scale.sum()

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return torch.randn(n, self.space.dims, dtype=self.dtype) * self.log_scale.exp()
