"""Rational-quadratic splines: monotone, undone exactly, the identity outside, and their gradients those of autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from loglik.bijections.spline import curve, function
from loglik.bijections.spline.bins import Bins
from loglik.bijections.spline.transform import Spline
from loglik.errors import UsageError

pytestmark = pytest.mark.usefixtures("float64")
BOUND = 3.0


def numbers(spline: Spline, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, spline.params)


def inside(*shape: int) -> Tensor:
    return BOUND * (2.0 * torch.rand(*shape) - 1.0)


def knots(spline: Spline, h: Tensor) -> tuple[Tensor, Tensor]:
    """(..., K + 1) each, in x and in z, from the definition."""
    widths, heights = h[..., : 2 * spline.bins.count].unflatten(-1, (2, -1)).softmax(-1).unbind(-2)
    ends = []
    for share in (widths, heights):
        size = 1e-3 + (1.0 - 1e-3 * spline.bins.count) * share
        ends.append(torch.nn.functional.pad(2.0 * BOUND * size.cumsum(-1), (1, 0)) - BOUND)
    return ends[0], ends[1]


def textbook(spline: Spline, x: Tensor, h: Tensor) -> Tensor:
    """z for values inside, number by number in the symbols of the paper, differentiable."""
    K = spline.bins.count
    xs, zs = knots(spline, h)
    r = h[..., 2 * K :]
    d = torch.nn.functional.pad((r / (1.0 + r.abs() / torch.log(torch.tensor(1000.0)))).exp(), (1, 1), value=1.0)
    k = (x.unsqueeze(-1) >= xs[..., 1:-1]).sum(-1, keepdim=True)
    x0, x1, z0, z1, d0, d1 = (t.gather(-1, k + i).squeeze(-1) for t in (xs, zs, d) for i in (0, 1))
    xi, s = (x - x0) / (x1 - x0), (z1 - z0) / (x1 - x0)
    both = xi * (1.0 - xi)
    return z0 + (z1 - z0) * (s * xi**2 + d0 * both) / (s + (d0 + d1 - 2.0 * s) * both)


@pytest.mark.parametrize("bins", [2, 3, 8, 17])
def test_it_is_the_spline_of_the_paper(bins: int) -> None:
    spline = Spline(bins)
    h = numbers(spline, 500, 3).requires_grad_()
    x = inside(500, 3).requires_grad_()
    truth = textbook(spline, x, h)
    (slope,) = torch.autograd.grad(truth.sum(), x, create_graph=True)
    z, log_slope = spline(x, h)
    torch.testing.assert_close(z, truth)
    torch.testing.assert_close(log_slope, slope.log())
    weights = torch.randn(2, 500, 3)
    found = torch.autograd.grad((weights[0] * z + weights[1] * log_slope).sum(), (x, h))
    expected = torch.autograd.grad((weights[0] * truth + weights[1] * slope.log()).sum(), (x, h))
    for f, e in zip(found, expected, strict=True):
        torch.testing.assert_close(f, e, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_gradients_are_those_of_differences(direction: str) -> None:
    spline = Spline(4)
    map_one_way: Callable[..., tuple[Tensor, Tensor]] = getattr(spline, direction)
    x, h = 4.0 * (2.0 * torch.rand(15) - 1.0), numbers(spline, 15)
    assert torch.autograd.gradcheck(map_one_way, (x.requires_grad_(), h.requires_grad_()))
    assert torch.autograd.gradgradcheck(map_one_way, (x[:4].detach().requires_grad_(), h[:4].detach().requires_grad_()))


@pytest.mark.parametrize("term", ["gz", "gl"])
def test_a_wrong_sign_in_the_gradients_is_noticed(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    sound = curve.gradients

    def turned(x: Tensor, h: Tensor, gz: Tensor, gl: Tensor, bins: Bins, *, inverse: bool) -> tuple[Tensor, Tensor]:
        gradient, of_h = sound(x, h, *((-gz, gl) if term == "gz" else (gz, -gl)), bins, inverse=inverse)
        return gradient, of_h

    monkeypatch.setattr(curve, "gradients", turned)
    spline = Spline(4)
    x, h = inside(10).requires_grad_(), numbers(spline, 10).requires_grad_()
    assert not torch.autograd.gradcheck(spline, (x, h), raise_exception=False)


@pytest.mark.parametrize("bins", [2, 8])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_compiled_loops_compute_the_same(
    monkeypatch: pytest.MonkeyPatch, direction: str, dtype: torch.dtype, tolerance: float, bins: int
) -> None:
    """Also in pieces, for values outside, at the bound, and NaN."""
    spline = Spline(bins)
    h = numbers(spline, 1000, scale=0.5).to(dtype).requires_grad_()
    x = (4.0 * (2.0 * torch.rand(1000) - 1.0)).to(dtype)
    x[:5] = torch.tensor([-1e30, 1e30, BOUND, -BOUND, float("nan")])
    x.requires_grad_()
    weights = torch.randn(2, 1000, dtype=dtype)
    found = []
    for least, part in ((10_000, 10_000), (10, 10_000), (10, 300)):
        monkeypatch.setattr(function, "COMPILED_VALUES", least)
        monkeypatch.setattr(function, "VALUES_OF_A_THREAD", part)
        monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
        z, log_slope = getattr(spline, direction)(x, h)
        gradients = torch.autograd.grad((z, log_slope), (x, h), tuple(weights))
        found.append((z, log_slope, *gradients))
    truth, whole, pieces = found
    for t, w, p in zip(truth, whole, pieces, strict=True):
        assert w.dtype == dtype
        torch.testing.assert_close(w, t, rtol=tolerance, atol=tolerance, equal_nan=True)
        # Other lengths leave other values to the part of a loop that is not vectorised, which may round otherwise.
        torch.testing.assert_close(p, w, rtol=tolerance, atol=tolerance, equal_nan=True)
        assert bool(t.isnan().any())


@pytest.mark.parametrize("bins", [2, 8])
@pytest.mark.parametrize(("dtype", "scale", "tolerance"), [(torch.float64, 1.0, 1e-10), (torch.float32, 0.4, 1e-4)])
def test_there_and_back(dtype: torch.dtype, scale: float, tolerance: float, bins: int) -> None:
    spline = Spline(bins)
    h = numbers(spline, 1000, 5, scale=scale).to(dtype)
    x = 4.0 * torch.randn(1000, 5, dtype=dtype)
    z, log_slope = spline(x, h)
    back, log_slope_back = spline.inverse(z, h)
    assert z.dtype == log_slope.dtype == back.dtype == dtype
    torch.testing.assert_close(back, x, rtol=0, atol=tolerance)
    torch.testing.assert_close(log_slope_back, -log_slope, rtol=0, atol=10.0 * tolerance)
    there, _ = spline.inverse(x, h)
    torch.testing.assert_close(spline(there, h)[0], x, rtol=0, atol=tolerance)


def test_it_rises_everywhere() -> None:
    spline = Spline(8)
    x = torch.linspace(-4.0, 4.0, 4001).expand(20, -1)
    z, log_slope = spline(x, numbers(spline, 20, 1, scale=2.0).expand(-1, 4001, -1))
    assert bool((z.diff(dim=1) > 0).all())
    assert bool(torch.isfinite(log_slope).all())


def test_outside_it_is_the_identity() -> None:
    spline = Spline(8, bound=2.0)
    x = torch.tensor([-1e30, -5.0, -2.0 - 1e-9, 2.0 + 1e-9, 7.0, 1e30])
    h = numbers(spline, 6, scale=3.0)
    for z, log_slope in (spline(x, h), spline.inverse(x, h)):
        assert torch.equal(z, x)
        assert not bool(log_slope.any())


def test_zeros_are_the_identity() -> None:
    spline = Spline(8)
    x = 2.0 * torch.randn(100)
    assert not bool(spline.identity().any())
    z, log_slope = spline(x, spline.identity().expand(100, -1))
    torch.testing.assert_close(z, x, rtol=0, atol=1e-14)
    torch.testing.assert_close(log_slope, torch.zeros(100), rtol=0, atol=1e-13)


def test_curve_and_slope_are_continuous_over_the_knots() -> None:
    """Also over the first and last, where the line begins."""
    spline = Spline(5)
    h = numbers(spline, 30)
    at, _ = knots(spline, h)
    step = 1e-9
    sides = [spline(at + side, h.unsqueeze(1).expand(-1, 6, -1)) for side in (-step, 0.0, step)]
    for left, right in ((sides[0], sides[1]), (sides[1], sides[2])):
        torch.testing.assert_close(left[0], right[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(left[1], right[1], rtol=0, atol=1e-4)
    torch.testing.assert_close(sides[1][0], knots(spline, h)[1])


def test_knots_out_of_order_cannot_be() -> None:
    """Whatever the numbers, widths and heights are positive; a spline through unsorted knots would fall somewhere."""
    spline = Spline(4)
    extreme = torch.tensor([-1e30, -80.0, 0.0, 80.0, 1e30])
    h = extreme[torch.randint(5, (200, spline.params))]
    for ends in knots(spline, h):
        assert bool((ends.diff(dim=-1) > 0).all())
    x = torch.linspace(-3.5, 3.5, 301).expand(200, -1)
    z, _ = spline(x, h.unsqueeze(1).expand(-1, 301, -1))
    assert bool((z.diff(dim=1) >= 0).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_extreme_makes_a_nan(dtype: torch.dtype) -> None:
    spline = Spline(8)
    extreme = torch.tensor([-1e30, -80.0, 0.0, 80.0, 1e30], dtype=dtype)
    values = torch.tensor([-1e30, -BOUND, -1e-30, 0.0, 1.5, BOUND, 1e30], dtype=dtype)
    wild = extreme[torch.randint(5, (300, 7, spline.params))]
    for numbers_ in (wild, torch.zeros(1, 7, spline.params, dtype=dtype)):
        h = numbers_.requires_grad_()
        x = values.expand(len(h), 7).clone().requires_grad_()
        for direction in (spline.forward, spline.inverse):
            z, log_slope = direction(x, h)
            gradients = torch.autograd.grad(z.sum() + log_slope.sum(), (x, h))
            for t in (z, log_slope, *gradients):
                assert bool(torch.isfinite(t).all())
    far = values[[0, 6]].requires_grad_()
    z, log_slope = spline(far, numbers(spline, 2).to(dtype))
    assert torch.autograd.grad((z * z).sum() + log_slope.sum(), far)[0].tolist() == (2.0 * far).tolist()


def test_at_the_knots_gradients_are_finite_and_one_sided() -> None:
    spline = Spline(4)
    h = numbers(spline, 50)
    x = knots(spline, h)[0].requires_grad_()
    z, log_slope = spline(x, h.unsqueeze(1).expand(-1, 5, -1))
    (slope,) = torch.autograd.grad(z.sum(), x, retain_graph=True)
    torch.testing.assert_close(slope.log(), log_slope, rtol=0, atol=1e-9)
    assert bool(torch.isfinite(torch.autograd.grad(log_slope.sum(), x)[0]).all())


def test_nan_stays_nan() -> None:
    spline = Spline(3)
    x = torch.tensor([float("nan"), 0.5])
    z, log_slope = spline(x, numbers(spline, 2))
    assert z.isnan().tolist() == log_slope.isnan().tolist() == [True, False]


def test_memory_may_lie_in_any_order() -> None:
    spline = Spline(3)
    x, h = inside(4, 5, 2), numbers(spline, 4, 5, 2)
    z, log_slope = spline(x, h)
    for order in ((3, 0, 1, 2), (3, 2, 1, 0), (0, 3, 1, 2), (1, 3, 0, 2)):
        laid = h.permute(order).contiguous().permute([order.index(axis) for axis in range(4)])
        for found, expected in zip(spline(x, laid), (z, log_slope), strict=True):
            torch.testing.assert_close(found, expected)  # exp of strided values may round otherwise


def test_values_do_not_mix() -> None:
    spline = Spline(8)
    x, h = inside(6, 4), numbers(spline, 6, 4)
    z, _ = spline(x, h)
    alone = torch.stack([spline(x[i : i + 1], h[i : i + 1])[0][0] for i in range(6)])
    torch.testing.assert_close(z, alone, rtol=0, atol=1e-14)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="2 to 200 bins"):
        Spline(1)
    with pytest.raises(UsageError, match="bound of a spline > 0"):
        Spline(8, bound=0.0)
