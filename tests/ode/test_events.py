"""Events, and the guard that names what went wrong."""

import math

import pytest
import torch
from torch import Tensor

from loglik.errors import NotSolved, UsageError
from loglik.ode import DOP853, METHODS, Adaptive, Adjoint, Backprop, Fixed, Gradient, Tableau, solve, solve_until

pytestmark = pytest.mark.usefixtures("float64")
GRAVITY = 9.81


def falling(t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[1], torch.full_like(y[1], -GRAVITY)])


def ground(t: Tensor, y: Tensor) -> Tensor:
    return y[0]


@pytest.mark.parametrize("method", [m for m in METHODS if m.order > 1], ids=str)
def test_a_fall_ends_on_the_ground(method: Tableau) -> None:
    steps = Adaptive(1e-9) if method.order > 3 and method.error else Fixed(50)
    found = solve_until(ground, falling, torch.tensor([10.0, 0.0]), 0.0, 60.0, method=method, steps=steps)
    assert float(found.times[-1]) == pytest.approx(math.sqrt(20.0 / GRAVITY), abs=1e-9)
    assert abs(float(found.last[0])) < 1e-8
    assert float(found.last[1]) == pytest.approx(-math.sqrt(20.0 * GRAVITY), abs=1e-7)


@pytest.mark.parametrize("gradient", [Backprop(), Adjoint(parameters=())], ids=["backprop", "adjoint"])
def test_the_time_of_an_event_is_differentiable(gradient: Gradient) -> None:
    """t* = sqrt(2 height / g) and v* = -sqrt(2 g height), with v0 = 0."""
    y = torch.tensor([10.0, 0.0], requires_grad=True)
    found = solve_until(ground, falling, y, 0.0, 60.0, steps=Adaptive(1e-10), gradient=gradient)
    (by_time,) = torch.autograd.grad(found.times[-1], y, retain_graph=True)
    assert float(by_time[0]) == pytest.approx(0.5 * math.sqrt(2.0 / (GRAVITY * 10.0)), abs=1e-7)
    (by_speed,) = torch.autograd.grad(found.last[1], y)
    assert float(by_speed[0]) == pytest.approx(-math.sqrt(GRAVITY / 20.0), abs=1e-7)


def test_a_ball_bounces_again_from_where_it_hit() -> None:
    """The zero at the start of the next flight is where the last event was; flights shorten by the bounce."""
    state, t, flights = torch.tensor([0.0, 10.0]), 0.0, []
    for _ in range(3):
        found = solve_until(ground, falling, state, t, t + 60.0, method=DOP853)
        flights.append(float(found.times[-1]) - t)
        t = float(found.times[-1])
        state = torch.stack([torch.zeros(()), -0.5 * found.last[1]])
    assert flights == pytest.approx([20.0 / GRAVITY, 10.0 / GRAVITY, 5.0 / GRAVITY], abs=1e-8)


def test_events_backwards_in_time_and_of_several_parts() -> None:
    field = lambda t, y: (torch.ones_like(y[0]), 2.0 * t * torch.ones_like(y[1]))  # noqa: E731
    found = solve_until(lambda t, y: y[0].sum() + 3.0, field, (torch.zeros(2), torch.tensor(0.0)), 0.0, -9.0)
    assert float(found.times[-1]) == pytest.approx(-1.5, abs=1e-7)
    assert float(found.last[1]) == pytest.approx(2.25, abs=1e-6)


def test_an_event_that_does_not_come_is_named() -> None:
    with pytest.raises(NotSolved, match=r"did not happen before t = 0\.5"):
        solve_until(ground, falling, torch.tensor([10.0, 0.0]), 0.0, 0.5)
    with pytest.raises(UsageError, match="finite limit"):
        solve_until(ground, falling, torch.tensor([10.0, 0.0]), 0.0, 0.0)


def test_a_field_that_is_not_finite_is_named() -> None:
    with pytest.raises(NotSolved, match="field is NaN or infinite at t = 0"):
        solve(lambda t, y: y * float("nan"), torch.ones(2), [0.0, 1.0])
    with pytest.raises(NotSolved, match="state is NaN or infinite at t = 0"):
        solve(lambda t, y: 0.0 * y.nan_to_num(), torch.tensor([1.0, float("inf")]), [0.0, 1.0])


def test_a_step_that_vanishes_is_named_with_its_time() -> None:
    """y' = y^2 from 1 has its pole at t = 1; beyond a half, log(1/2 - t) is NaN."""
    with pytest.raises(NotSolved, match=r"step size fell to .* at t = 1: the field is stiff"):
        solve(lambda t, y: y**2, torch.ones(1), [0.0, 2.0])
    with pytest.raises(NotSolved, match=r"step size fell to .* at t = 0.5: .* NaN"):
        solve(lambda t, y: torch.log(0.5 - t) + 0.0 * y, torch.ones(1), [0.0, 1.0])


def test_too_many_steps_are_named() -> None:
    with pytest.raises(NotSolved, match=r"Stopped after 200 steps at t = .* of 10"):
        solve(lambda t, y: -1e4 * (y - torch.cos(t)), torch.ones(1), [0.0, 10.0], steps=Adaptive(1e-6, most=200))
    with pytest.raises(UsageError, match="at least 1 step"):
        Fixed(0)
    with pytest.raises(UsageError, match="tolerances above 0"):
        Adaptive(0.0)
