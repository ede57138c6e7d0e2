"""The mixture of logistics as a transform: its definition, its slope, its inverse and the gradients of both."""

import pytest
import torch
from torch import Tensor

from loglik.bijections.logistic_mixture import LogisticMixture
from loglik.errors import UsageError

pytestmark = pytest.mark.usefixtures("float64")


def steered(components: int, *shape: int, spread: float = 1.0) -> tuple[LogisticMixture, Tensor]:
    transform = LogisticMixture(components)
    return transform, transform.identity() + spread * torch.randn(*shape, transform.params)


@pytest.mark.parametrize("components", [1, 3, 8])
def test_it_is_the_logit_of_the_mixture(components: int) -> None:
    transform, h = steered(components, 50, 2, spread=0.5)
    x = 2.0 * torch.randn(50, 2)
    logits, means, raw, affine = torch.split(h, [components, components, components, 2], -1)
    t = (x.unsqueeze(-1) - means) / torch.exp(5.0 * torch.tanh(raw / 5.0))
    cdf = (logits.softmax(-1) * torch.sigmoid(t)).sum(-1)
    expected = (torch.logit(cdf) - affine[..., 0]) * torch.exp(-5.0 * torch.tanh(affine[..., 1] / 5.0))
    torch.testing.assert_close(transform(x, h)[0], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("components", [1, 4])
def test_both_log_derivatives_are_those_of_autograd(components: int) -> None:
    transform, h = steered(components, 200, spread=1.5)
    for direction in (transform.forward, transform.inverse):
        x = (3.0 * torch.randn(200)).requires_grad_()
        z, log_slope = direction(x, h)
        (slope,) = torch.autograd.grad(z.sum(), x)
        torch.testing.assert_close(log_slope, slope.log(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("components", [1, 2, 8])
def test_there_and_back_again(components: int) -> None:
    transform, h = steered(components, 500)
    x = 4.0 * torch.randn(500)
    z, log_slope = transform(x, h)
    back, log_slope_back = transform.inverse(z, h)
    torch.testing.assert_close(back, x, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(log_slope_back, -log_slope, rtol=1e-9, atol=1e-9)
    single, _ = transform.inverse(z.float(), h.float())
    torch.testing.assert_close(single.double(), x, rtol=1e-3, atol=1e-3)


def test_gradients_of_the_inverse_are_exact() -> None:
    """Those of the values that are mapped and of what steers them, second derivatives through the slope included."""
    transform, h = steered(3, 4)
    assert torch.autograd.gradcheck(transform.inverse, (torch.randn(4, requires_grad=True), h.requires_grad_()))


def test_one_component_is_affine() -> None:
    transform = LogisticMixture(1)
    x = torch.randn(20)
    z, log_slope = transform(x, transform.identity().expand(20, -1))
    torch.testing.assert_close(z, x)
    torch.testing.assert_close(log_slope, torch.zeros(20))


@pytest.mark.parametrize("components", [2, 8, 32])
def test_it_begins_near_the_identity_with_components_that_differ(components: int) -> None:
    transform = LogisticMixture(components)
    x = torch.linspace(-3.0, 3.0, 61)
    z, log_slope = transform(x, transform.identity().expand(61, -1))
    assert float((z - x).abs().max()) < 0.4
    assert float(log_slope.abs().max()) < 0.4
    assert abs(float(log_slope[30])) < 1e-12
    assert len(transform.identity()[components : 2 * components].unique()) == components


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_out_it_stays_finite_and_can_be_undone(dtype: torch.dtype) -> None:
    transform, h = steered(4, 6)
    x = torch.tensor([1e30, -1e30, 1e5, -1e5, 40.0, -300.0], dtype=dtype)
    z, log_slope = transform(x, h.to(dtype))
    assert torch.isfinite(z).all()
    assert float(log_slope.abs().max()) < 15.0  # linear out there: the widest component's slope, not 0 - infinity
    back, _ = transform.inverse(z, h.to(dtype))
    torch.testing.assert_close(back, x, rtol=1e-4, atol=1e-4)


def test_between_two_far_components_the_slope_keeps_its_digits() -> None:
    """In the middle of two at +-60: the density is e^-60, half from either side, and F = 1/2, so f / (F (1 - F))."""
    transform = LogisticMixture(2)
    h = torch.tensor([0.0, 0.0, -60.0, 60.0, 0.0, 0.0, 0.0, 0.0])
    _, log_slope = transform(torch.zeros(1), h[None])
    assert float(log_slope) == pytest.approx(torch.tensor(4.0).log().item() - 60.0, abs=1e-9)


def test_no_component_is_refused() -> None:
    with pytest.raises(UsageError, match="components >= 1; got 0"):
        LogisticMixture(0)
