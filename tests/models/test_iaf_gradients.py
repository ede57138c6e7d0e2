"""IAF scores value by value, and its gradients take the whole way into account: those of finite differences."""

import pytest
import torch
from torch import Tensor

from loglik.spaces import Real, Space
from loglik.zoo import build

pytestmark = pytest.mark.usefixtures("float64")
STEP = 1e-6


@pytest.mark.parametrize("context", [None, Real((2,))], ids=["alone", "given"])
def test_gradients_are_those_of_finite_differences(context: Space | None) -> None:
    model = build("iaf", Real((3,)), layers=2, hidden=(6,), context=context)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    x = torch.randn(5, 3, requires_grad=True)
    c = None if context is None else torch.randn(5, 2)

    def total() -> Tensor:
        return model.log_prob(x, c).sum()  # type: ignore[operator, no-any-return]

    inputs = [x, *model.parameters()]
    for tensor, found in zip(inputs, torch.autograd.grad(total(), inputs), strict=True):
        direction = torch.randn_like(tensor)
        ends = []
        for sign in (1.0, -1.0):
            with torch.no_grad():
                tensor.add_(direction, alpha=sign * STEP)
                ends.append(total())
                tensor.sub_(direction, alpha=sign * STEP)
        by_differences = (ends[0] - ends[1]) / (2.0 * STEP)
        torch.testing.assert_close((found * direction).sum(), by_differences, rtol=1e-5, atol=1e-6)


def test_the_density_is_that_of_the_change_of_variables() -> None:
    """Solved value by value without gradients, against the Jacobian that autograd finds of the same map."""
    model = build("iaf", Real((3,)), layers=2, hidden=(6,))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    x = torch.randn(3)

    def noise(row: Tensor) -> Tensor:
        return model.noise(row[None])[0][0]  # type: ignore[operator, no-any-return]

    log_det = torch.linalg.slogdet(torch.autograd.functional.jacobian(noise, x)).logabsdet
    truth = torch.distributions.Normal(0.0, 1.0).log_prob(noise(x)).sum() + log_det
    with torch.no_grad():
        torch.testing.assert_close(model.log_likelihood(x[None])[0], truth.detach())
