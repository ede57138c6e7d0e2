"""Ensembles of masks: a mixture of whole-event probabilities, and conditionals of any part given any other."""

import itertools

import pytest
import torch
from torch import Tensor

from loglik.contract import Claim, ExactModel
from loglik.errors import ShapeMismatch, UsageError
from loglik.laws.enumeration import all_events
from loglik.laws.subject import varied
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.made.ensemble import MaskEnsemble
from loglik.models.autoregressive.made.model import made
from loglik.models.flow import ExactFlow
from loglik.spaces import Category, Integer, Real, Space

pytestmark = pytest.mark.usefixtures("float64")

BITS = Integer((5,), 2)


def ensemble(space: Space = BITS, **hyperparameters: object) -> MaskEnsemble:
    """With weights large enough that members differ."""
    torch.manual_seed(0)
    model = made(space, hidden=(16,), **hyperparameters)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    assert isinstance(model, MaskEnsemble)
    return model


@pytest.mark.parametrize("order", ["natural", "random", "agnostic"])
def test_whole_probabilities_are_averaged(order: str) -> None:
    model = ensemble(masks=4, order=order, conditioning=True)
    x = all_events(model)
    with torch.no_grad():
        each = torch.stack([model.member(s).log_prob(x) for s in range(4)])
        log_p = model.log_prob(x)
    torch.testing.assert_close(each.exp().sum(1), torch.ones(4))
    torch.testing.assert_close(log_p.exp(), each.exp().mean(0))
    assert bool((log_p >= each.mean(0)).all())  # Jensen
    assert float((each[0] - each[1]).abs().max()) > 0.1


def test_training_draws_one_member_from_the_global_generator() -> None:
    model, x = ensemble(masks=3), torch.randint(2, (6, 5))
    each = torch.stack([model.member(s).log_prob(x) for s in range(3)]).detach()
    drawn = set()
    for seed in range(20):
        torch.manual_seed(seed)
        found = model.objective(x)
        torch.manual_seed(seed)
        assert torch.equal(found, model.objective(x))
        distance = (each - found.detach()).abs().sum(1)
        drawn.add(int(distance.argmin()))
        assert float(distance.min()) < 1e-12
    assert drawn == {0, 1, 2}


def test_members_share_their_weights_and_a_file_has_them_once() -> None:
    one, many = (made(Integer((9,), 2), hidden=(40, 40), masks=masks) for masks in (2, 32))
    weights = [sum(p.numel() for p in model.parameters()) for model in (one, many)]
    assert weights[0] == weights[1]
    extra = sum(t.numel() for t in many.state_dict().values()) - weights[1]
    assert extra == 32 * (9 + 80) + 33  # the degrees of each member; whether each has seen data


@pytest.mark.parametrize("space", [BITS, Category((2, 2), 3)], ids=str)
def test_conditionals_of_every_part_given_every_other(space: Space) -> None:
    """log p(x_unseen | x_seen) is joint over marginal, by enumeration, for every subset."""
    model = ensemble(space, masks=3, order="agnostic", conditioning=True)
    x = all_events(model)
    for bits in itertools.product([False, True], repeat=space.dims):
        observed = torch.tensor(bits).reshape(space.shape)
        with torch.no_grad():
            members = model.beginning_with(observed.flatten())
            joint = torch.stack([member.log_prob(x) for member in members]).logsumexp(0)
            found = model.log_conditional(x, observed.expand_as(x))
        torch.testing.assert_close(found, joint - marginal(joint, x, observed))


def marginal(joint: Tensor, x: Tensor, observed: Tensor) -> Tensor:
    """log p(x_seen) for each row of the enumeration x, by summing over what is unseen."""
    seen = x.flatten(1)[:, observed.flatten()]
    _, group = torch.unique(seen, dim=0, return_inverse=True) if seen.shape[1] else (None, torch.zeros(len(x)).long())
    return torch.zeros(int(group.max()) + 1).index_add_(0, group, joint.exp()).log()[group]


@pytest.mark.parametrize("order", ["natural", "random"])
@pytest.mark.parametrize("masks", [1, 3])
def test_a_fixed_order_answers_for_its_beginnings(order: str, masks: int) -> None:
    torch.manual_seed(1)
    model = made(BITS, hidden=(8,), order=order, masks=masks)
    model = varied(model, model.sample(8), None, seed=0)  # type: ignore[assignment]
    assert isinstance(model, MaskEnsemble | Autoregressive)
    member = model.member(0) if isinstance(model, MaskEnsemble) else model
    x = all_events(model)
    for seen in range(6):
        observed = torch.zeros(5, dtype=torch.bool)
        observed[member.order[:seen]] = True
        with torch.no_grad():
            joint = model.log_prob(x)
            found = model.log_conditional(x, observed.expand_as(x))
            of_part = model.log_marginal(x, observed.expand_as(x))
        assert model.conditions(observed.expand_as(x)) is Claim.EXACT
        torch.testing.assert_close(found, joint - marginal(joint, x, observed))
        torch.testing.assert_close(of_part, marginal(joint, x, observed))
    last_alone = torch.arange(5) == member.order[-1]
    with pytest.raises(UsageError, match="agnostic"):
        model.log_conditional(x, last_alone.expand_as(x))
    assert model.conditions(last_alone.expand_as(x)) is None
    with pytest.raises(ShapeMismatch):
        model.log_conditional(x, torch.ones(3, dtype=torch.bool))


def test_what_is_drawn_given_a_part_follows_the_conditional() -> None:
    model = ensemble(masks=3, order="agnostic")
    observed = torch.tensor([False, True, False, False, True])
    n, x = 10_000, torch.tensor([[0, 1, 0, 0, 0]])
    torch.manual_seed(0)
    drawn = model.sample_given(x.expand(n, -1), observed.expand(n, -1))
    assert torch.equal(drawn[:, observed], x[:, observed].expand(n, -1))
    events = all_events(model)
    events = events[(events[:, observed] == x[:, observed]).all(1)]
    with torch.no_grad():
        p = model.log_conditional(events, observed.expand_as(events)).exp()
    assert float(p.sum()) == pytest.approx(1.0, abs=1e-12)
    found = torch.stack([(drawn == event).all(1).double().mean() for event in events])
    assert float(((found - p).abs() / (p * (1 - p) / n).sqrt()).max()) < 5


def test_conditionals_of_reals_are_in_their_own_units() -> None:
    """log p(x) = log p(x_seen) + log p(x_unseen | x_seen) along a chain of one value at a time, with unequal scales."""
    torch.manual_seed(0)
    model = made(Real((3,)), hidden=(16,), head="mixture", components=2)
    x = torch.randn(50, 3) * torch.tensor([1.0, 100.0, 0.01]) + 5.0
    model.initialize(x)
    model = varied(model, x, None, seed=0)  # type: ignore[assignment]
    assert isinstance(model, ExactFlow)
    nothing, one = torch.tensor([False] * 3), torch.tensor([True, False, False])
    torch.testing.assert_close(model.log_conditional(x, nothing.expand_as(x)), model.log_prob(x))
    line = torch.linspace(-800.0, 800.0, 20_001)
    # The second value alone integrates to one, whatever the third: sum over a grid of both.
    given = x[:1].expand(len(line), -1).clone()
    given[:, 1] = line
    both = torch.tensor([True, True, False])
    second = model.log_conditional(given, one.expand_as(given)) - model.log_conditional(given, both.expand_as(given))
    assert float(torch.trapezoid(second.exp(), line).detach()) == pytest.approx(1.0, abs=1e-4)
    drawn = model.sample_given(x, one.expand_as(x))
    assert torch.equal(drawn[:, 0], x[:, 0])
    assert not bool((drawn[:, 1:] == x[:, 1:]).any())


def test_an_ensemble_samples_a_member_for_each_event() -> None:
    """Two members that put all their mass on different events: samples are both, in halves."""
    model = ensemble(masks=2, order="agnostic")
    n = 10_000
    torch.manual_seed(0)
    drawn = model.sample(n)
    events = all_events(model)
    with torch.no_grad():
        p = model.log_prob(events).exp()
    found = torch.stack([(drawn == event).all(1).double().mean() for event in events])
    assert float(((found - p).abs() / (p * (1 - p) / n).sqrt()).max()) < 5


def test_exactness_is_claimed() -> None:
    assert isinstance(ensemble(masks=2), ExactModel)
