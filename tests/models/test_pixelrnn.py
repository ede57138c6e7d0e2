"""Row LSTM and Diagonal BiLSTM: exactly the receptive fields that their sweeps predict, and steps that equal passes."""

import pytest
import torch
from torch import Tensor

from loglik.errors import UsageError
from loglik.laws.causality import visible
from loglik.laws.subject import any_events, varied
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.pixelrnn.model import diagonal_bilstm, row_lstm
from loglik.models.autoregressive.pixelrnn.net import FRONT_AT_ONCE
from loglik.models.autoregressive.pixelrnn.sweep import COMPILED_CELLS
from loglik.spaces import Category, Integer, Space
from loglik.zoo import build

pytestmark = pytest.mark.usefixtures("float64")


def disturbed(name: str, space: Space, **hyperparameters: object) -> Autoregressive:
    model = varied(build(name, space, **hyperparameters), torch.zeros(4, *space.shape).long(), None, seed=0)
    assert isinstance(model, Autoregressive)
    return model.eval()


def first_layer(height: int, width: int, kernel: int) -> Tensor:
    """(H, W, H, W): [r, c] are the pixels that the first convolution sees there."""
    seen, reach = torch.zeros(height, width, height, width, dtype=torch.bool), kernel // 2
    for r in range(height):
        for c in range(width):
            seen[r, c, max(0, r - reach) : r, max(0, c - reach) : c + reach + 1] = True
            seen[r, c, r, max(0, c - reach) : c] = True
    return seen


def through_row_lstm(seen: Tensor) -> Tensor:
    """A triangle: of row r - k, the features of columns c - k - 1 to c + k."""
    height, width = seen.shape[:2]
    out = torch.zeros_like(seen)
    for r in range(height):
        for c in range(width):
            for k in range(r + 1):
                out[r, c] |= seen[r - k, max(0, c - k - 1) : c + k + 1].any(0)
    return out


@pytest.mark.parametrize(("shape", "kernel", "layers"), [((7, 9), 3, 1), ((6, 8), 3, 2), ((4, 12), 7, 1)])
def test_the_row_lstm_sees_a_triangle(shape: tuple[int, int], kernel: int, layers: int) -> None:
    model = disturbed("row-lstm", Integer(shape, 2), kernel=kernel, layers=layers, width=4)
    expected = first_layer(*shape, kernel)
    for _ in range(layers):
        expected = through_row_lstm(expected)
    seen = visible(model, any_events(model.space, 24, model)).reshape(*shape, *shape)
    assert torch.equal(seen, expected)
    assert not bool(expected[-1, 0, 0].all())  # and no more than that


@pytest.mark.parametrize(
    ("shape", "layers"), [((6, 6), 1), ((7, 7), 1), ((4, 9), 2), ((9, 3), 1), ((1, 8), 1), ((2, 10), 1)], ids=str
)
def test_the_diagonal_bilstm_sees_the_past_less_one_pixel(shape: tuple[int, int], layers: int) -> None:
    """All earlier pixels, but for the last of the row above where the first convolution does not reach it."""
    kernel, (height, width) = 5, shape
    model = disturbed("diagonal-bilstm", Integer(shape, 2), kernel=kernel, layers=layers, width=4)
    expected = torch.ones(height * width, height * width).tril(-1).bool().reshape(*shape, *shape)
    for r in range(1, height):
        expected[r, : max(0, width - 1 - kernel // 2), r - 1, width - 1] = False
    seen = visible(model, any_events(model.space, 24, model)).reshape(*shape, *shape)
    assert torch.equal(seen, expected)


@pytest.mark.parametrize("name", ["row-lstm", "diagonal-bilstm"])
@pytest.mark.parametrize("shape", [(3, 2, 2), (2, 3, 3)], ids=str)
def test_all_colours_before_are_seen(name: str, shape: tuple[int, int, int]) -> None:
    model = disturbed(name, Integer(shape, 3), width=12, layers=2)
    seen = visible(model, any_events(model.space, 24, model))[model.order][:, model.order]
    assert torch.equal(seen, torch.ones_like(seen).tril(-1))


@pytest.mark.parametrize("name", ["row-lstm", "diagonal-bilstm"])
def test_many_events_step_by_step_equal_one_pass(name: str) -> None:
    """Enough of them for compiled sweeps over rows, and for passes in parts."""
    space = Integer((3, 3, 4), 3)
    n = COMPILED_CELLS // 4 + 1
    assert n > FRONT_AT_ONCE // 4
    model = disturbed(name, space, width=6, layers=2, kernel=3, context=Category((), 2))
    x, context = any_events(space, n, model), torch.arange(n) % 2
    with torch.no_grad():
        truth = model.conditionals(x, context).flatten(1, -2)
        walk, previous = model.steps(n, context), None
        for site in model.order.tolist():
            torch.testing.assert_close(walk(previous), truth[:, site], rtol=0, atol=1e-11)
            previous = model.head.encode(x.flatten(1)[:, site], model.dtype)


@pytest.mark.parametrize("name", ["row-lstm", "diagonal-bilstm"])
def test_under_half_precision_outputs_keep_their_type(name: str) -> None:
    space = Integer((3, 16, 16), 2)
    model = disturbed(name, space, width=6, layers=2).float()
    x = any_events(space, 8, model)
    with torch.autocast("cpu", torch.bfloat16):
        score = model.log_prob(x)
        score.sum().backward()  # type: ignore[no-untyped-call]
    assert score.dtype == torch.float64
    torch.testing.assert_close(score, model.log_prob(x), rtol=0.05, atol=5.0)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("space", "wrong", "says"),
    [
        (Integer((9,), 2), {}, "Use made for vectors"),
        (Integer((3, 4, 4), 2), {"width": 4}, "multiple of the 3 colours"),
        (Integer((4, 4), 2), {"kernel": 4}, "odd kernel"),
        (Integer((4, 4), 2), {"layers": 0}, "at least 1 layer"),
    ],
)
def test_what_cannot_be_is_refused(space: Space, wrong: dict[str, int], says: str) -> None:
    for builder in (row_lstm, diagonal_bilstm):
        with pytest.raises(UsageError, match=says):
            builder(space, **wrong)
