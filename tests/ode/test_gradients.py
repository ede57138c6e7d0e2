"""Gradients by the adjoint and by checkpoints against those through the solver, and against finite differences."""

import pytest
import torch
from problems import Linear, Net
from torch import Tensor, nn

import loglik.ode.adjoint
from loglik.errors import UsageError
from loglik.ode import Adaptive, Adjoint, Backprop, Checkpointed, Fixed, Gradient, Grid, StepRule, counting, solve

pytestmark = pytest.mark.usefixtures("float64")
TIMES = [0.0, 0.4, 1.0, 1.7]


def gradients(
    gradient: Gradient, steps: StepRule, times: list[float] = TIMES, net: nn.Module | None = None
) -> list[Tensor]:
    """Of a loss that looks at all times, in the first state, the times and the weights."""
    torch.manual_seed(0)
    net = net or Net()
    y, t = torch.randn(5, 3, requires_grad=True), torch.tensor(times, requires_grad=True)
    states = solve(net, y, t, steps=steps, gradient=gradient).states
    loss = (states * torch.arange(states.numel()).reshape(states.shape).sin()).sum()
    return list(torch.autograd.grad(loss, [y, t, *net.parameters()]))


def difference(a: list[Tensor], b: list[Tensor]) -> float:
    return max(float((p - q).abs().max() / q.abs().max()) for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize("times", [TIMES, TIMES[::-1]], ids=["forwards", "backwards"])
def test_adjoint_is_backpropagation(times: list[float]) -> None:
    through = gradients(Backprop(), Adaptive(1e-9), times)
    assert difference(gradients(Adjoint(), Adaptive(1e-9), times), through) < 1e-6
    assert difference(gradients(Adjoint(steps=Adaptive(1e-10)), Adaptive(1e-9), times), through) < 1e-6


@pytest.mark.parametrize("steps", [Fixed(40), Grid([i / 20 for i in range(35)])], ids=["fixed", "grid"])
def test_adjoint_on_given_steps(steps: StepRule) -> None:
    assert difference(gradients(Adjoint(), steps), gradients(Backprop(), steps)) < 1e-6


@pytest.mark.parametrize("steps", [Fixed(7), Adaptive(1e-6)], ids=["fixed", "adaptive"])
def test_checkpoints_change_nothing(steps: StepRule) -> None:
    assert difference(gradients(Checkpointed(), steps), gradients(Backprop(), steps)) < 1e-13


@pytest.mark.parametrize("gradient", [Backprop(), Adjoint(), Checkpointed()], ids=lambda g: type(g).__name__)
def test_gradients_of_times_are_those_of_finite_differences(gradient: Gradient) -> None:
    torch.manual_seed(0)
    net, y, d = Net(), torch.randn(5, 3), 1e-5

    def loss(t: Tensor) -> Tensor:
        states = solve(net, y, t, steps=Adaptive(1e-11), gradient=gradient).states
        return (states * torch.arange(60.0).reshape(4, 5, 3).sin()).sum()

    t = torch.tensor(TIMES, requires_grad=True)
    (found,) = torch.autograd.grad(loss(t), t)
    with torch.no_grad():
        shifts = d * torch.eye(4)
        expected = torch.stack([(loss(t + s) - loss(t - s)) / (2.0 * d) for s in shifts])
    assert torch.allclose(found, expected, atol=1e-7)


def test_adjoint_of_a_linear_equation_is_exact() -> None:
    """dL/dy(0) = e^(A'T) dL/dy(T), for L = sum of y(T)."""
    field, y = Linear(), torch.randn(2, 3, requires_grad=True)
    solve(field, y, [0.0, 1.2], steps=Adaptive(1e-10), gradient=Adjoint()).last.sum().backward()
    truth = torch.linalg.matrix_exp(1.2 * field.a.detach()).sum(0).expand(2, 3)
    assert y.grad is not None
    assert torch.allclose(y.grad, truth, atol=1e-8)


def kept(gradient: Gradient, count: int) -> tuple[int, int]:
    """How many tensors, and how many numbers, a solve of so many steps keeps for its way back."""
    sizes = []
    net, y = Net(), torch.randn(5, 3, requires_grad=True)

    def keep(t: Tensor) -> Tensor:
        sizes.append(t.numel())
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        solve(net, y, [0.0, 1.0], steps=Fixed(count), gradient=gradient)
    return len(sizes), sum(sizes)


def test_the_memory_of_the_adjoint_does_not_grow_with_the_steps() -> None:
    assert kept(Adjoint(), 4) == kept(Adjoint(), 400)
    assert kept(Adjoint(), 4)[1] == 2 * 15  # the first state and the last
    assert kept(Backprop(), 40)[1] > 9 * kept(Backprop(), 4)[1]
    assert kept(Checkpointed(), 40)[1] < 0.1 * kept(Backprop(), 40)[1]


def test_the_state_going_back_with_the_wrong_sign_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """z(t0) = z1 - int_t1^t0 f dt, as one sees it printed, walks away from z(t0) and not to it."""
    sound = loglik.ode.adjoint.adjoint_field

    def mirrored(field: object, shape: torch.Size, theta: list[Tensor]) -> object:
        slopes, size = sound(field, shape, theta), shape.numel()  # type: ignore[arg-type]

        def wrong(t: float, joined: Tensor) -> Tensor:
            rates = slopes(t, joined)
            return torch.cat([-rates[:size], rates[size:]])

        return wrong

    monkeypatch.setattr(loglik.ode.adjoint, "adjoint_field", mirrored)
    assert difference(gradients(Adjoint(), Adaptive(1e-9)), gradients(Backprop(), Adaptive(1e-9))) > 1e-3


def test_a_loose_tolerance_is_found() -> None:
    through = gradients(Backprop(), Adaptive(1e-9))
    assert difference(gradients(Adjoint(), Adaptive(1e-2)), through) > 1e-6


class Decay(nn.Module):
    """y' = -rate (y - sin t), and w' = y^2 on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(12.0))

    def forward(self, t: Tensor, state: Tensor) -> Tensor:
        y = state[:, :1]
        return torch.cat([-self.rate * (y - t.sin()), y**2, 0.0 * y], dim=1)


def test_the_state_is_reset_at_observations() -> None:
    """Strong decay followed backwards blows up; observations close together keep it in check."""
    steps, fine, coarse = Adaptive(1e-7), [0.1 * i for i in range(13)], [0.0, 1.2]
    close, far = (
        difference(gradients(Adjoint(), steps, times, Decay()), gradients(Backprop(), steps, times, Decay()))
        for times in (fine, coarse)
    )
    assert close < 1e-4
    assert far > 100.0 * close


def test_the_integral_over_the_parameters_does_not_shorten_steps() -> None:
    """A field whose parameters hardly matter to y, but whose gradient in them is rough."""

    class Rough(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3))

        def forward(self, t: Tensor, y: Tensor) -> Tensor:
            return -0.5 * y + self.weight * torch.sin(60.0 * t)

    with counting() as tally:
        gradients(Adjoint(), Adaptive(1e-6), [0.0, 1.0], Rough())
    forward = solve(Rough(), torch.randn(5, 3), [0.0, 1.0], steps=Adaptive(1e-6)).evaluations
    assert tally.evaluations < 4 * forward


def test_an_adjoint_that_does_not_know_its_parameters_is_refused() -> None:
    w = torch.ones(3, requires_grad=True)
    with pytest.raises(UsageError, match="must know what the field depends on"):
        solve(lambda t, y: w * y, torch.ones(3), [0.0, 1.0], gradient=Adjoint())
    last = solve(lambda t, y: w * y, torch.ones(3), [0.0, 1.0], gradient=Adjoint(parameters=[w])).last
    (found,) = torch.autograd.grad(last.sum(), w)
    assert torch.allclose(found, torch.e * torch.ones(3), atol=1e-4)


def test_methods_of_modules_bring_their_parameters() -> None:
    net = Net()
    solve(net.forward, torch.randn(5, 3), [0.0, 1.0], gradient=Adjoint()).last.sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in net.parameters())
