"""Solutions against scipy, matrix exponentials and conserved quantities; backwards; states of several parts."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from problems import START, Linear, Net, oscillator, oscillator_at
from scipy.integrate import solve_ivp
from torch import Tensor

from loglik.errors import UsageError
from loglik.ode import DOP853, DOPRI5, METHODS, RK4, TSIT5, Adaptive, Fixed, Tableau, largest, solve

pytestmark = pytest.mark.usefixtures("float64")
PAIRS = [m for m in METHODS if m.order >= 3 and m.error]


def van_der_pol(t: float | Tensor, y: np.ndarray | Tensor, stack: Callable) -> np.ndarray | Tensor:  # type: ignore[type-arg]
    return stack([y[1], 2.0 * (1.0 - y[0] ** 2) * y[1] - y[0]])


def lotka_volterra(t: float | Tensor, y: np.ndarray | Tensor, stack: Callable) -> np.ndarray | Tensor:  # type: ignore[type-arg]
    return stack([1.5 * y[0] - y[0] * y[1], y[0] * y[1] - 3.0 * y[1]])


def rigid_body(t: float | Tensor, y: np.ndarray | Tensor, stack: Callable) -> np.ndarray | Tensor:  # type: ignore[type-arg]
    """Euler's equations of a body without forces: problem B5 of DETEST (Hull et al. 1972)."""
    return stack([y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1]])


STANDARD = {van_der_pol: [2.0, 0.0], lotka_volterra: [10.0, 5.0], rigid_body: [0.0, 1.0, 1.0]}


@pytest.mark.parametrize("field", STANDARD, ids=lambda f: f.__name__)
@pytest.mark.parametrize("method", PAIRS, ids=str)
def test_same_as_scipy(field: Callable, method: Tableau) -> None:  # type: ignore[type-arg]
    times = np.array([0.0, 1.1, 2.9, 5.0])
    truth = solve_ivp(
        lambda t, y: field(t, y, np.array), (0.0, 5.0), STANDARD[field], "DOP853", times, rtol=1e-12, atol=1e-12
    ).y.T
    tolerance = 1e-6 if method.order == 3 else 1e-9
    found = solve(
        lambda t, y: field(t, y, torch.stack), torch.tensor(STANDARD[field]), times.tolist(), method=method,
        steps=Adaptive(tolerance),
    ).states  # fmt: skip
    assert float((found - torch.as_tensor(truth)).abs().max()) < 300.0 * tolerance


@pytest.mark.parametrize("method", [RK4, DOPRI5, TSIT5, DOP853], ids=str)
def test_linear_equations_are_matrix_exponentials(method: Tableau) -> None:
    """y(t) = e^(At) y(0), and its gradients in y(0), A and t are those of the exponential."""
    field, y = Linear(), torch.randn(4, 3, requires_grad=True)
    times = torch.tensor([0.2, 0.9, 1.5], requires_grad=True)
    steps = Fixed(60) if method is RK4 else Adaptive(1e-11)
    found = solve(field, y, times, method=method, steps=steps).states
    truth = torch.stack([y @ torch.linalg.matrix_exp(field.a * (t - times[0])).T for t in times])
    tolerance = 1e-6 if method is RK4 else 1e-10
    assert torch.allclose(found, truth, atol=tolerance)
    weights = torch.randn_like(found)
    wanted = [y, field.a, times]
    for ours, exact in zip(*(torch.autograd.grad((s * weights).sum(), wanted) for s in (found, truth)), strict=True):
        assert torch.allclose(ours, exact, atol=10.0 * tolerance)


def test_backwards_comes_back() -> None:
    there = solve(oscillator, torch.tensor(START), [0.0, 1.3, 3.0], steps=Adaptive(1e-10)).states
    back = solve(oscillator, there[-1], [3.0, 1.3, 0.0], steps=Adaptive(1e-10)).states
    assert torch.allclose(back.flip(0), there, atol=1e-8)
    assert torch.allclose(there[1], oscillator_at(1.3), atol=1e-8)


def test_energy_of_a_pendulum_is_kept() -> None:
    """H = p^2 / 2 - cos q over five swings; the sign of one of Hamilton's equations turned, it is not."""

    def energy(y: Tensor) -> Tensor:
        return 0.5 * y[..., 1] ** 2 - torch.cos(y[..., 0])

    def drift(sign: float) -> float:
        field = lambda t, y: torch.stack([y[1], -sign * torch.sin(y[0])])  # noqa: E731
        states = solve(
            field, torch.tensor([1.2, 0.0]), torch.linspace(0.0, 30.0, 7), method=DOP853, steps=Adaptive(1e-9)
        ).states
        return float((energy(states) - energy(states[0])).abs().max())

    assert drift(1.0) < 1e-7
    assert drift(-1.0) > 1e-2


def test_a_state_of_several_parts() -> None:
    """A scalar beside z, such as a log-determinant: the same as solved together in one tensor."""
    net, z = Net(), torch.randn(6, 3)

    def both(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return net(t, state[0]), state[0].square().sum(1)

    def joined(t: Tensor, state: Tensor) -> Tensor:
        return torch.cat([net(t, state[:, :3]), state[:, :3].square().sum(1, keepdim=True)], dim=1)

    parts = solve(both, (z, torch.zeros(6)), [0.0, 0.4, 1.0])
    whole = solve(joined, torch.cat([z, torch.zeros(6, 1)], dim=1), [0.0, 0.4, 1.0])
    assert parts.states[0].shape == (3, 6, 3)
    assert parts.states[1].shape == (3, 6)
    assert torch.allclose(parts.last[0], whole.last[:, :3], atol=1e-12)
    assert torch.allclose(parts.last[1], whole.last[:, 3], atol=1e-12)


def test_the_largest_error_counts_every_value() -> None:
    """One fast value among a thousand slow ones: the mean forgives it, the largest does not."""
    rate = torch.full((1000,), 0.1)
    rate[0] = 20.0
    field = lambda t, y: rate * torch.cos(rate * t) + 0.0 * y  # noqa: E731
    error = {
        norm: float((solve(field, torch.zeros(1000), [0.0, 3.0], steps=Adaptive(1e-6, norm=norm)).last
                     - torch.sin(3.0 * rate)).abs().max())
        for norm in (None or largest, Adaptive().norm)
    }  # fmt: skip
    assert error[largest] < 1e-5
    assert error[largest] < 0.2 * error[Adaptive().norm]


@pytest.mark.parametrize(
    ("times", "state", "complaint"),
    [
        ([0.0], [1.0, 1.0], "at least 2 times"),
        ([0.0, 1.0, 0.5], [1.0, 1.0], "rise, or that fall"),
        ([0.0, float("nan")], [1.0, 1.0], "rise, or that fall"),
        ([0.0, 1.0], [1, 1], "tensor of real numbers"),
        ([0.0, 1.0], [1.0, 1.0, 1.0], "shapes"),
    ],
)
def test_what_cannot_be_solved_is_refused(times: list[float], state: list[float], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        solve(oscillator, torch.tensor(state), times)
