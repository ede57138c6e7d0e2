"""What a flow that maps each value by itself has of its base: guided draws, and claims of conditionals."""

import pytest
import torch
from torch import Tensor

from loglik.bijections.compose import Chain
from loglik.contract import Claim, Model
from loglik.densities import StandardNormal
from loglik.errors import UsageError
from loglik.inference.evaluate import evaluate
from loglik.models.flow import ExactFlow, Flow
from loglik.spaces import Integer, Real
from loglik.zoo import build

pytestmark = pytest.mark.usefixtures("float64")
GRID = torch.linspace(-400.0, 600.0, 40_001, dtype=torch.float64)
DRAWS = 20_000


def model_of_reals() -> Model:
    """Its second value depends on the first, in units far from those of the net."""
    model = build("made", Real((2,)), hidden=(16,), seed=2).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        first = 100.0 + 10.0 * torch.randn(500, 1)
        model.initialize(torch.cat([first, first + 30.0 * torch.randn(500, 1)], 1))
    return model


def distance(drawn: Tensor, log_p: Tensor) -> float:
    """The greatest between the distribution of draws and the one whose density on GRID has this logarithm."""
    p = (log_p - log_p.max()).exp()
    cumulated = torch.cumsum(p, 0) / p.sum()
    counted = torch.searchsorted(drawn.sort().values, GRID, right=True) / len(drawn)
    return float((counted - cumulated).abs().max())


@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0])
def test_guided_draws_have_the_powers_of_the_density_of_x(temperature: float) -> None:
    model, given = model_of_reals(), torch.tensor([[93.0]])
    assert model.guided
    drawn = model.sample_guided(DRAWS, given=given, temperature=temperature)
    assert bool((drawn[:, 0] == 93.0).all())
    with torch.no_grad():
        log_p = model.log_likelihood(torch.stack([torch.full_like(GRID, 93.0), GRID], 1))
    assert distance(drawn[:, 1], log_p / temperature) < 0.015  # 1.36 / sqrt(DRAWS) = 0.010 at 5 %
    other = model.sample_guided(DRAWS, given=torch.tensor([[112.0]]), temperature=temperature)
    assert distance(other[:, 1], log_p / temperature) > 0.05


def test_a_flow_refuses_what_its_parts_do_not_have() -> None:
    model = model_of_reals()
    with pytest.raises(UsageError, match="draws events of its own length"):
        model.sample_guided(1, length=5)
    with pytest.raises(UsageError, match="real values of"):
        model.sample_guided(1, top_k=2)
    mixed = build("maf", Real((2,)), hidden=(4,))
    assert not mixed.guided
    with pytest.raises(UsageError, match="draws whole events"):
        mixed.sample_guided(1)
    assert "is an ensemble" in build("made", Real((2,)), hidden=(4,), masks=2).unguided
    grey = build("gaussian", Integer((2,), 4))
    with pytest.raises(UsageError, match="between the levels"):
        grey.sample_guided(1, temperature=0.5)


class Below(StandardNormal):
    """A bound whose marginals are exact."""

    @property
    def claim(self) -> Claim:
        return Claim.LOWER_BOUND

    def conditions(self, observed: Tensor) -> Claim:
        return Claim.EXACT


def test_what_a_conditional_claims() -> None:
    space, first = Real((2,)), torch.tensor([[True, False]])
    assert model_of_reals().conditional_claim(first) is Claim.EXACT
    assert model_of_reals().conditional_claim(~first) is None
    assert build("gaussian", Integer((2,), 4)).conditional_claim(first) is Claim.ESTIMATE  # two bounds subtracted
    agnostic = build("made", Integer((2,), 4), hidden=(4,), masks=2, order="agnostic", seed=0)
    assert agnostic.conditional_claim(first) is Claim.ESTIMATE
    assert Below(space).conditional_claim(first) is Claim.LOWER_BOUND  # a bound less what is known
    assert Flow(space, Chain([]), Below(space)).conditional_claim(first) is Claim.LOWER_BOUND


def test_an_exact_flow_has_exact_parts() -> None:
    space = Real((2,))
    with pytest.raises(UsageError, match="got Below, whose claim is 'lower bound'"):
        ExactFlow(space, Chain([]), Below(space))
    estimated = build("ffjord", space, hidden=(4,), exact=False)
    assert isinstance(estimated, Flow)
    with pytest.raises(UsageError, match="whose claim is 'estimate'"):
        ExactFlow(space, estimated.bijection, StandardNormal(space))


class Asked(Chain):
    """Counts how often it is asked what it claims."""

    times = 0

    @property
    def claim(self) -> Claim:
        self.times += 1
        return super().claim


def test_an_exact_flow_is_not_asked_again_for_each_batch() -> None:
    space, asked = Real((2,)), Asked([])
    model = ExactFlow(space, asked, StandardNormal(space))
    assert asked.times
    asked.times = 0
    assert evaluate(model, torch.randn(5_000, 2)).claim is Claim.EXACT
    assert not asked.times
