"""The adjoint equation: gradients of a solution by solving another equation backwards in time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from loglik.ode.counting import count
from loglik.ode.problem import Counted, Problem
from loglik.ode.step import Field
from loglik.ode.steps import Adaptive, Steps, Walk


class AdjointSolve(torch.autograd.Function):
    """(N,) -> (T, N), the states at all times. Kept for the way back: these states, however many steps there were."""

    @staticmethod
    def forward(ctx: Any, problem: Problem, back: Steps, theta: Sequence[Tensor], y: Tensor, *inputs: Tensor) -> Tensor:
        states = torch.stack(problem.run(y))
        ctx.problem, ctx.back, ctx.theta = problem, back, theta
        ctx.save_for_backward(states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor | None, ...]:
        (states,) = ctx.saved_tensors
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
        return None, None, None, a.reshape(states.shape[1:]), *parts


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


def without_theta(steps: Steps, size: int, shape: torch.Size) -> Steps:
    """A norm that looks at y and a alone: dL/dtheta feeds back into nothing, and counted in it would shorten steps."""
    if not isinstance(steps, Adaptive):
        return steps
    norm = steps.norm

    def worse(error: Tensor) -> Tensor:
        return torch.maximum(norm(error[:size].reshape(shape)), norm(error[size : 2 * size].reshape(shape)))

    return replace(steps, norm=worse)
