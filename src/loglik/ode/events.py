"""Solving until something happens: the time of an event is a solution too, and differentiable."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from loglik.errors import NotSolved, UsageError
from loglik.ode.gradients import Backprop, Gradient
from loglik.ode.problem import Counted, Packing, Problem, State, UserField
from loglik.ode.solve import Solution, solve
from loglik.ode.step import SolverStep, Stepper
from loglik.ode.steps import Adaptive, StepRule
from loglik.ode.tableaus import TSIT5, Tableau

Event = Callable[[Tensor, State], Tensor]  # g(t, y), a scalar; the event is where it changes its sign


def solve_until(
    event: Event,
    f: UserField,
    y: State,
    start: float,
    limit: float,
    *,
    method: Tableau = TSIT5,
    steps: StepRule | None = None,
    gradient: Gradient | None = None,
) -> Solution:
    """y from `start` up to the first time t* at which g(t, y(t)) changes its sign; times and states at both ends.

    t* is found by false position, on the interpolated solution of the step that holds it. Its gradient, and that of
    the state there, follow from g(t*, y(t*)) = 0:   dt* = -dg/dy dy / (dg/dt + dg/dy f).
    A zero of g at `start` is where the last event was, not one to stop at. Two changes within one step go unseen.

    Args:
        event: g(t, y) -> a scalar tensor.
        limit: the time at which to give up, before `start` to go back in time.
        method, steps, gradient: as for `solve`.

    Raises:
        NotSolved: no event before `limit`; or as `solve`.
    """
    steps, gradient, packing = steps or Adaptive(), gradient or Backprop(), Packing(y)
    if not math.isfinite(limit) or limit == start:
        raise UsageError(f"Expected a finite limit other than the start, {start:g}; got {limit:g}.")
    at = first_change(event, packing, Problem(Counted(f, packing), (start, limit), method, steps), packing.pack(y))
    solution = solve(f, y, (start, at), method=method, steps=steps.between(start, at, limit - start), gradient=gradient)
    if not torch.is_grad_enabled():
        return solution
    return with_moving_end(event, f, solution, packing, at)


@torch.no_grad()
def first_change(event: Event, packing: Packing, problem: Problem, y: Tensor) -> float:
    """The time t* of the event."""

    def g(t: float, flat: Tensor) -> float:
        return float(event(torch.full((), t, dtype=flat.dtype, device=flat.device), packing.unpack(flat)))

    def g_inside(step: SolverStep, theta: float) -> float:
        return g(step.t + theta * step.h, step.at(theta))

    start, limit = problem.times
    before = g(start, y)
    for step in problem.steps.walk(Stepper(problem.method, problem.field), y, start, limit, problem.log):
        after = g(step.t_end, step.end)
        if before and (after == 0.0 or (before < 0.0) != (after < 0.0)):
            return step.t + step.h * change_inside(partial(g_inside, step), before, after)
        before = after
    raise NotSolved(f"The event did not happen before t = {limit:g}. Give it more time (limit).")


def change_inside(g: Callable[[float], float], before: float, after: float) -> float:
    """The theta in (0, 1] at which g leaves the sign of `before`: false position, in the Illinois variant."""
    low, high = 0.0, 1.0
    while after and high - low > 4.0 * math.ulp(1.0):
        middle = min(max((low * after - high * before) / (after - before), low + math.ulp(1.0)), high - math.ulp(1.0))
        value = g(middle)
        if value and (value < 0.0) == (before < 0.0):
            low, before, after = middle, value, 0.5 * after
        else:
            high, after, before = middle, value, 0.5 * before
    return high


def with_moving_end(event: Event, f: UserField, solution: Solution, packing: Packing, at: float) -> Solution:
    """The solution with an end that moves as the event does: a step of Newton's, of which only the gradient is kept."""
    start, end = (packing.pack(packing.row(solution.states, i)) for i in (0, 1))
    t = torch.full((), at, dtype=end.dtype, device=end.device)
    here, inner = t.clone().requires_grad_(), end.detach().requires_grad_()
    slope = Counted(f, packing)(at, end).detach()
    g = event(here, packing.unpack(inner))
    by_t, by_y = torch.autograd.grad(g, [here, inner], allow_unused=True)
    rate = sum(torch.sum(d * move) for d, move in ((by_t, 1.0), (by_y, slope)) if d is not None)
    later = -event(t, packing.unpack(end)) / rate
    later = later - later.detach()
    states = packing.unpack(torch.stack([start, end + slope * later]), leading=(2,))
    return replace(solution, times=torch.stack([solution.times[0], t + later]), states=states)
