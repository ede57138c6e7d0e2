"""Every method has the order it claims, also between its steps; a residual block is a step of Euler's."""

import math
import re
from pathlib import Path

import pytest
import torch
from problems import START, Net, oscillator, oscillator_at

from loglik import ode
from loglik.errors import UsageError
from loglik.ode import BOSH3, DOP853, EULER, METHODS, RK4, Adaptive, Fixed, Grid, Tableau, solve

pytestmark = pytest.mark.usefixtures("float64")
ORDERS = {"Euler": 1, "midpoint": 2, "Heun": 2, "RK4": 4, "Bogacki-Shampine 3(2)": 3, "Dormand-Prince 5(4)": 5}
ORDERS |= {"Tsitouras 5(4)": 5, "Dormand-Prince 8(5,3)": 8}
END = 2.0
TIMES = [0.0, 0.17, 0.49, 0.83, 1.11, 1.37, 1.79, END]


def errors(method: Tableau, count: int) -> tuple[float, float]:
    """The largest at times between steps, and at the end."""
    states = solve(oscillator, torch.tensor(START), TIMES, method=method, steps=Fixed(count)).states
    found = [float((y - oscillator_at(t)).norm()) for t, y in zip(TIMES, states, strict=True)]
    return max(found[:-1]), found[-1]


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_error_falls_with_the_step_to_the_power_of_the_order(method: Tableau) -> None:
    """The slope of log error over log h; the interpolation is no worse than the solution."""
    assert method.order == ORDERS[str(method)]
    counts = (4, 8, 16) if method.order == 8 else (32, 64, 128)
    insides, ends = zip(*(errors(method, n) for n in counts), strict=True)
    slope = math.log2(ends[0] / ends[-1]) / 2
    assert slope == pytest.approx(method.order, abs=0.35)
    assert math.log2(insides[0] / insides[-1]) / 2 > method.order - 0.6


@pytest.mark.parametrize("method", [m for m in METHODS if m.error], ids=str)
def test_methods_with_an_error_estimate_keep_a_tolerance(method: Tableau) -> None:
    """Heun's too: the error of single steps adds up to a small multiple of what each is allowed."""
    tolerance = 1e-5 if method.order == 2 else 1e-7
    y = solve(oscillator, torch.tensor(START), [0.0, END], method=method, steps=Adaptive(tolerance)).last
    assert float((y - oscillator_at(END)).norm()) < 100 * tolerance


def test_the_manual_names_those_without_an_estimate() -> None:
    manual = Path(__file__).parents[2] / "docs" / "ode.md"
    row = next(line for line in manual.read_text().splitlines() if "| none:" in line)
    named = re.findall(r"`([A-Z0-9]+)`", row)
    assert [getattr(ode, name) for name in named] == [m for m in METHODS if not m.error]


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_tableau(method: Tableau) -> None:
    """Weights sum to 1, error weights to 0; Euler's c is 0, and every stage lies inside the step."""
    assert sum(method.b) == pytest.approx(1.0, abs=1e-14)
    assert len(method.a) == len(method.b)
    assert all(len(row) == i for i, row in enumerate(method.a))
    assert all(-1e-9 < c < 1.0 + 1e-9 for c in method.c)
    for weights in (method.error, method.coarse_error, method.dense):
        assert not weights or (len(weights) == len(method.b) and abs(sum(weights)) < 1e-13)


@pytest.mark.parametrize("method", [m for m in METHODS if m.error], ids=str)
def test_tolerance_is_kept(method: Tableau) -> None:
    """Ten times the tolerance over the whole way, and with a sharper tolerance, a sharper solution."""
    for tolerance in (1e-3, 1e-5) if method.order == 2 else (1e-5, 1e-9):
        solution = solve(oscillator, torch.tensor(START), [0.0, END], method=method, steps=Adaptive(tolerance))
        assert float((solution.last - oscillator_at(END)).norm()) < 10.0 * tolerance
        assert len(solution.grid) > 2


def test_evaluations_are_counted_and_the_last_slope_is_used_again() -> None:
    assert solve(oscillator, torch.tensor(START), [0.0, END], method=RK4, steps=Fixed(5)).evaluations == 20
    found = solve(oscillator, torch.tensor(START), [0.0, END], steps=Fixed(5))
    assert found.evaluations == 5 * 6 + 1
    adaptive = solve(oscillator, torch.tensor(START), [0.0, END], steps=Adaptive(1e-6))
    tried = len(adaptive.grid) - 1 + adaptive.rejected
    assert adaptive.evaluations == tried * 6 + 2  # the first slope, and one more to choose the first length


def test_a_grid_takes_the_same_steps_again() -> None:
    found = solve(oscillator, torch.tensor(START), [0.0, END], steps=Adaptive(1e-6))
    again = solve(oscillator, torch.tensor(START), [0.0, END], steps=Grid(found.grid))
    assert torch.equal(found.last, again.last)
    assert again.grid == found.grid
    assert again.evaluations < found.evaluations


def test_a_residual_block_is_a_step_of_euler() -> None:
    """x + f(x), and a stack of blocks with shared weights is more steps."""
    block, x = Net(), torch.randn(5, 3)
    one = solve(block, x, [0.0, 1.0], method=EULER, steps=Fixed(1)).last
    assert torch.equal(one, x + block(torch.tensor(0.0), x))
    two = solve(block, x, [0.0, 2.0], method=EULER, steps=Fixed(2)).last
    assert torch.allclose(two, one + block(torch.tensor(1.0), one), atol=1e-15)


def test_adaptive_steps_need_an_error_estimate() -> None:
    with pytest.raises(UsageError, match="RK4 estimates no error"):
        solve(oscillator, torch.tensor(START), [0.0, 1.0], method=RK4)


def test_a_method_of_high_order_needs_fewer_evaluations_for_sharp_tolerances() -> None:
    sharp = Adaptive(1e-11)
    fifth, eighth = (
        solve(oscillator, torch.tensor(START), [0.0, END], steps=sharp, method=method)
        for method in (METHODS[6], DOP853)
    )
    assert eighth.evaluations < 0.6 * fifth.evaluations


def test_a_first_step_that_is_too_long_is_taken_back() -> None:
    """One step of 0.5 would be off by ten times what is allowed, by the method's own estimate and in truth."""
    tolerance, way = 1e-4, 0.5
    grown = solve(growth, torch.tensor([1.0]), [0.0, way], method=BOSH3, steps=Adaptive(tolerance, first=way))
    once = solve(growth, torch.tensor([1.0]), [0.0, way], method=BOSH3, steps=Fixed(1))
    assert abs(float(once.last) - math.exp(way)) > 10.0 * tolerance
    assert abs(float(grown.last) - math.exp(way)) < 3.0 * tolerance
    assert grown.rejected > 0


def growth(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return y
