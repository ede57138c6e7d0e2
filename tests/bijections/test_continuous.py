"""Continuous flows: linear fields, the statistics of Hutchinson's estimate, learning beside scoring, extremes."""

import copy
import math

import pytest
import torch
from torch import Tensor

from loglik.bijections.continuous import SPAN, Continuous, Noise, gaussian, rademacher
from loglik.contract import Claim
from loglik.nets.fields.compiled import CompiledDynamics
from loglik.nets.fields.field import Field
from loglik.ode import RK4, Adjoint, Backprop, Checkpointed, Fixed, Gradient, counting, solve

SLOPE = 1e-4  # of the tanh: as good as linear
A = torch.tensor([[0.4, -0.9, 0.2], [0.7, -0.3, 0.5], [0.1, 0.6, 0.2]], dtype=torch.float64)


def linear(matrix: Tensor, **options: object) -> Continuous:
    """dx/dt = A tanh(SLOPE x) / SLOPE, which is A x up to 1e-8."""
    field = Field(len(matrix), (len(matrix),)).double()
    with torch.no_grad():
        for p in field.parameters():
            p.zero_()
        field.layers[0].weight[:, :-1] = SLOPE * torch.eye(len(matrix), dtype=torch.float64)
        field.layers[1].weight[:, :-1] = matrix / SLOPE
    flow = Continuous(field, **{"tolerance": 1e-5, **options})  # type: ignore[arg-type]
    return flow.double()


def moving(dims: int = 3, **options: object) -> Continuous:
    """A field with a will of its own."""
    field = Field(dims, (8, 7))
    with torch.no_grad():
        field.layers[-1].weight.normal_(std=0.6)
    flow = Continuous(field, **{"tolerance": 1e-5, **options})  # type: ignore[arg-type]
    flow.initialize(torch.randn(100, dims))
    return flow


def test_a_linear_field_multiplies_volumes_by_its_trace() -> None:
    """z = e^A x, and log|det dz/dx| = tr A = log det e^A: scoring, coming back, and learning."""
    flow, x = linear(A), torch.randn(5, 3, dtype=torch.float64)
    z, log_det = flow(x)
    torch.testing.assert_close(z, x @ torch.linalg.matrix_exp(A).T, atol=1e-6, rtol=0)
    torch.testing.assert_close(log_det, A.trace().expand(5), atol=1e-7, rtol=0)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(torch.linalg.matrix_exp(A)).logabsdet.expand(5))
    back, log_det_back = flow.inverse(z)
    torch.testing.assert_close(back, x, atol=1e-8, rtol=0)
    torch.testing.assert_close(log_det_back, -log_det, atol=1e-8, rtol=0)
    torch.testing.assert_close(flow.preimage(z), back, atol=1e-10, rtol=0)
    learned, log_det_learned, penalty = flow.trajectory(x)
    torch.testing.assert_close(learned, z, atol=1e-4, rtol=0)
    torch.testing.assert_close(log_det_learned, log_det, atol=1e-4, rtol=0)
    assert not penalty.any()


@pytest.mark.parametrize("probes", [1, 4])
@pytest.mark.parametrize("noise", [rademacher, gaussian], ids=lambda noise: noise.__name__)
def test_hutchinson_is_unbiased_with_the_predicted_variance(noise: Noise, probes: int) -> None:
    """Var = 2 sum_{i != j} S_ij^2 / K for +-1, and 2 sum_ij S_ij^2 / K for normals, S = (A + A^T) / 2."""
    n, S = 6_000, 0.5 * (A + A.T)
    variance = 2.0 * (S.square().sum() - (noise is rademacher) * S.diagonal().square().sum()) / probes
    flow = linear(A, probes=probes, noise=noise, exact=False)
    x = torch.zeros(n, 3, dtype=torch.float64)  # at rest, so that the Jacobian stays A
    for log_det in (flow.trajectory(x)[1], flow(x)[1]):
        error = float(log_det.detach().mean() - A.trace())
        assert abs(error) < 4.0 * math.sqrt(float(variance) / n)
        assert float(log_det.detach().var()) == pytest.approx(float(variance), rel=0.12)
    assert flow.claim is Claim.ESTIMATE


def test_signs_are_exact_for_a_diagonal_field() -> None:
    flow = linear(torch.diag(A.diagonal()), probes=1, exact=False)
    _, log_det = flow(torch.randn(50, 3, dtype=torch.float64))
    torch.testing.assert_close(log_det, A.trace().expand(50), atol=1e-6, rtol=0)


def test_the_noise_is_drawn_once_for_a_whole_solve() -> None:
    draws: list[tuple[int, ...]] = []

    def watched(shape: tuple[int, ...], like: Tensor) -> Tensor:
        draws.append(shape)
        return rademacher(shape, like)

    flow, x = moving(probes=2, noise=watched, exact=False), torch.randn(7, 3)
    with counting() as tally:
        flow(x)
    assert tally.evaluations > 10
    assert draws == [(2, 7, 3)]
    draws.clear()
    flow.trajectory(x)
    assert draws == [(2, 7, 3), (2, 32, 3)]  # the pilots have their own


def test_the_estimate_is_one_smooth_function_along_the_way() -> None:
    """Two solvers with the same noise agree; with noise drawn anew at every evaluation they would not."""
    flow, x = moving(exact=False), torch.randn(7, 3)

    def log_det(count: int, *, anew: bool) -> Tensor:
        torch.manual_seed(3)
        fixed = flow.field.dynamics(None, flow.field.hutchinson(rademacher((1, 7, 3), x)))

        def field(t: Tensor, state: Tensor) -> Tensor:
            dynamics = flow.field.dynamics(None, flow.field.hutchinson(rademacher((1, 7, 3), x))) if anew else fixed
            return dynamics(t, state)

        return fixed.parts(solve(field, fixed.start(x), SPAN, method=RK4, steps=Fixed(count)).last)[1].detach()

    assert float((log_det(20, anew=False) - log_det(40, anew=False)).abs().max()) < 1e-4
    assert float((log_det(20, anew=True) - log_det(40, anew=True)).abs().max()) > 1e-2


@pytest.mark.parametrize("probes", [None, 2])
@pytest.mark.parametrize("gradient", [Adjoint(), Checkpointed()], ids=lambda g: type(g).__name__)
def test_all_gradients_of_learning_agree(gradient: Adjoint | Checkpointed, probes: int | None) -> None:
    flow = moving(probes=probes).double()
    other = copy.deepcopy(flow)
    other.gradient = gradient
    x = torch.randn(9, 3, dtype=torch.float64)
    found = []
    for one in (flow, other):
        one.tolerance = 1e-9
        torch.manual_seed(0)
        z, log_det, _ = one.trajectory(x)
        found.append(torch.autograd.grad((z.square().sum(1) + log_det).sum(), list(one.parameters())))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=1e-6)


def test_learning_comes_near_scoring() -> None:
    """At the start of training, where the field is 0, and later."""
    for flow in (moving(), Continuous(Field(3, (8, 7)))):
        x = torch.randn(40, 3)
        for learned, scored in zip(flow.trajectory(x), flow(x), strict=False):
            torch.testing.assert_close(learned, scored, atol=2e-4, rtol=0)
    with torch.no_grad():
        flow.field.layers[-1].weight.normal_()
    assert float((flow.trajectory(x)[0] - x).detach().abs().max()) > 0.1


def test_learning_needs_few_steps() -> None:
    """As many as a controller takes with one event after another, or fewer, and none for a field at rest."""
    flow, x = moving(), torch.randn(40, 3)
    with counting() as resting:
        Continuous(Field(3, (8, 7))).trajectory(x)
    assert resting.evaluations <= 6 + 25
    dynamics = flow.field.dynamics(None, flow.field.exact())
    adaptive = solve(dynamics, dynamics.start(x), SPAN).evaluations
    flow.tolerance = 1e-6
    assert 6 * (len(flow._grid()) - 1) < adaptive


def test_what_an_event_learns_does_not_depend_on_its_batch() -> None:
    """Not even by the steps: bit for bit, where matrix products do not depend on it."""
    flow, x = moving(probes=1), torch.randn(12, 3)
    others = x.clone()
    others[1:] *= 30.0
    results = []
    for batch in (x, others):
        torch.manual_seed(0)
        z, log_det, _ = flow.trajectory(batch)
        results.append((z[0], log_det[0]))
    torch.testing.assert_close(results[0], results[1], atol=1e-6, rtol=0)


def rough(**options: object) -> Continuous:
    """A field at rest up to 1e-6 where |x_1| < 5, and stiff at x_1 = 10; the pilots see nothing of it."""
    field = Field(2, (2,))
    with torch.no_grad():
        for p in field.parameters():
            p.zero_()
        field.layers[0].weight[:, 0] = torch.tensor([3.0, 3.0])
        field.layers[0].bias.copy_(torch.tensor([-29.0, -31.0]))
        field.layers[1].weight[:, :2] = torch.tensor([[2.0, -2.0], [6.0, -6.0]])
    flow = Continuous(field, tolerance=1e-3, **options)  # type: ignore[arg-type]
    flow.initialize(torch.randn(100, 2))
    return flow


@pytest.mark.parametrize("gradient", [Backprop(), Adjoint(), Checkpointed()], ids=lambda g: type(g).__name__)
@pytest.mark.parametrize("kinetic", [0.0, 1e-12])
def test_events_that_need_finer_steps_get_them(gradient: Gradient, kinetic: float) -> None:
    """Values and gradients, and without these steps they would be far off."""
    flow, x = rough(gradient=gradient, kinetic=kinetic), torch.tensor([[0.3, 1.0], [9.6, 0.0], [10.0, 0.5]])

    def found(parts: tuple[Tensor, ...]) -> list[Tensor]:
        values = torch.cat([parts[0][:, 0], parts[1]])
        return [values.detach(), *torch.autograd.grad(values.sum(), list(flow.parameters()))]

    dynamics = flow.field.dynamics(None, flow.field.exact())
    truth = found(dynamics.parts(solve(dynamics, dynamics.start(x), SPAN, steps=Fixed(400)).last))
    for learned, true in zip(found(flow.trajectory(x)), truth, strict=True):
        torch.testing.assert_close(learned, true, atol=5e-3, rtol=5e-3)
    coarse = flow._refined(dynamics, x, flow._grid(), halvings=0)
    assert float((torch.cat([coarse[0][:, 0], coarse[1]]) - truth[0]).detach().abs().max()) > 0.1


def test_scores_do_not_depend_on_the_batch_in_single_precision_either() -> None:
    flow, x = moving(), torch.randn(12, 3)
    others = x.clone()
    others[1:] *= 30.0
    for alone, together in zip(flow(x[:1]), flow(others), strict=True):
        torch.testing.assert_close(alone[0], together[0], atol=5e-6, rtol=0)


def test_exact_where_it_is_affordable() -> None:
    """Along hidden units, if these are fewer than the axes; above 128 directions by estimate, unless one insists."""
    assert Continuous(Field(500, (8,)), probes=1).claim is Claim.EXACT
    assert Continuous(Field(500, (200,)), probes=1).claim is Claim.ESTIMATE
    assert Continuous(Field(500, (200,)), probes=1, exact=True).claim is Claim.EXACT
    wide = Continuous(Field(20, (6, 9)))
    with torch.no_grad():
        wide.field.layers[-1].weight.normal_()
    x = torch.randn(2, 20)
    axes = wide.field.dynamics(None, wide.field.axes())
    z, log_det = axes.parts(solve(axes, axes.start(x), SPAN).last)
    torch.testing.assert_close(wide(x)[1], log_det, atol=1e-4, rtol=0)
    torch.testing.assert_close(wide(x)[0], z, atol=1e-4, rtol=0)


def test_half_precision_stays_outside() -> None:
    flow, x = moving(), torch.randn(12, 3)
    with torch.autocast("cpu", torch.bfloat16):
        inside = (*flow(x), *flow.trajectory(x)[:2])
    assert all(t.dtype is torch.float32 for t in inside)
    for a, b in zip(inside, (*flow(x), *flow.trajectory(x)[:2]), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("size", [1e4, 1e12, 1e30])
def test_events_far_away(size: float) -> None:
    """Beyond all hidden units' reach the field is constant: events move by as much, and keep their volume."""
    flow = moving()
    x = torch.tensor([[size, -size, size], [0.0, size, 0.0], [0.1, 0.2, 0.3]])
    for z, log_det in (flow(x), flow.trajectory(x)[:2]):
        assert bool(torch.isfinite(z).all())
        assert bool(torch.isfinite(log_det).all())
    alone, _ = flow(x[2:])
    torch.testing.assert_close(flow(x)[0][2:], alone, atol=1e-5, rtol=0)


def test_constant_and_repeated_events() -> None:
    flow = Continuous(Field(2, (6,)))
    with torch.no_grad():
        flow.field.layers[-1].weight.normal_()
    x = torch.ones(5, 2)
    flow.initialize(x[:1])
    z, log_det = flow(x)
    assert bool((z == z[0]).all())
    assert bool((log_det == log_det[0]).all())


def test_the_grid_reaches_from_data_to_noise() -> None:
    for flow in (moving(), Continuous(Field(3, (8, 7)))):
        grid = flow._grid()
        assert (grid[0], grid[-1]) == SPAN
        assert list(grid) == sorted(set(grid))


def test_motion_is_prepared_once() -> None:
    flow = moving()
    dynamics = flow.field.dynamics(None, flow.field.exact())
    assert isinstance(dynamics, CompiledDynamics)
    assert dynamics.network is dynamics.network
