"""Tanh fields: their divergence, exact and estimated, and the compiled loops against plain operations."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from loglik.nets.fields.compiled import CompiledDynamics, compiled_trajectory
from loglik.nets.fields.field import Directions, Field
from loglik.nets.fields.field_dynamics import FieldDynamics
from loglik.nets.fields.image_field import ImageField
from loglik.nets.fields.penalised_dynamics import PenalisedDynamics
from loglik.ode import RK4, TSIT5, Fixed, Grid, SolverStep, solve

B = 20
SHAPES = [(3, (8, 7, 6), 0), (3, (8,), 2), (9, (5, 6), 2), (1, (4, 4, 4, 4), 0)]


def field_and_rows(
    dims: int, hidden: tuple[int, ...], context: int, dtype: torch.dtype
) -> tuple[Field, Tensor, Tensor | None]:
    """A field that moves, rows and contexts."""
    field = Field(dims, hidden, context=context).to(dtype)
    with torch.no_grad():
        for p in field.layers[-1].parameters():
            p.normal_(std=0.5)
    return field, torch.randn(B, dims, dtype=dtype), torch.randn(B, context, dtype=dtype) if context else None


def directions(field: Field, x: Tensor, kind: str) -> tuple[Directions, Tensor | None]:
    eps = torch.randn(2, *x.shape, dtype=x.dtype)
    if kind == "probes":
        return field.hutchinson(eps), eps
    return {"exact": field.exact, "axes": field.axes}[kind](), None


@pytest.mark.parametrize("kind", ["exact", "axes", "probes"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_divergence_is_that_of_automatic_differentiation(
    shape: tuple[int, tuple[int, ...], int], kind: str
) -> None:
    """tr df/dx along all axes, or along hidden units where these are fewer; mean of eps . (df/dx) eps along probes."""
    field, x, c = field_and_rows(*shape, torch.float64)
    along, eps = directions(field, x, kind)
    t = torch.tensor(0.3, dtype=torch.float64)
    dynamics = field.dynamics(c, along)
    f, trace = dynamics.parts(dynamics(t, dynamics.start(x)))
    torch.testing.assert_close(f, field(t, x, c), atol=1e-12, rtol=0)
    J = torch.autograd.functional.jacobian(lambda x: field(t, x, c).sum(0), x).permute(1, 0, 2)
    truth = torch.einsum("bdd->b", J) if eps is None else torch.einsum("kbi,bij,kbj->b", eps, J, eps) / len(eps)
    torch.testing.assert_close(trace, truth, atol=1e-12, rtol=0)
    assert kind != "exact" or len(along.e) == min(x.shape[1], field.widths[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kind", ["exact", "probes"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_compiled_loops_are_the_plain_operations(
    shape: tuple[int, tuple[int, ...], int], kind: str, dtype: torch.dtype
) -> None:
    """Values and all gradients of one evaluation."""
    field, x, c = field_and_rows(*shape, dtype)
    dynamics = field.dynamics(c, directions(field, x, kind)[0])
    state = dynamics.start(x).requires_grad_()
    t = torch.tensor(0.3, dtype=dtype)
    f, tangents = dynamics.value_and_tangents(t, dynamics.parts(state)[0])
    slopes = dynamics(t, state), torch.cat([f.reshape(-1), dynamics.trace(tangents)])
    assert isinstance(dynamics, CompiledDynamics)
    tolerance = 1e-11 if dtype is torch.float64 else 2e-5
    torch.testing.assert_close(*slopes, atol=tolerance, rtol=tolerance)
    assert_same_gradients(slopes, [state, *field.parameters()], tolerance)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["exact", "probes"])
@pytest.mark.parametrize("shape", SHAPES[1:3], ids=str)
def test_a_compiled_way_is_the_solver_on_the_same_grid(
    shape: tuple[int, tuple[int, ...], int], kind: str, threads: int
) -> None:
    field, _, _ = field_and_rows(*shape, torch.float64)
    rows = 300  # enough for two threads, and blocks that are not full
    x, c = torch.randn(rows, shape[0], dtype=torch.float64), torch.randn(rows, shape[2], dtype=torch.float64)
    x.requires_grad_()
    dynamics = field.dynamics(c, directions(field, x, kind)[0])
    times = [0.0, 0.2, 0.7, 1.0]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        z, log_det, error = compiled_trajectory(dynamics, x, times, TSIT5)
        way = torch.cat([z.reshape(-1), log_det])
        shares: list[Tensor] = []

        def note(step: SolverStep) -> None:
            z_off, log_det_off = dynamics.parts(step.errors()[0].abs() / (1.0 + step.end.abs()))
            shares.append(torch.maximum(z_off.amax(1), log_det_off))

        plain = solve(dynamics, dynamics.start(x), (0.0, 1.0), steps=Grid(times, watch=note)).last
        torch.testing.assert_close(way, plain, atol=1e-11, rtol=0)
        torch.testing.assert_close(error, torch.stack(shares).amax(0).detach(), atol=1e-12, rtol=0)
        assert not error.requires_grad
        assert_same_gradients((way, plain), [x, *field.parameters()], 1e-10)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["axes", "probes"])
def test_some_rows_move_as_they_do_among_all(kind: str) -> None:
    field, x, c = field_and_rows(3, (8, 7), 2, torch.float64)
    dynamics, rows, t = field.dynamics(c, directions(field, x, kind)[0]), torch.tensor([11, 2, 5]), torch.tensor(0.3)
    for whole in (dynamics, PenalisedDynamics(dynamics, 0.3, 0.7)):
        part = whole.select(rows)
        among = whole.parts(whole(t, whole.start(x)))
        for alone, all_rows in zip(part.parts(part(t, part.start(x[rows]))), among, strict=True):
            torch.testing.assert_close(alone, all_rows[rows], atol=1e-12, rtol=0)


@pytest.mark.parametrize("probed", [False, True])
def test_some_images_move_as_they_do_among_all(probed: bool) -> None:
    field, rows, t = ImageField((1, 3, 2), (4,), context=2).double(), torch.tensor([4, 1]), torch.tensor(0.3)
    torch.nn.init.normal_(field.layers[-1].weight)
    x, c = torch.randn(5, 1, 3, 2, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    eps = torch.randn(2, *x.shape, dtype=torch.float64)
    whole = field.dynamics(c, field.hutchinson(eps) if probed else field.exact())
    part = whole.select(rows)
    among = whole.parts(whole(t, whole.start(x)))
    for alone, all_rows in zip(part.parts(part(t, part.start(x[rows]))), among, strict=True):
        torch.testing.assert_close(alone, all_rows[rows], atol=1e-12, rtol=0)


def assert_same_gradients(results: tuple[Tensor, Tensor], wanted: list[Tensor], tolerance: float) -> None:
    weights = torch.randn_like(results[0])
    found = [
        torch.autograd.grad((r * weights).sum(), wanted, retain_graph=True, allow_unused=True, materialize_grads=True)
        for r in results
    ]
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=tolerance * float(theirs.abs().max() + 1.0), rtol=0)


@pytest.mark.parametrize(("gain", "size"), [(None, 1.5), (3.0, 3.0)])
def test_fields_begin_at_rest_and_their_units_as_rough_as_told(gain: float | None, size: float) -> None:
    """By default 1 + 2 / D for vectors, here of 4 values, and 1.5 for images."""
    field, image = Field(4, (400, 300), gain=gain), ImageField((4, 6, 6), (400,), gain=gain)
    first, other = field.layers[0], image.layers[0]
    assert isinstance(first, nn.Linear)
    assert isinstance(other, nn.Conv2d)
    with torch.no_grad():
        assert not field(torch.tensor(0.4), torch.randn(9, 4)).any()
        still = image.dynamics(None, image.no_directions())
        assert not still.value_and_tangents(torch.tensor(0.4), torch.randn(2, 4, 6, 6))[0].any()
        assert float(first.weight.std()) == pytest.approx(size / math.sqrt(5), rel=0.1)  # time is an input too
        assert float(other.weight.std()) == pytest.approx(size / math.sqrt(9 * 4), rel=0.1)
        for layer in (first, other):
            assert layer.bias is not None
            assert float(layer.bias.abs().max()) == pytest.approx(size, rel=0.05)


def test_wide_nets_go_by_plain_operations() -> None:
    field, x, _ = field_and_rows(2, (200, 8), 0, torch.float64)
    dynamics = field.dynamics(None, field.exact())
    assert not isinstance(dynamics, CompiledDynamics)
    f, _ = dynamics.parts(dynamics(torch.tensor(0.5), dynamics.start(x)))
    torch.testing.assert_close(f, field(torch.tensor(0.5), x))


def test_the_loops_own_tanh() -> None:
    """To some units in the last place of 1, also where it is flat; no NaN at the ends of the numbers."""
    from loglik.nets.fields import kernel as field_kernel

    for kind, tolerance in ((np.float32, 5e-7), (np.float64, 4e-14)):
        x = np.concatenate([np.linspace(-30.0, 30.0, 20_001), [1e30, -1e30, np.inf, -np.inf]]).astype(kind)[None]
        h, nothing = np.empty_like(x), np.zeros(x.shape[1], kind)
        field_kernel.activate(x, nothing, h)
        assert np.abs(h - np.tanh(x)).max() < tolerance


def test_a_net_that_meets_nan_says_nan() -> None:
    field, x, _ = field_and_rows(3, (8, 7), 0, torch.float32)
    x[4, 1] = torch.nan
    dynamics = field.dynamics(None, field.exact())
    f, trace = dynamics.parts(dynamics(torch.tensor(0.5), dynamics.start(x)).detach())
    assert torch.isnan(f[4]).all()
    assert torch.isnan(trace[4])
    assert torch.isfinite(f[[0, 5, 19]]).all()


@pytest.mark.parametrize("kind", ["axes", "probes"])
def test_penalties_are_integrals_along_the_way(kind: str) -> None:
    """int kinetic |f|^2 + jacobian |df/dx|_F^2 dt, by the rule of Simpson over the places of the way."""
    field, x, _ = field_and_rows(3, (8, 7), 0, torch.float64)
    along, eps = directions(field, x, kind)
    penalised = PenalisedDynamics(field.dynamics(None, along), 0.3, 0.7)
    times = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
    states = solve(penalised, penalised.start(x), times, method=RK4, steps=Fixed(200)).states
    rates = []
    for t, state in zip(times, states, strict=True):
        z, _, _ = penalised.parts(state.detach())
        J = torch.autograd.functional.jacobian(lambda z, t=t: field(t, z).sum(0), z).permute(1, 0, 2)
        square = (
            J.square().sum((1, 2)) if eps is None else torch.einsum("bij,kbj->kbi", J, eps).square().sum((0, 2)) / 2
        )
        rates.append(0.3 * field(t, z).square().sum(1) + 0.7 * square)
    weights = torch.tensor([1.0, *(4.0 if i % 2 else 2.0 for i in range(1, 100)), 1.0], dtype=torch.float64) / 300.0
    z, log_det, penalty = penalised.parts(states[-1])
    torch.testing.assert_close(penalty, (weights[:, None] * torch.stack(rates)).sum(0), atol=1e-5, rtol=1e-5)
    dynamics = field.dynamics(None, along)
    plain = dynamics.parts(solve(dynamics, dynamics.start(x), (0.0, 1.0), method=RK4, steps=Fixed(200)).last)
    torch.testing.assert_close(torch.cat([z.reshape(-1), log_det]), torch.cat([plain[0].reshape(-1), plain[1]]))


def test_a_sum_over_probes_in_place_of_their_mean_is_found() -> None:
    field, x, _ = field_and_rows(3, (8, 7), 0, torch.float64)
    along = field.hutchinson(torch.randn(4, *x.shape, dtype=torch.float64))
    t = torch.tensor(0.3, dtype=torch.float64)

    def trace(dynamics: FieldDynamics) -> Tensor:
        return dynamics.parts(dynamics(t, dynamics.start(x)))[1]

    mean, total = trace(field.dynamics(None, along)), trace(field.dynamics(None, replace(along, scale=1.0)))
    torch.testing.assert_close(total, 4.0 * mean)
    assert along.scale == 0.25
