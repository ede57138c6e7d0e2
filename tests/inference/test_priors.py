"""A prior of the parameters is counted once for a data set, by gradients as by EM, where the posterior rises."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from loglik import Integer, Real, fit
from loglik.bijections.compose import Chain
from loglik.contract import EMModel, ExactModel, FittedBy
from loglik.data import Memory
from loglik.densities import normal_log_prob
from loglik.inference.em import em
from loglik.models.dequantized import Dequantized
from loglik.models.flow import ExactFlow
from loglik.moments import Moments
from loglik.ops import sum_event

ROWS, SPREAD = 25, 0.3  # deviation of the prior of the mean
SPACE = Real((1,))


class Located(ExactModel):
    """x ~ N(mean, 1), mean ~ N(0, SPREAD^2): the MAP mean is sum x / (n + 1 / SPREAD^2)."""

    def __init__(self) -> None:
        super().__init__(SPACE, dtype=torch.float64)
        self.mean = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return sum_event(normal_log_prob(self.events(x, context), self.mean))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return self.mean + torch.randn(n, 1, dtype=torch.float64)

    @property
    def has_prior(self) -> bool:
        return True

    def log_prior(self) -> Tensor:
        return normal_log_prob(self.mean, 0.0, math.log(SPREAD)).sum()


class HalfwayByEM(Located, EMModel):
    """The same, fitted by steps of which each goes half the way: EM that needs several passes."""

    @property
    def fitted_by(self) -> FittedBy:
        return FittedBy.EM

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Moments:
        return Moments.of(x, torch.zeros(1, dtype=torch.float64), self.log_prob(x).sum())

    def maximize(self, stats: Moments) -> None:
        best = stats.first / (stats.events + SPREAD**-2)
        with torch.no_grad():
            self.mean.copy_(0.5 * (self.mean + best))


def data() -> Tensor:
    return 2.0 + torch.randn(ROWS, 1, dtype=torch.float64)


@pytest.mark.parametrize("batch", [5, ROWS])
@pytest.mark.parametrize("wrapped", [False, True])
def test_gradients_reach_the_maximum_of_the_posterior(batch: int, wrapped: bool) -> None:
    x = data()
    located = Located()
    model = ExactFlow(SPACE, Chain([]), located) if wrapped else located
    assert model.has_prior
    fit(model, x, valid=x, steps=1500, batch=batch, lr=0.02, weight_decay=0.0)
    truth = float(x.sum() / (ROWS + SPREAD**-2))
    assert float(located.mean.detach()) == pytest.approx(truth, abs=0.03)
    assert abs(float(x.mean()) - truth) > 0.3  # the prior moves it


def test_em_goes_on_while_the_posterior_rises() -> None:
    """Started above the posterior's maximum, the likelihood alone falls from pass to pass."""
    x = data()
    model = HalfwayByEM()
    with torch.no_grad():
        model.mean.copy_(x.mean(0))
    passes = list(itertools.islice(em(model, Memory(SPACE, x), seed=0), 8))
    assert all(done.gain >= -1e-12 for done in passes)
    assert passes[1].nats < passes[0].nats
    assert float(model.mean.detach()) == pytest.approx(float(x.sum() / (ROWS + SPREAD**-2)), abs=0.02)


def test_copies_of_dequantised_events_do_not_thin_the_prior_out() -> None:
    """Eight draws of noise for each event are still that many events, with as much prior as with one draw."""
    x = torch.randint(5, (ROWS, 1))
    means = []
    for draws in (1, 64):
        located = HalfwayByEM()
        model = Dequantized(Integer((1,), 5), located, draws=draws)
        stats = model.expect(x)
        assert float(stats.events) == ROWS
        for _ in range(12):
            with torch.no_grad():
                model.maximize(model.expect(x))
        means.append(float(located.mean.detach()))
    truth = float((x + 0.5).sum() / (ROWS + SPREAD**-2))
    assert means[0] == pytest.approx(truth, abs=0.15)
    assert means[1] == pytest.approx(truth, abs=0.03)
