"""A head may differ from site to site: each is asked for the one of its site, and events keep to their own levels."""

import pytest
import torch
from torch import Tensor

from loglik import Integer, check
from loglik.heads import CategoricalHead
from loglik.laws.enumeration import all_events
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.nets.masked.degrees import spread
from loglik.nets.masked.net import MaskedMLP, MaskedWeights

LEVELS = (2, 4, 3)  # of each value, of a space with 4


class Ragged(CategoricalHead):
    """Value i has only LEVELS[i] of the levels."""

    def __init__(self) -> None:
        super().__init__(max(LEVELS), ordered=False)
        self.drawing = None  # compiled loops know one kind of value for all sites

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        allowed = torch.arange(self.levels) < torch.tensor(LEVELS)[:, None]
        return super().log_prob(params.masked_fill(~allowed, -torch.inf), x)

    def at(self, site: int) -> "CategoricalHead":
        return Cut(LEVELS[site])


class Cut(CategoricalHead):
    """The first `count` levels alone, encoded as all are."""

    def __init__(self, count: int) -> None:
        super().__init__(max(LEVELS), ordered=False)
        self.count = count

    def draw(self, params: Tensor, noise: Tensor) -> Tensor:
        return super().draw(params[..., : self.count], noise)


@pytest.fixture
def model() -> Autoregressive:
    order, head = torch.arange(3), Ragged()
    degrees = spread(order, (16,))
    weights = MaskedWeights([degrees], head.inputs, head.params)
    model = Autoregressive(Integer((3,), 4), MaskedMLP(weights, degrees), head, order).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model


def test_draws_have_the_levels_of_their_site(model: Autoregressive) -> None:
    x = model.sample(2000)
    assert [int(x[:, i].max()) + 1 for i in range(3)] == list(LEVELS)


def test_the_sampler_draws_from_the_density(model: Autoregressive) -> None:
    report = check(model, model.sample(64))
    assert report["sampler"].status.value == "passed", str(report)
    with torch.no_grad():
        p = model.log_prob(all_events(model)).exp()
    assert int((p > 0).sum()) == 2 * 4 * 3
    assert float(p.sum()) == pytest.approx(1.0, abs=1e-12)
