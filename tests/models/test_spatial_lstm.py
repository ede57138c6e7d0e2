"""The spatial LSTM: the wavefront equals a loop over pixels, and a state sees all that is above and to the left."""

import pytest
import torch
from torch import Tensor

from loglik.models.autoregressive.ride.lstm import SPREAD, SpatialLSTM, diagonals

pytestmark = pytest.mark.usefixtures("float64")

SHAPES = [(1, 1), (1, 5), (5, 1), (3, 4), (4, 3), (3, 3)]


def loop(net: SpatialLSTM, x: Tensor) -> Tensor:
    """The equations, pixel by pixel."""
    n, height, breadth, _ = x.shape
    w = net.width
    W = torch.cat([net.input.weight, net.recurrent.weight], 1)
    nothing = torch.zeros(n, w)
    h: dict[tuple[int, int], Tensor] = {}
    c: dict[tuple[int, int], Tensor] = {}
    for i in range(height):
        for j in range(breadth):
            left, above = (i, j - 1), (i - 1, j)
            v = [x[:, i, j], h.get(left, nothing)]
            v += [c.get(left, nothing), h.get(above, nothing), c.get(above, nothing)] if net.extended else []
            v += [] if net.extended else [h.get(above, nothing)]
            g, i_, o, f_r, f_c = (torch.cat(v, 1) @ W.T + net.input.bias).chunk(5, 1)
            c[i, j] = (
                torch.sigmoid(f_r) * c.get(above, nothing)
                + torch.sigmoid(f_c) * c.get(left, nothing)
                + torch.sigmoid(i_) * torch.tanh(g)
            )
            h[i, j] = torch.tanh(torch.sigmoid(o) * c[i, j])
    return torch.stack([torch.stack([h[i, j] for j in range(breadth)], 1) for i in range(height)], 1)


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize(("height", "breadth"), SHAPES)
def test_the_wavefront_is_the_loop_and_so_is_its_gradient(height: int, breadth: int, extended: bool) -> None:
    torch.manual_seed(0)
    net = SpatialLSTM(3, 4, extended=extended)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, height, breadth, 3, requires_grad=True)
    wave, naive = net(x), loop(net, x)
    torch.testing.assert_close(wave, naive, atol=1e-12, rtol=0)
    weight = torch.randn_like(wave)
    parameters = [x, *net.parameters()]
    ours, theirs = (torch.autograd.grad((out * weight).sum(), parameters) for out in (wave, naive))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-11, rtol=0)


def test_a_state_sees_everything_above_and_to_the_left() -> None:
    torch.manual_seed(0)
    net = SpatialLSTM(1, 3)
    jacobian = torch.autograd.functional.jacobian(lambda x: net(x[None, ..., None])[0].sum(-1), torch.randn(3, 4))
    i, j = torch.arange(3), torch.arange(4)
    expected = (i[:, None, None, None] >= i[:, None]) & (j[:, None, None] >= j)
    assert torch.equal(jacobian != 0, expected)


def test_diagonals_hold_each_pixel_once() -> None:
    order, back, counts = diagonals(2, 3, torch.device("cpu"))
    assert order.tolist() == [0, 1, 3, 2, 4, 5]
    assert counts == [1, 2, 2, 1]
    assert torch.equal(order[back], torch.arange(6))


def test_weights_start_as_in_the_authors_code() -> None:
    net = SpatialLSTM(8, 64)
    assert not net.input.bias.any()
    for weight in (net.input.weight, net.recurrent.weight):
        assert 0.95 * SPREAD < float(weight.detach().abs().max()) <= SPREAD
