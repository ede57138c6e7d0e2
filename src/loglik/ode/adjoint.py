"""The adjoint equation: gradients of a solution by solving another equation backwards in time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from loglik.errors import UsageError
from loglik.ode.counting import count
from loglik.ode.problem import Counted, Problem
from loglik.ode.step import Field
from loglik.ode.steps import Adaptive, StepRule, Walk


class AdjointSolve(torch.autograd.Function):
    """(N,) -> (T, N), the states at all times. Kept for the way back: these states, however many steps there were."""

    @staticmethod
    def forward(
        ctx: Any, problem: Problem, back: StepRule, theta: Sequence[Tensor], y: Tensor, *inputs: Tensor
    ) -> Tensor:
        states = torch.stack(problem.run(y))
        ctx.problem, ctx.back, ctx.theta = problem, back, theta
        ctx.save_for_backward(y, states[1:].clone())
        return states

    @staticmethod
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor | None, ...]:
        with torch.no_grad():
            found = AdjointSolve.backwards_in_time(ctx, d_states)
        inputs = (ctx.saved_tensors[0], *ctx.theta, d_states)
        return None, None, None, *only_once(found, inputs, "Take Backprop() or Checkpointed() in place of Adjoint().")

    @staticmethod
    def backwards_in_time(ctx: Any, d_states: Tensor) -> list[Tensor]:
        start, rest = ctx.saved_tensors
        states = torch.cat([start.unsqueeze(0), rest])
        problem: Problem = ctx.problem
        counted, times = problem.field, problem.times
        assert isinstance(counted, Counted)
        before = counted.count
        a = d_states[-1].reshape(-1)
        sizes = [p.numel() for p in ctx.theta]
        d_theta = a.new_zeros(sum(sizes))
        equation = adjoint_field(counted, states.shape[1:], ctx.theta)
        for i in range(len(times) - 1, 0, -1):
            steps = without_theta(ctx.back.between(times[i], times[i - 1], problem.span), a.numel(), states.shape[1:])
            joined = torch.cat([states[i].reshape(-1), a, d_theta])
            way = replace(problem, field=equation, times=(times[i], times[i - 1]), steps=steps, log=Walk())
            joined = way.run(joined)[-1]
            _, a, d_theta = torch.split(joined, [a.numel(), a.numel(), d_theta.numel()])
            a = a + d_states[i - 1].reshape(-1)
        count(counted.count - before, ctx.back.tolerance)
        parts = [part.reshape(p.shape) for part, p in zip(torch.split(d_theta, sizes), ctx.theta, strict=True)]
        return [a.reshape(states.shape[1:]), *parts]


class FirstDerivative(torch.autograd.Function):
    """A gradient as it is; asking for its derivative, in any of the tensors it depends on, is an error."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, instead: str, *depends: Tensor) -> Tensor:
        ctx.instead = instead
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[None, ...]:
        raise UsageError(f"Expected to differentiate once; got a derivative of a gradient. {ctx.instead}")


def only_once(gradients: Sequence[Tensor | None], depends: Sequence[Tensor], instead: str) -> list[Tensor | None]:
    """What a backward pass returns if its gradients cannot be differentiated: with them, that it is an error to try.

    torch's `once_differentiable` raises only where the cotangents have gradients of their own, and only on `backward`;
    elsewhere it hands back constants, whose derivatives are silently zero.

    Args:
        depends: the operation's inputs and cotangents.
        instead: what to do, a sentence.
    """
    if not torch.is_grad_enabled():
        return list(gradients)
    of = [t for t in depends if t.requires_grad]
    return [t if t is None else FirstDerivative.apply(t.detach(), instead, *of) for t in gradients]


def adjoint_field(field: Field, shape: torch.Size, theta: Sequence[Tensor]) -> Field:
    """(y, a, dL/dtheta) -> (f, -a df/dy, -a df/dtheta), one after the other; the minus of the last is that of time,
    which runs backwards from 0 to the integral.
    """
    size = shape.numel()

    def slopes(t: float, joined: Tensor) -> Tensor:
        y, a, _ = torch.split(joined, [size, size, joined.numel() - 2 * size])
        with torch.enable_grad():
            y = y.reshape(shape).detach().requires_grad_()
            f = field(t, y)
            found = torch.autograd.grad(f, [y, *theta], -a.reshape(shape), allow_unused=True)
        rates = [torch.zeros_like(p) if g is None else g for g, p in zip(found, [y, *theta], strict=True)]
        return torch.cat([f.detach().reshape(-1), *(rate.reshape(-1) for rate in rates)])

    return slopes


def without_theta(steps: StepRule, size: int, shape: torch.Size) -> StepRule:
    """A norm that looks at y and a alone: dL/dtheta feeds back into nothing, and counted in it would shorten steps."""
    if not isinstance(steps, Adaptive):
        return steps
    norm = steps.norm

    def worse(error: Tensor) -> Tensor:
        return torch.maximum(norm(error[:size].reshape(shape)), norm(error[size : 2 * size].reshape(shape)))

    return replace(steps, norm=worse)
