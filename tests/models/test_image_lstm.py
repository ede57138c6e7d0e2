"""LSTMs over images: the sweeps equal loops over single pixels, and the compiled loops equal torch, gradients too."""

import pytest
import torch
from torch import Tensor

from loglik.models.autoregressive.pixelrnn.diagonal import DiagonalBiLSTM, Skew, Unskew
from loglik.models.autoregressive.pixelrnn.net import ImageLayer
from loglik.models.autoregressive.pixelrnn.row import RowLSTM
from loglik.models.autoregressive.pixelrnn.sweep import CompiledSweep, Fronts, gates, skewed, sweep, sweep_in_torch

pytestmark = pytest.mark.usefixtures("float64")

SHAPES = [(4, 4), (5, 5), (3, 6), (6, 2), (1, 4), (4, 1), (1, 1)]


def disturbed(layer: ImageLayer) -> ImageLayer:
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return layer


def pixel(read: Tensor, c_before: Tensor) -> tuple[Tensor, Tensor]:
    h, c = gates(read[None], c_before[None])
    return h[0], c[0]


def row_lstm(layer: RowLSTM, x: Tensor) -> Tensor:
    """Section 3.1 of the paper, pixel by pixel."""
    features, height, width, events = x.shape
    (kernel,), (bias,), (state,) = layer.kernel(), layer.bias(), layer.state
    outside, nothing = x.new_zeros(features, events), x.new_zeros(layer.width, events)
    h: dict[tuple[int, int], Tensor] = {}
    c: dict[tuple[int, int], Tensor] = {}
    for i in range(height):
        for j in range(width):
            read = bias + kernel[..., 1] @ x[:, i, j] + kernel[..., 0] @ (x[:, i, j - 1] if j else outside)
            for k in (0, 1, 2):
                read = read + state[k] @ h.get((i - 1, j + k - 1), nothing)
            h[i, j], c[i, j] = pixel(read, c.get((i - 1, j), nothing))
    return torch.stack([h[i, j] for i in range(height) for j in range(width)], 1).unflatten(1, (height, width))


def from_left(kernel: Tensor, bias: Tensor, state: Tensor, x: Tensor) -> Tensor:
    """Section 3.2 of the paper in one direction, pixel by pixel and without skewing."""
    height, width = x.shape[1:3]
    nothing = x.new_zeros(state.shape[-1], x.shape[-1])
    h: dict[tuple[int, int], Tensor] = {}
    c: dict[tuple[int, int], Tensor] = {}
    for i in range(height):
        for j in range(width):
            left, above = h.get((i, j - 1), nothing), h.get((i - 1, j), nothing)
            read = bias + kernel @ x[:, i, j] + state[0] @ left + state[1] @ above
            h[i, j], c[i, j] = pixel(read, c.get((i, j - 1), nothing))
    return torch.stack([h[i, j] for i in range(height) for j in range(width)], 1).unflatten(1, (height, width))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_row_lstm_is_a_loop_over_pixels(shape: tuple[int, int]) -> None:
    layer = disturbed(RowLSTM(*shape, 6, 3))
    assert isinstance(layer, RowLSTM)
    x = torch.randn(12, *shape, 2)
    torch.testing.assert_close(layer(x), row_lstm(layer, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_diagonal_bilstm_is_two_loops_over_pixels(shape: tuple[int, int]) -> None:
    layer = disturbed(DiagonalBiLSTM(*shape, 6, 3))
    x = torch.randn(12, *shape, 2)
    parts = list(zip(layer.kernel().squeeze(3), layer.bias(), layer.state, strict=True))
    left, right = from_left(*parts[0], x), from_left(*parts[1], x.flip(2)).flip(2)
    down = torch.cat([torch.zeros_like(right[:, :1]), right[:, :-1]], dim=1)
    torch.testing.assert_close(layer(x), left + down, rtol=0, atol=1e-12)


def test_without_states_before_a_row_lstm_is_a_masked_convolution() -> None:
    """No state-to-state kernel, and forget gates that are shut: h = o . tanh(i . g) of one convolution."""
    layer = disturbed(RowLSTM(4, 5, 3, 1))
    with torch.no_grad():
        layer.state.zero_()
        assert layer.read.bias is not None
        layer.read.bias.view(4, 3)[1] = -1e4
    x = torch.randn(6, 4, 5, 2)
    o, _, i, g = layer.read(x.permute(3, 0, 1, 2)).chunk(4, dim=1)
    expected = torch.sigmoid(o) * torch.tanh(torch.sigmoid(i) * torch.tanh(g))
    torch.testing.assert_close(layer(x), expected.permute(1, 2, 3, 0))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_skewing_and_back(shape: tuple[int, int]) -> None:
    height, width = shape
    order = skewed(height, width)
    place = order.argsort(1)
    x = torch.randn(3, height * width, 2, requires_grad=True)
    there = Skew.apply(x, order, place)  # type: ignore[no-untyped-call]
    back = Unskew.apply(there, order, place)  # type: ignore[no-untyped-call]
    assert torch.equal(back, torch.stack([x, x]))
    weight = torch.randn(2, 1, height * width, 1)
    (gradient,) = torch.autograd.grad((back * weight).sum(), x)
    torch.testing.assert_close(gradient, weight.sum(0).expand(3, -1, 2))
    diagonals = torch.stack([order // width + order % width, order // width + (width - 1 - order % width)])
    for direction in (0, 1):
        assert diagonals[direction, direction].tolist() == sorted(diagonals[direction, direction].tolist())


SWEEPS = [
    (Fronts.diagonals(4, 5), 2, 3), (Fronts.diagonals(6, 2), 2, 8), (Fronts.rows(3, 4), 1, 10), (Fronts.line(5), 3, 1),
]  # fmt: skip


def inputs(fronts: Fronts, directions: int, width: int, events: int = 2) -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    cells, taps = fronts.starts[-1], len(fronts.taps)
    shapes = [
        (directions, 3, cells, events), (directions, 4 * width, 3), (directions, 4 * width, 1),
        (directions, taps, 4 * width, width),
    ]  # fmt: skip
    return tuple(torch.randn(shape, requires_grad=True) for shape in shapes)


@pytest.mark.parametrize(("fronts", "directions", "width"), SWEEPS)
def test_the_compiled_sweep_is_the_one_in_torch(fronts: Fronts, directions: int, width: int) -> None:
    given = inputs(fronts, directions, width)
    truth = sweep_in_torch(*given, fronts)
    compiled = CompiledSweep.apply(*given, fronts)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(compiled, truth, rtol=0, atol=1e-12)
    weight = torch.randn_like(truth)
    for ours, theirs in zip(*(torch.autograd.grad(h, given, weight) for h in (compiled, truth)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


def test_gradients_of_the_compiled_sweep_are_finite_differences() -> None:
    fronts = Fronts.diagonals(3, 2)
    given = inputs(fronts, 2, 2)
    assert torch.autograd.gradcheck(lambda *values: CompiledSweep.apply(*values, fronts), given)


@pytest.mark.parametrize("threads", [1, 2])
def test_large_sweeps_in_single_precision_are_compiled_and_close(threads: int) -> None:
    fronts = Fronts.diagonals(9, 8)
    given = tuple(3 * values for values in inputs(fronts, 2, 8, events=30))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        h = sweep(*(values.float() for values in given), fronts)
    finally:
        torch.set_num_threads(before)
    assert h.grad_fn is not None
    assert "CompiledSweep" in type(h.grad_fn).__name__
    # The states are contracted or amplified over sixteen diagonals, so rounding is, too.
    torch.testing.assert_close(h.double(), sweep_in_torch(*given, fronts), rtol=0, atol=1e-3)


def test_what_is_not_finite_stays_visible() -> None:
    fronts = Fronts.rows(8, 32)
    x, *weights = (values.detach().float() for values in inputs(fronts, 1, 8, events=8))
    x[0, 0, 5, 3] = torch.nan
    h = sweep(x, *weights, fronts)
    assert bool(h[0, :, 5, 3].isnan().all())
    assert bool(h[0, :, :, 4].isfinite().all())
