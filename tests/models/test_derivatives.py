"""Gradients that can be differentiated again are the gradients, and so are the derivatives of these.

Operations that write their gradients out have a second way for that. In an autoregressive model what steers a value
depends on other values of the same x, which must not be counted twice.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from cases import SMALL, Case
from loglik.spaces import Real

pytestmark = pytest.mark.usefixtures("float64")
SPACE = Real((3,))
CASES = [
    Case("made", SPACE, SMALL),
    Case("maf", SPACE, SMALL | {"layers": 2, "base": "autoregressive", "components": 2}),
    Case("realnvp", SPACE, SMALL | {"layers": 2}),
    Case("nsf", SPACE, SMALL | {"layers": 2, "bins": 4}),
    Case("nsf-coupling", SPACE, SMALL | {"layers": 2, "bins": 4}),
]
each_model = pytest.mark.parametrize("case", CASES, ids=str)


@each_model
def test_gradients_are_the_same_when_they_can_be_differentiated(case: Case) -> None:
    model = case.model()
    x = torch.randn(6, 3, requires_grad=True)
    asked: list[Any] = [x, *model.parameters()]
    score = model.log_likelihood(x).sum()
    plain = torch.autograd.grad(score, asked, retain_graph=True, allow_unused=True)
    again = torch.autograd.grad(score, asked, create_graph=True, allow_unused=True)
    torch.testing.assert_close([g for g in again if g is not None], [g for g in plain if g is not None])


@each_model
def test_the_second_derivative_is_the_slope_of_the_first(case: Case) -> None:
    model = case.model()

    def slope(x: Tensor) -> Tensor:
        return torch.autograd.grad(model.log_likelihood(x).sum(), x, create_graph=True)[0]

    x, step = torch.randn(6, 3, requires_grad=True), 1e-6
    v = torch.randn(6, 3)
    (found,) = torch.autograd.grad((slope(x) * v).sum(), x)
    with torch.no_grad():
        ahead, behind = x + step * v, x - step * v
    expected = (slope(ahead.requires_grad_()) - slope(behind.requires_grad_())) / (2.0 * step)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-5, atol=1e-5)
