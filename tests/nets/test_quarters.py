"""Masked nets that leave a quarter of their products out compute what they would with it."""

import pytest
import torch

from loglik.nets.dense import quarters
from loglik.nets.dense.quarters import Quarter
from loglik.nets.dense.relu_pass import reference
from loglik.nets.masked.degrees import Degrees, sampled, spread
from loglik.nets.masked.net import masked_net

pytestmark = pytest.mark.usefixtures("float64", "where_it_gains")


@pytest.fixture
def where_it_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarters, "onednn_is_faster", lambda: False)


def test_sorted_units_have_a_quarter_and_others_none() -> None:
    order = torch.arange(21)
    assert spread(order, (128, 130)).quarters() == (None, Quarter(65, 64))
    assert spread(order, (128, 100)).quarters() == (None, None)  # too small to gain
    assert spread(order[:2], (128, 128)).quarters() == (None, None)  # all units see the same
    assert sampled(order, (128, 128)).quarters() == (None, None)


def test_the_quarter_is_where_the_mask_is_zero() -> None:
    degrees = spread(torch.arange(21).flip(0), (128, 130))
    _, mask, *_ = degrees.masks(1, 1)
    rows, columns = degrees.quarters()[1] or (0, 0)
    assert not mask[:rows, columns:].any()
    assert mask[:rows, columns - quarters.ALIGNED : columns].any()
    assert mask[rows, columns:].any()


def test_outputs_and_gradients_are_those_of_the_whole_products() -> None:
    net = masked_net(spread(torch.arange(21), (128, 130, 128)), 2)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    layers = net.layers(None)
    assert layers is not None
    assert [layers.quarter(i) is None for i in range(4)] == [True, False, False, True]
    x, g = torch.randn(9, 21, requires_grad=True), torch.randn(9, 42)
    found, expected = layers(x), reference(layers, x, None, None, *layers.weights)
    torch.testing.assert_close(found, expected)
    asked = [x, *net.parameters()]
    torch.testing.assert_close(torch.autograd.grad(found, asked, g), torch.autograd.grad(expected, asked, g))


def test_after_loading_it_is_that_of_the_degrees_that_were_read() -> None:
    order = torch.arange(21)
    mixed = Degrees(order, [degrees.flip(0) for degrees in spread(order, (128, 128)).hidden])
    net = masked_net(spread(order, (128, 128)), 2)
    assert net.quarters[1] is not None
    net.load_state_dict(masked_net(mixed, 2).state_dict())
    assert net.quarters == (None, None)
