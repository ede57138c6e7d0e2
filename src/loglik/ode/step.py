"""One Runge-Kutta step: its stages, its end, its error, and what lies inside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from loglik.ode.tableaus import Tableau

Field = Callable[[float, Tensor], Tensor]  # f(t, y) -> dy/dt, of the shape of y

HERMITE_ORDER = 4  # methods of up to this order lose nothing when Hermite's cubic interpolates


class Stages(Protocol):
    def __call__(
        self, method: Tableau, field: Field, *, t: float, h: float, y: Tensor, slope: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]: ...


def stages(
    method: Tableau, field: Field, *, t: float, h: float, y: Tensor, slope: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """y(t + h) and the slopes k_i; `slope` is f(t, y) if it is known."""
    k = [field(t, y) if slope is None else slope]
    inner = y
    for weights, c in zip(method.a[1:], method.c[1:], strict=True):
        inner = combined(y, h, weights, k)
        k.append(field(t + c * h, inner))
    return (inner if method.first_same_as_last else combined(y, h, method.b, k)), k


@dataclass(frozen=True)
class Stepper:
    """A method at work on a field: takes one step at a time."""

    method: Tableau
    field: Field
    take: Stages = stages

    def __call__(self, t: float, h: float, y: Tensor, slope: Tensor | None = None) -> "SolverStep":
        end, k = self.take(self.method, self.field, t=t, h=h, y=y, slope=slope)
        return SolverStep(self, t, h, y, end, k, k[-1] if self.method.first_same_as_last else None)


@dataclass
class SolverStep:
    """y(t) -> y(t + h), with the slopes k_i at the stages."""

    stepper: Stepper
    t: float
    h: float
    y: Tensor
    end: Tensor
    k: Sequence[Tensor]
    next_slope: Tensor | None  # f(t + h, end), if it is known

    @property
    def t_end(self) -> float:
        return self.t + self.h

    def slope_at_end(self) -> Tensor:
        if self.next_slope is None:
            self.next_slope = self.stepper.field(self.t_end, self.end)
        return self.next_slope

    @torch.no_grad()
    def errors(self) -> list[Tensor]:
        """The estimate of the error of `end`, and the coarser one where the method has two."""
        weights = [w for w in (self.stepper.method.error, self.stepper.method.coarse_error) if w]
        zero = torch.zeros_like(self.end)
        return [combined(zero, self.h, w, [k.detach() for k in self.k]) for w in weights]

    def at(self, theta: float) -> Tensor:
        """y(t + theta h), 0 <= theta <= 1.

            (1 - theta) y + theta y' + theta (theta - 1) [(1 - 2 theta)(y' - y) + (theta - 1) h f + theta h f'],

        Hermite's cubic, corrected by the method's own weights; a method of high order without any takes a step of
        theta h instead.
        """
        if theta in (0.0, 1.0):
            return self.end if theta else self.y
        method = self.stepper.method
        if not method.dense and method.order > HERMITE_ORDER:
            return self.stepper(self.t, theta * self.h, self.y, self.k[0]).end
        # As weights of y' - y, f, f' and the k_i:
        rise = theta - theta * (theta - 1.0) * (2.0 * theta - 1.0)
        start, last = theta * (theta - 1.0) ** 2, theta**2 * (theta - 1.0)
        inside = combined(self.y, self.h, (start, last), (self.k[0], self.slope_at_end()))
        inside = inside + rise * (self.end - self.y)
        if not method.dense:
            return inside
        bump = (theta * (1.0 - theta)) ** 2
        return combined(inside, self.h, [bump * d for d in method.dense], self.k)


def combined(y: Tensor, h: float, weights: Sequence[float], k: Sequence[Tensor]) -> Tensor:
    """y + h sum_i w_i k_i."""
    used = [(h * w, slope) for w, slope in zip(weights, k, strict=True) if w]
    if not used:
        return y
    scaled, slopes = zip(*used, strict=True)
    if torch.is_grad_enabled():
        return Combination.apply(scaled, y, *slopes)  # type: ignore[no-any-return]
    return total(scaled, y, slopes)


def total(weights: Sequence[float], y: Tensor, k: Sequence[Tensor]) -> Tensor:
    """y + sum_i w_i k_i."""
    result = torch.add(y, k[0], alpha=weights[0])
    for w, slope in zip(weights[1:], k[1:], strict=True):
        result.add_(slope, alpha=w)
    return result


class Combination(torch.autograd.Function):
    """`total` as one operation, in place of a chain of sums each of which autograd would record."""

    @staticmethod
    def forward(ctx: Any, weights: Sequence[float], y: Tensor, *k: Tensor) -> Tensor:
        ctx.weights = weights
        return total(weights, y, k)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        wanted = ctx.needs_input_grad[2:]
        scaled = [gradient * w if wants else None for w, wants in zip(ctx.weights, wanted, strict=True)]
        return None, gradient, *scaled
