"""Causal convolutions: torch's own convolution shifted to the past, masks A and B, windows that follow each other."""

import pytest
import torch
from torch import Tensor, nn

from loglik.models.autoregressive.wavenet.dilated import CausalConv1d

pytestmark = pytest.mark.usefixtures("float64")


def torchs(convolution: CausalConv1d, x: Tensor) -> Tensor:
    """The same by nn.Conv1d, padded with as many zeros as there is memory and cut at the length of x."""
    k, (outputs, columns) = convolution.kernel, convolution.taps.weight.shape
    other = nn.Conv1d(columns // k, outputs, k, dilation=convolution.dilation)
    other.weight.data = convolution.taps.weight.data.reshape(outputs, k, -1).transpose(1, 2)
    other.bias = convolution.taps.bias
    padded = nn.functional.pad(x.transpose(1, 2), (convolution.memory, 0))
    y: Tensor = other(padded)
    return y[..., : x.shape[1]].transpose(1, 2)


@pytest.mark.parametrize("mask", ["A", "B"])
@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (2, 1), (2, 4), (3, 3), (2, 32)])
def test_equals_torchs_convolution(mask: str, kernel: int, dilation: int) -> None:
    x = torch.randn(3, 11, 4)
    convolution = CausalConv1d(4, 5, kernel, mask=mask, dilation=dilation)
    torch.testing.assert_close(convolution(x), torchs(convolution, x))


@pytest.mark.parametrize("mask", ["A", "B"])
def test_sees_its_taps_and_nothing_else(mask: str) -> None:
    convolution = CausalConv1d(1, 1, 3, mask=mask, dilation=2)
    jacobian = torch.autograd.functional.jacobian(lambda x: convolution(x[None, :, None]).flatten(), torch.randn(9))
    shift = mask == "A"
    for t in range(9):
        assert jacobian[t].nonzero().flatten().tolist() == [
            s for s in (t - 4 - shift, t - 2 - shift, t - shift) if s >= 0
        ]


@pytest.mark.parametrize("mask", ["A", "B"])
def test_windows_with_their_past_equal_the_whole(mask: str) -> None:
    x = torch.randn(2, 12, 3)
    convolution = CausalConv1d(3, 4, 2, mask=mask, dilation=5)
    parts, past = [], None
    for window in x.split(4, dim=1):
        parts.append(convolution(window, past))
        past = convolution.preceded(window, past)[:, 4:]
    torch.testing.assert_close(torch.cat(parts, dim=1), convolution(x))
