"""Ordinary differential equations y' = f(t, y) from a first time on, differentiable in all they depend on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from loglik.ode.counting import count
from loglik.ode.gradients import Backprop, Gradient
from loglik.ode.problem import Counted, Packing, Problem, State, UserField, as_numbers
from loglik.ode.steps import Adaptive, StepRule
from loglik.ode.tableaus import TSIT5, Tableau


@dataclass(frozen=True)
class Solution:
    """The states at the times asked for, and what it took to find them.

    `states` is (T, *shape), or a tuple of such tensors. `grid` holds the ends of all steps, the first time included:
    Grid(solution.grid) takes the same steps again. `errors` are those of adaptive steps, estimated, as shares of what
    the tolerance allows. `evaluations` of the field are those up to here; a way back by the adjoint comes on top.
    """

    times: Tensor = field(repr=False)
    states: State = field(repr=False)
    evaluations: int
    rejected: int
    grid: tuple[float, ...] = field(repr=False)
    errors: tuple[float, ...] = field(repr=False)
    method: Tableau = field(repr=False)

    @property
    def last(self) -> State:
        """The state at the last time."""
        return self.states[-1] if isinstance(self.states, Tensor) else tuple(part[-1] for part in self.states)

    def even_grid(self, sharper: float = 1.0) -> tuple[float, ...]:
        """As few steps as keep the tolerance, or one `sharper` by a factor, all with the same error.

        It follows from what adaptive steps have learned: a step of h has an error e ~ h^q, so it is worth e^(1/q) steps
        with an error of 1. A first step that was careful, or a last one that was cut short, is worth little; even steps
        need fewer evaluations for the same accuracy.
        """
        q = self.method.error_order + 1
        worth = [(e * sharper) ** (1.0 / q) for e in self.errors]
        total = sum(worth)
        count = max(1, math.ceil(total))
        places = list(accumulate(worth, initial=0.0))
        between = np.interp([total * i / count for i in range(1, count)], places, self.grid)
        return (self.grid[0], *(float(t) for t in between), self.grid[-1])


def solve(
    f: UserField,
    y: State,
    times: Sequence[float] | Tensor,
    *,
    method: Tableau = TSIT5,
    steps: StepRule | None = None,
    gradient: Gradient | None = None,
) -> Solution:
    """y at all `times`, where y' = f(t, y) and y is given at the first of them.

        solution = solve(lambda t, y: -y, torch.ones(3), [0.0, 1.0, 2.0])
        solution.states        # (3, 3): y(0), y(1), y(2)

    Times rise or fall. Gradients reach y, everything f depends on, and `times` where they are a tensor that wants them:
    dL/dt_i = dL/dy(t_i) f(t_i, y(t_i)), and dL/dt_0 = -a(t_0) f(t_0, y(t_0)) with a = dL/dy there.

    Args:
        f: f(t, y) -> dy/dt, with t a scalar tensor; y and dy/dt are of the same shapes.
        y: a tensor of any shape, or a tuple of tensors; the state at times[0].
        times: where the solution is wanted, 2 or more; the solver steps past those between and interpolates.
        method: a tableau: EULER, MIDPOINT, HEUN, RK4, BOSH3, DOPRI5, TSIT5, DOP853, or one's own.
        steps: Adaptive(rtol, atol) by default; or Fixed(count), or Grid(times).
        gradient: Backprop() by default; or Checkpointed(), or Adjoint().

    Raises:
        NotSolved: the field is not finite, or too stiff for the tolerance; the message says where.
        UsageError: times that do not rise or fall, shapes that do not fit, a method without error estimate on
            adaptive steps.
    """
    steps, gradient = steps or Adaptive(), gradient or Backprop()
    numbers, packing = as_numbers(times), Packing(y)
    counted = Counted(f, packing)
    problem = Problem(counted, numbers, method, steps)
    start = packing.pack(y)
    if isinstance(times, Tensor) and times.requires_grad and torch.is_grad_enabled():
        # Beginning at t_0 + d from y is beginning at t_0 from y - d f.
        states = gradient.states(problem, moved(counted, numbers[0], start, times[0].detach() - times[0]), f)
        ends = zip(numbers[1:], states[1:], times[1:] - times[1:].detach(), strict=True)
        states = [start, *(moved(counted, t, state, by) for t, state, by in ends)]
    else:
        states = gradient.states(problem, start, f)
    count(counted.count, steps.tolerance)
    at = times if isinstance(times, Tensor) else torch.tensor(numbers, dtype=start.dtype, device=start.device)
    unpacked = packing.unpack(torch.stack(states), leading=(len(states),))
    log = problem.log
    return Solution(at, unpacked, counted.count, log.rejected, tuple(log.times), tuple(log.errors), method)


def moved(f: Counted, t: float, y: Tensor, by: Tensor) -> Tensor:
    """y(t + by) to first order, for `by` that is 0 and has a gradient."""
    return y + f(t, y) * by
