"""How long the steps are: all equal, on a grid of given times, or as long as a tolerance allows."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from loglik.errors import NotSolved, UsageError
from loglik.ode.step import Field, SolverStep, Stepper

Norm = Callable[[Tensor], Tensor]  # an error, relative to what is allowed -> a scalar; up to 1 is good


def rms(error: Tensor) -> Tensor:
    """sqrt(mean e^2) over all that moves together: single values may be off by more."""
    return error.square().mean().sqrt()


def largest(error: Tensor) -> Tensor:
    """max |e|: every single value is as good as the tolerance says."""
    return error.abs().max()


@dataclass
class Walk:
    """What a solve has used so far: where its steps ended, with which errors, and how many were rejected."""

    times: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)  # of the steps, as shares of what is allowed, where known
    rejected: int = 0


class StepRule(ABC):
    """A rule for the lengths of steps. `walk` takes them and hands over those that count."""

    @abstractmethod
    def walk(self, stepper: Stepper, y: Tensor, start: float, end: float, log: Walk) -> Iterator[SolverStep]:
        """Steps from y at `start` that end exactly at `end`, in either direction of time."""

    @abstractmethod
    def between(self, start: float, end: float, whole: float) -> "StepRule":
        """The same rule for a part of a span of `whole`, perhaps backwards."""

    @property
    def tolerance(self) -> float | None:
        """The error of one step that is allowed, where the rule knows it."""
        return None


@dataclass(frozen=True)
class Fixed(StepRule):
    """`count` equal steps from the first to the last time."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"Expected at least 1 step; got {self.count}.")

    def walk(self, stepper: Stepper, y: Tensor, start: float, end: float, log: Walk) -> Iterator[SolverStep]:
        times = [start + (end - start) * i / self.count for i in range(self.count)] + [end]
        yield from along(times, stepper, y, log)

    def between(self, start: float, end: float, whole: float) -> StepRule:
        return Fixed(max(1, round(self.count * abs((end - start) / whole))))


@dataclass(frozen=True)
class Grid(StepRule):
    """Steps between given times, such as those that another solve took (`Solution.grid`).

    `watch` is shown every step on the way there, whose errors do not change the steps.
    """

    times: Sequence[float]
    watch: Callable[[SolverStep], None] | None = None

    def walk(self, stepper: Stepper, y: Tensor, start: float, end: float, log: Walk) -> Iterator[SolverStep]:
        low, high = min(start, end), max(start, end)
        inside = sorted((t for t in self.times if low < t < high), reverse=end < start)
        for step in along([start, *inside, end], stepper, y, log):
            if self.watch:
                self.watch(step)
            yield step

    def between(self, start: float, end: float, whole: float) -> StepRule:
        return Grid(self.times)


def along(times: Sequence[float], stepper: Stepper, y: Tensor, log: Walk) -> Iterator[SolverStep]:
    slope = None
    for t, after in pairwise(times):
        step = stepper(t, after - t, y, slope)
        log.times.append(after)
        yield step
        y, slope = step.end, step.next_slope


@dataclass(frozen=True)
class Adaptive(StepRule):
    """Steps whose estimated error is at most atol + rtol |y|, as `norm` measures it.

    A PI controller (Gustafsson 1991; Hairer, Norsett, Wanner, section II.4) makes the next step

        h' = 0.9 h e^(-0.85 / q) e_before^(0.2 / q),      q = error order + 1, e = norm(error / (atol + rtol |y|)),

    and a step with e > 1 is tried again, shorter. The tolerance bounds the error of single steps; what they add up to
    is for the equation to say, as a rule 10 to 100 times as much. The lengths take no part in gradients.

    Args:
        rtol, atol: relative and absolute tolerance; atol is rtol if left out.
        first: length of the first step; chosen by one more evaluation if left out (section II.4 there).
        most: the number of steps, tried ones included, after which the equation counts as not solved.
    """

    rtol: float = 1e-6
    atol: float | None = None
    norm: Norm = rms
    first: float | None = None
    most: int = 10_000

    def __post_init__(self) -> None:
        if not self.rtol > 0.0 or (self.atol is not None and not self.atol > 0.0):
            raise UsageError(f"Expected tolerances above 0; got rtol {self.rtol}, atol {self.atol}.")

    @property
    def tolerance(self) -> float:
        return self.rtol

    def between(self, start: float, end: float, whole: float) -> StepRule:
        return self

    def walk(self, stepper: Stepper, y: Tensor, start: float, end: float, log: Walk) -> Iterator[SolverStep]:
        method, f = stepper.method, stepper.field
        if not method.error:
            raise UsageError(f"{method} estimates no error; take Fixed steps, or a method such as TSIT5.")
        side = math.copysign(1.0, end - start)
        q = method.error_order + 1
        t, before = start, 1.0
        slope = f(t, y)
        h = abs(end - start) if self.first is None else self.first
        h = self._first(f, t, y=y, slope=slope, side=side, span=h, q=q) if self.first is None else h
        tried = 0
        while (end - t) * side > 0.0:
            self._guard(tried, t, end=end, h=h, y=y, slope=slope)
            left = abs(end - t)
            last = h * 1.01 >= left  # rather a little longer than a sliver afterwards
            after = end if last else t + side * h
            step = stepper(t, after - t, y, slope)
            tried += 1
            e = self._error(step)
            if e <= 1.0:
                t = after
                log.times.append(t)
                log.errors.append(e)
                yield step
                factor = 0.9 * e ** (-0.85 / q) * before ** (0.2 / q) if e > 0.0 else 10.0
                before = max(e, 1e-4)
                h = abs(step.h) * min(10.0, max(0.2, factor))
                y, slope = step.end, step.slope_at_end() if (end - t) * side > 0.0 else slope
            else:
                log.rejected += 1
                h = abs(step.h) * (max(0.1, 0.9 * e ** (-1.0 / q)) if math.isfinite(e) else 0.1)

    def _error(self, step: SolverStep) -> float:
        """The size of the step's error; infinite if anything in it is not finite."""
        with torch.no_grad():
            errors = [float(self.norm(e / self._allowed(step.y, step.end))) for e in step.errors()]
        e = errors[0]
        if len(errors) == 2 and e > 0.0:
            e = e * e / math.sqrt(e * e + 0.01 * errors[1] ** 2)
        return e if math.isfinite(e) else math.inf

    def _allowed(self, *states: Tensor) -> Tensor:
        size = states[0].detach().abs()
        for y in states[1:]:
            size = torch.maximum(size, y.detach().abs())
        return size.mul_(self.rtol).add_(self.rtol if self.atol is None else self.atol)

    @torch.no_grad()
    def _first(self, f: Field, t: float, *, y: Tensor, slope: Tensor, side: float, span: float, q: int) -> float:
        """A first length for which the terms of order 1 and 2 of the solution move by about 1 % of what is allowed."""
        allowed = self._allowed(y)
        d0, d1 = float(self.norm(y / allowed)), float(self.norm(slope / allowed))
        if not math.isfinite(d0 + d1):
            return span  # the guard names it
        h0 = min(span, 1e-6 if min(d0, d1) < 1e-5 else 0.01 * d0 / d1)
        moved = f(t + side * h0, y + side * h0 * slope)
        d2 = float(self.norm((moved - slope) / allowed)) / h0
        bend = max(d1, d2)
        if not math.isfinite(bend):
            return h0
        h1 = max(1e-6, 1e-3 * h0) if bend <= 1e-15 else (0.01 / bend) ** (1.0 / q)
        return min(span, 100.0 * h0, h1)

    def _guard(self, tried: int, t: float, *, end: float, h: float, y: Tensor, slope: Tensor) -> None:
        """What can go wrong, by name."""
        if tried and tried < self.most and h > 16.0 * math.ulp(max(abs(t), abs(end))):
            return
        with torch.no_grad():
            bad = [name for name, v in (("state", y), ("field", slope)) if not bool(torch.isfinite(v).all())]
        if bad:
            raise NotSolved(f"The {bad[0]} is NaN or infinite at t = {t:.6g}. Look at the field there, or at the data.")
        if tried >= self.most:
            raise NotSolved(
                f"Stopped after {tried} steps at t = {t:.6g} of {end:.6g}; last step {h:.2g}: the field is stiff or "
                f"rough there. Loosen the tolerance (now {self.rtol:g}), or allow more steps (most)."
            )
        if tried:
            raise NotSolved(
                f"The step size fell to {h:.2g} at t = {t:.6g}: the field is stiff, jumps, or is NaN close by. "
                f"Loosen the tolerance (now {self.rtol:g}), or make the field smooth."
            )
