"""MADE: conditionals see exactly the past, in any order and at any size, and the probabilities sum to one."""

import pytest
import torch
from torch import Tensor

from loglik.errors import UsageError
from loglik.laws.causality import visible
from loglik.laws.enumeration import all_events
from loglik.laws.subject import varied
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.fvsbn import fvsbn
from loglik.models.autoregressive.made.model import made
from loglik.models.flow import Flow
from loglik.nets.masked.net import MaskedMLP
from loglik.spaces import Category, Integer, Real, Space

pytestmark = pytest.mark.usefixtures("float64")


def disturbed(space: Space, **hyperparameters: object) -> Autoregressive:
    """With weights everywhere, so that what could depend does."""
    model = made(space, **hyperparameters)  # type: ignore[arg-type]
    model = varied(model, model.sample(8), None, seed=0)  # type: ignore[assignment]
    part = model.base if isinstance(model, Flow) else model
    assert isinstance(part, Autoregressive)
    return part


def paths(model: Autoregressive) -> Tensor:
    """(D, D): how many ways lead from input j to output i, by the product of the masks."""
    assert isinstance(model.net, MaskedMLP)
    *hidden, direct, last = (mask.double() for mask in model.net.masks)
    counts = direct
    if hidden:
        for mask in reversed(hidden):
            last = last @ mask
        counts = counts + last
    dims = model.space.dims
    counts = counts.reshape(-1, dims, model.head.inputs).sum(-1)
    by_output = (-1, dims) if model.net.weights.apart else (dims, -1)
    return counts.reshape(*by_output, dims).sum(0 if model.net.weights.apart else 1)


SHAPES = [(3, ()), (1, (4,)), (2, (4,)), (2, (1,)), (5, (3,)), (5, (16, 16)), (9, (2, 2)), (6, ())]


@pytest.mark.parametrize("order", ["natural", "random"])
@pytest.mark.parametrize(("dims", "hidden"), SHAPES)
def test_the_jacobian_has_the_pattern_of_the_masks(dims: int, hidden: tuple[int, ...], order: str) -> None:
    model = disturbed(Real((dims,)), hidden=hidden, order=order)
    seen = visible(model, torch.randn(8, dims))
    assert torch.equal(seen, paths(model) > 0)
    # And that is all of the past: no width is so small that a value goes unseen.
    assert torch.equal(seen[model.order][:, model.order], torch.ones(dims, dims).tril(-1).bool())


@pytest.mark.parametrize("space", [Integer((6,), 2), Integer((4,), 3), Category((2, 2), 5)], ids=str)
def test_discrete_heads_keep_the_pattern(space: Space) -> None:
    model = disturbed(space, hidden=(16,), order="random")
    seen = visible(model, model.sample(16))
    assert torch.equal(seen[model.order][:, model.order], torch.ones(space.dims, space.dims).tril(-1).bool())


@pytest.mark.parametrize("order", ["natural", "random"])
@pytest.mark.parametrize("space", [Integer((9,), 2), Integer((12,), 2), Integer((1,), 2), Category((7,), 3)], ids=str)
def test_sums_to_one(space: Space, order: str) -> None:
    model = disturbed(space, hidden=(8, 8), order=order)
    with torch.no_grad():
        total = model.log_prob(all_events(model)).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-12)


def test_one_pass_gives_the_conditionals_of_sampling() -> None:
    """log p accumulated value by value, with what comes later unknown, is the log_prob of one pass."""
    model = disturbed(Integer((6,), 3), hidden=(16,), order="random")
    x = model.sample(20)
    total = torch.zeros(20)
    for step, place in enumerate(model.order.tolist()):
        known = torch.randint(3, x.shape)
        known[:, model.order[:step]] = x[:, model.order[:step]]
        total += model.head.log_prob(model.conditionals(known)[:, place], x[:, place])
    torch.testing.assert_close(total, model.log_prob(x))


def test_drawn_values_stand_in_their_places_whatever_the_order() -> None:
    """A new model has the marginals of its data: so have samples, column by column."""
    model = made(Integer((5,), 2), hidden=(8,), order="random")
    assert isinstance(model, Autoregressive)
    assert not torch.equal(model.order, model.order.argsort()), "an order that is its own inverse would hide it"
    share = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])
    model.initialize((torch.rand(4_000, 5) < share).long())
    drawn = model.sample(4_000).double().mean(0)
    torch.testing.assert_close(drawn, share.double(), atol=0.05, rtol=0)


def test_a_random_order_is_drawn_from_the_seed() -> None:
    def order(seed: int) -> Tensor:
        torch.manual_seed(seed)
        model = made(Integer((20,), 2), hidden=(8,), order="random")
        assert isinstance(model, Autoregressive)
        return model.order

    assert torch.equal(order(1), order(1))
    assert not torch.equal(order(1), order(2))


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(UsageError, match="'natural', 'random' or 'agnostic'"):
        made(Integer((3,), 2), order="raster")


def test_impossible_hyperparameters_are_refused() -> None:
    with pytest.raises(UsageError, match="masks"):
        made(Integer((3,), 2), masks=0)
    with pytest.raises(UsageError, match="masks"):
        made(Integer((3,), 2), order="agnostic")
    with pytest.raises(UsageError, match="head"):
        made(Integer((3,), 2), head="mixture")
    with pytest.raises(UsageError, match="widths"):
        made(Integer((3,), 2), hidden=(4, 0))


def test_fvsbn_is_a_logistic_regression_of_each_value_on_those_before() -> None:
    """log p(x) = sum_i log sigmoid(+-(b_i + sum_{j<i} W_ij x_j)), values read as -1 and 1."""
    torch.manual_seed(0)
    model = fvsbn(Integer((4,), 2))
    x = torch.randint(2, (20, 4))
    assert isinstance(model, Autoregressive)
    weights, biases = torch.randn(4, 4), torch.randn(4)
    model.load_state_dict(model.state_dict() | {"net.own.direct.weight": weights, "net.own.direct.bias": biases})
    signs = 2.0 * x - 1.0
    truth = torch.nn.functional.logsigmoid(signs * (signs @ weights.tril(-1).T + biases)).sum(1)
    torch.testing.assert_close(model.log_prob(x), truth)
    assert sum(parameter.numel() for parameter in model.parameters()) == 20
