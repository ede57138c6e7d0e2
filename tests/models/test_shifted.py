"""Shifted convolutions are masked ones; a row or a pixel of them is what the whole gives there."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.models.autoregressive.pixelcnnpp.shifted import (
    ShiftedConv,
    ShiftedUpsample,
    concat_elu,
    down_shift,
    right_shift,
    scaled_normal_,
)

pytestmark = pytest.mark.usefixtures("float64")

SIZES = [(6, 8), (5, 7), (1, 2), (3, 1), (1, 1)]


def masked(x: Tensor, layer: ShiftedConv, top: int, left: int) -> Tensor:
    """The layer's kernel within a 7 x 7 one that is 0 elsewhere, its upper left corner (top, left) from the centre."""
    kernel = torch.zeros(*layer.weight.shape[:2], 7, 7)
    kernel[:, :, 3 + top : 3 + top + layer.height, 3 + left : 3 + left + layer.width] = layer.weight
    y = F.conv2d(x.permute(0, 3, 1, 2), kernel, layer.bias, padding=3).permute(0, 2, 3, 1)
    return y[:, :: layer.stride, :: layer.stride]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "left"), [((2, 3), -1), ((1, 3), -1), ((2, 2), -1), ((2, 1), 0)])
def test_padding_does_what_masks_do(size: tuple[int, int], stride: int, kernel: tuple[int, int], left: int) -> None:
    layer = ShiftedConv(3, 4, kernel, stride=stride)
    x = torch.randn(2, *size, 3)
    torch.testing.assert_close(layer(x), masked(x, layer, 1 - kernel[0], left))


@pytest.mark.parametrize("size", SIZES)
def test_shifts_move_the_kernel_past_its_own_pixel(size: tuple[int, int]) -> None:
    """Figure 2: from down-shifted input, two rows above; from right-shifted input, the left of this row and above."""
    x = torch.randn(2, *size, 3)
    above, left = ShiftedConv(3, 4, (2, 3)), ShiftedConv(3, 4, (2, 1))
    torch.testing.assert_close(above(down_shift(x)), masked(x, above, -2, -1))
    torch.testing.assert_close(left(right_shift(x)), masked(x, left, -1, -1))


@pytest.mark.parametrize("odd", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("width", [2, 3])
def test_upsampling_lets_a_row_see_the_one_that_holds_it(width: int, odd: tuple[int, int]) -> None:
    layer = ShiftedUpsample(3, 4, (2, width))
    x, size = torch.randn(2, 3, 4, 3), (6 - odd[0], 8 - odd[1])
    y = layer(x, size)
    assert y.shape == (2, *size, 4)
    for r in range(size[0]):
        for c in range(size[1]):
            taps = [(j, c + width // 3 - 2 * j) for j in range(4)]
            seen = [(j, b) for j, b in taps if 0 <= b < width]
            expected = layer.bias + sum(x[:, r // 2, j] @ layer.weight[:, :, r % 2, b] for j, b in seen)
            torch.testing.assert_close(y[:, r, c], expected)


@pytest.mark.parametrize("width", [5, 6, 1])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [(2, 3), (1, 3)])
def test_a_row_is_the_wholes(kernel: tuple[int, int], stride: int, width: int) -> None:
    layer = ShiftedConv(3, 4, kernel, stride=stride)
    x = torch.randn(2, 5, width, 3)
    whole = layer(x)
    for i in range(whole.shape[1]):
        before = x[:, stride * i - 1] if i else torch.zeros_like(x[:, 0])
        torch.testing.assert_close(layer.row(before, x[:, stride * i]), whole[:, i])


@pytest.mark.parametrize("width", [7, 8])
def test_an_upsampled_row_or_pixel_is_the_wholes(width: int) -> None:
    x = torch.randn(2, 2, 4, 3)
    rows, pixels = ShiftedUpsample(3, 4, (2, 3)), ShiftedUpsample(3, 4, (2, 2))
    by_rows, by_pixels = rows(x, (4, width)), pixels(x, (4, width))
    for r in range(4):
        torch.testing.assert_close(rows.row(x[:, r // 2], r % 2, width), by_rows[:, r])
        for c in range(width):
            torch.testing.assert_close(pixels.pixel(x[:, r // 2, c // 2], r % 2, c % 2), by_pixels[:, r, c])


def test_the_scale_at_the_start_is_what_data_would_measure() -> None:
    torch.manual_seed(0)
    h = torch.randn(64, 9, 9, 32)
    assert float(concat_elu(h).square().mean()) == pytest.approx(0.645, rel=0.01)
    weight = torch.empty(200, 64)
    scaled_normal_(weight, 64, 0.645)
    assert float((concat_elu(h).flatten(0, -2)[:500] @ weight.T).std()) == pytest.approx(1.0, rel=0.1)
    layer = ShiftedConv(64, 50, (2, 2), power=0.645)
    assert float(layer(concat_elu(h))[:, 1:, 1:].detach().std()) == pytest.approx(1.0, rel=0.1)
