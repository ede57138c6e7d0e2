"""An initial value problem as the solver sees it: one tensor, times as numbers, every evaluation counted."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from loglik.errors import UsageError
from loglik.ode.step import Field, Stepper
from loglik.ode.steps import StepRule, Walk
from loglik.ode.tableaus import Tableau

State = Any  # a tensor, or a tuple of tensors
UserField = Callable[[Tensor, State], State]  # f(t, y) -> dy/dt with t a scalar tensor


class Packing:
    """Several tensors as one: (a, b, ...) <-> their values one after the other. A single tensor stays as it is."""

    def __init__(self, y: State) -> None:
        self.single = isinstance(y, Tensor)
        parts = [y] if self.single else list(y)
        if not parts or not all(isinstance(p, Tensor) and p.is_floating_point() for p in parts):
            raise UsageError("Expected the state to be a tensor of real numbers, or a tuple of such tensors.")
        self.shapes = [p.shape for p in parts]

    def pack(self, y: State) -> Tensor:
        if self.single:
            return y  # type: ignore[no-any-return]
        return torch.cat([part.reshape(-1) for part in y])

    def unpack(self, flat: Tensor, *, leading: tuple[int, ...] = ()) -> State:
        """(*leading, N) -> the parts, (*leading, *shape) each."""
        if self.single:
            return flat
        parts = torch.split(flat, [shape.numel() for shape in self.shapes], dim=-1)
        return tuple(part.reshape((*leading, *shape)) for part, shape in zip(parts, self.shapes, strict=True))

    def row(self, states: State, i: int) -> State:
        """One of several states."""
        return states[i] if self.single else tuple(part[i] for part in states)


class Counted:
    """The user's field on packed states, with t as a number; `count` says how often it was evaluated."""

    def __init__(self, field: UserField, packing: Packing) -> None:
        self.field, self.packing, self.count = field, packing, 0

    def __call__(self, t: float, y: Tensor) -> Tensor:
        self.count += 1
        slope = self.field(torch.full((), t, dtype=y.dtype, device=y.device), self.packing.unpack(y))
        if self.count == 1:
            self._check(slope)
        return self.packing.pack(slope)

    def _check(self, slope: State) -> None:
        got = [slope] if isinstance(slope, Tensor) else list(slope)
        shapes = [tuple(part.shape) for part in got]
        expected = [tuple(shape) for shape in self.packing.shapes]
        if shapes != expected or isinstance(slope, Tensor) != self.packing.single:
            raise UsageError(f"Expected the field to give dy/dt of the state's shapes {expected}; got {shapes}.")


@dataclass(frozen=True)
class Problem:
    """y' = f(t, y) from y(times[0]) on, wanted at all `times`."""

    field: Field
    times: Sequence[float]
    method: Tableau
    steps: StepRule
    log: Walk = dataclasses.field(default_factory=Walk)

    @property
    def span(self) -> float:
        return self.times[-1] - self.times[0]

    def run(self, y: Tensor, stepper: Stepper | None = None) -> list[Tensor]:
        """The states at all times: steps pass by those between, where the solution is interpolated."""
        stepper = stepper or Stepper(self.method, self.field)
        side = 1.0 if self.span > 0.0 else -1.0
        states = [y]
        self.log.times.append(self.times[0])
        for step in self.steps.walk(stepper, y, self.times[0], self.times[-1], self.log):
            y = step.end
            while len(states) < len(self.times) - 1 and side * (step.t_end - self.times[len(states)]) >= 0.0:
                states.append(step.at(min(1.0, (self.times[len(states)] - step.t) / step.h)))
        return [*states, y]


def as_numbers(times: Sequence[float] | Tensor) -> list[float]:
    numbers = [float(t) for t in (times.detach().tolist() if isinstance(times, Tensor) else times)]
    rises = [b - a for a, b in pairwise(numbers)]
    if not rises or not (all(rise > 0.0 for rise in rises) or all(rise < 0.0 for rise in rises)):
        raise UsageError(f"Expected at least 2 times that rise, or that fall, throughout; got {numbers}.")
    return numbers
