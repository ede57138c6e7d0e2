"""Gated PixelCNN: all of the past within its box is seen and nothing else, colours in order, steps as one pass."""

import pytest
import torch
from test_pixelcnn import SIZES, steps_are_the_one_pass

from loglik.errors import UsageError
from loglik.laws.causality import visible
from loglik.laws.enumeration import all_events
from loglik.laws.subject import any_events, varied
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.gated_pixelcnn import gated_pixelcnn
from loglik.spaces import Category, Integer, Real, Space

pytestmark = pytest.mark.usefixtures("float64")


def disturbed(space: Space, **hyperparameters: int) -> Autoregressive:
    model = varied(gated_pixelcnn(space, **hyperparameters), torch.zeros(4, *space.shape).long(), None, seed=0)
    assert isinstance(model, Autoregressive)
    return model


@pytest.mark.parametrize(("kernel", "layers", "side"), [(3, 1, 5), (3, 2, 6), (5, 1, 6)])
def test_the_receptive_field_is_a_box_of_the_past_without_a_blind_spot(kernel: int, layers: int, side: int) -> None:
    """k // 2 + layers rows above, and k // 2 + layers - 1 columns to both sides; in its own row to the left."""
    model = disturbed(Integer((side, side), 2), kernel=kernel, layers=layers, width=6)
    seen = visible(model, any_events(model.space, 16, model)).reshape(side, side, side, side)
    reach = kernel // 2 + layers - 1
    place = torch.arange(side)
    up = place[:, None, None, None] - place[:, None]  # (row, 1, other row, 1)
    left = place[:, None, None] - place  # (column, 1, other column)
    in_box = (left.abs() <= reach) & (((up >= 1) & (up <= reach + 1)) | ((up == 0) & (left >= 1)))
    assert torch.equal(seen, in_box)


def test_enough_layers_see_all_of_the_past() -> None:
    """The pixel above, four to the right, which published code with a shift in every layer never sees."""
    model = disturbed(Integer((5, 5), 2), kernel=3, layers=4, width=6)
    seen = visible(model, any_events(model.space, 16, model))
    assert torch.equal(seen, torch.ones(25, 25).tril(-1).bool())


def test_colours_of_a_pixel_are_seen_in_order() -> None:
    model = disturbed(Integer((3, 2, 2), 3), kernel=3, layers=2, width=12)
    seen = visible(model, any_events(model.space, 16, model))
    assert torch.equal(seen[model.order][:, model.order], torch.ones(12, 12).tril(-1).bool())


@pytest.mark.parametrize(
    ("space", "events"),
    [(Integer((3, 3), 2), 512), (Integer((3, 1, 2), 3), 729), (Integer((2, 2, 2), 2), 256)],
    ids=str,
)
def test_sums_to_one(space: Space, events: int) -> None:
    model = disturbed(space, width=6, layers=2)
    x = all_events(model)
    assert len(x) == events
    with torch.no_grad():
        assert float(model.log_prob(x).exp().sum()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("space", "hyperparameters", "context"), SIZES, ids=str)
def test_steps_are_the_one_pass(space: Space, hyperparameters: dict[str, int], context: Space | None) -> None:
    layers = max(1, hyperparameters.get("layers", 3))
    steps_are_the_one_pass(gated_pixelcnn(space, context=context, **hyperparameters | {"layers": layers}))


def test_conditioning_weights_of_zero_leave_the_unconditional_model() -> None:
    space = Integer((3, 3, 3), 4)
    model = disturbed(space, width=6, layers=2)
    torch.manual_seed(0)
    given = gated_pixelcnn(space, width=6, layers=2, context=Category((1,), 5))
    missing = given.load_state_dict(model.state_dict(), strict=False)
    assert missing.missing_keys == [f"net.layers.{i}.context.weight" for i in range(2)]
    x, labels = any_events(space, 5, model), torch.arange(5)[:, None]
    assert not torch.allclose(given.log_prob(x, labels), model.log_prob(x))
    with torch.no_grad():
        for name, parameter in given.named_parameters():
            if "context" in name:
                parameter.zero_()
    torch.testing.assert_close(given.log_prob(x, labels), model.log_prob(x))


def test_the_context_reaches_every_gate_of_both_stacks() -> None:
    model = gated_pixelcnn(Integer((4, 4), 3), width=4, layers=3, context=Real((2,)))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    model.log_prob(any_events(model.space, 6, model), torch.randn(6, 2)).sum().backward()
    for name, parameter in model.named_parameters():
        if "context" in name:
            # Both halves of both gates; the last layer has only the horizontal one.
            assert len(parameter) == (8 if "layers.2" in name else 16)
            assert parameter.grad is not None
            assert bool((parameter.grad.abs().amax(1) > 0).all()), name


@pytest.mark.parametrize(
    ("space", "wrong", "says"),
    [
        (Integer((9,), 2), {}, "`gated-pixelcnn` models images"),
        (Integer((3, 4, 4), 2), {"width": 4}, "multiple of the 3 colours"),
        (Integer((4, 4), 2), {"kernel": 2}, "odd kernel"),
        (Integer((4, 4), 2), {"layers": 0}, "at least 1 layer"),
    ],
)
def test_what_cannot_be_is_refused(space: Space, wrong: dict[str, int], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        gated_pixelcnn(space, **wrong)
