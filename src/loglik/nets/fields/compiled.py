"""The fast way along a tanh field: compiled loops on the CPU, with gradients, of one evaluation or a trajectory.

Only places are stored for the backward pass: what the net made of them is computed again, while it is in the cache.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loglik.compiled.array import Array
from loglik.compiled.threads import Share, in_threads, shares
from loglik.compiled.worth import worth_compiling
from loglik.nets.fields.field_dynamics import FieldDynamics
from loglik.nets.fields.network import ROWS, Network, network_of, plan_of
from loglik.ode import Tableau, count
from loglik.ode.step import stages
from loglik.ops import gradients_again

Totals = tuple[Array, ...]  # the gradients of theta, shift, e and v, which the loops add to
WIDEST = 128  # nets beyond are better off with whole batches and big matrix products


@dataclass(frozen=True)
class CompiledDynamics(FieldDynamics):
    """`FieldDynamics` by the loops of `kernel`, which repeat its equation."""

    def __call__(self, t: Tensor, state: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            slope: Tensor = Evaluation.apply(self, float(t), state, *self.tensors)
            return slope
        return evaluate(self, float(t), state)

    def reference(self, t: Tensor, state: Tensor) -> Tensor:
        """The equation in plain torch."""
        return super().__call__(t, state)

    @cached_property
    def network(self) -> Network:
        """All that stays the same in a solve, as the loops read it."""
        return network_of(self)


def compiles(theta: Tensor, widths: Sequence[int]) -> bool:
    """Whether the loops are for this net: on the CPU, below widths at which matrix products rule."""
    return worth_compiling(theta, 1, 1) and max(widths[1:-1]) <= WIDEST


def compiled_trajectory(
    dynamics: CompiledDynamics, x: Tensor, times: Sequence[float], method: Tableau
) -> tuple[Tensor, Tensor, Tensor]:
    """z (B, D) and log_det (B,) where a first-same-as-last method comes from x, in steps between times.

    And the error (B,): the largest of any step and value, as a share of 1 + |value|; without a gradient.
    """
    z, log_det, error = Trajectory.apply(dynamics, x, times, method, *dynamics.tensors)
    return z, log_det, error


def evaluate(dynamics: CompiledDynamics, t: float, state: Tensor) -> Tensor:
    from loglik.nets.fields import kernel

    slope = torch.empty_like(state)
    z, f, trace = (part.numpy() for part in (_z(dynamics, state), *dynamics.parts(slope)))
    at = z.dtype.type(t)
    in_threads(
        lambda low, high: kernel.forward(at, z, dynamics.network, low, high, f, trace), row_shares(dynamics, len(z))
    )
    return slope


class Evaluation(torch.autograd.Function):
    """`evaluate` with gradients; those of gradients come from `reference`."""

    @staticmethod
    def forward(ctx: Any, dynamics: CompiledDynamics, t: float, state: Tensor, *tensors: Tensor) -> Tensor:
        ctx.dynamics, ctx.t = dynamics, t
        ctx.save_for_backward(state, *tensors)
        return evaluate(dynamics, t, state)

    @staticmethod
    def backward(ctx: Any, d_slope: Tensor) -> tuple[Tensor | None, ...]:
        from loglik.nets.fields import kernel

        dynamics, (state, *tensors) = ctx.dynamics, ctx.saved_tensors
        if torch.is_grad_enabled():

            def again(state: Tensor, *tensors: Tensor) -> Tensor:
                slope: Tensor = dynamics.with_tensors(tensors).reference(state.new_tensor(ctx.t), state)
                return slope

            return None, None, *gradients_again(again, (state, *tensors), (d_slope,))
        d_state = torch.zeros_like(state)
        z, dz = _z(dynamics, state).numpy(), dynamics.parts(d_state)[0].numpy()
        df, dtrace = (part.numpy() for part in dynamics.parts(d_slope.contiguous()))
        net, t = dynamics.network, z.dtype.type(ctx.t)

        def work(first: int, last: int, totals: Totals) -> None:
            kernel.backward(t, z, net, first, last, df, dtrace, dz, totals)

        return None, None, d_state, *summed_gradients(dynamics, len(z), work)


class Trajectory(torch.autograd.Function):
    """A trajectory on given steps, and its gradients; those of gradients come from `plain_trajectory`."""

    @staticmethod
    def forward(
        ctx: Any, dynamics: CompiledDynamics, x: Tensor, times: Sequence[float], method: Tableau, *tensors: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        from loglik.nets.fields import trajectory_kernel

        plan, net = plan_of(times, method, x.dtype), dynamics.network
        path = np.empty((len(plan.b) * (len(times) - 1) + 1, *x.shape), net.theta.dtype)
        path[0] = x.detach().numpy()
        log_det, error = x.new_empty(len(x)), x.new_empty(len(x))
        out, off = log_det.numpy(), error.numpy()
        in_threads(
            lambda low, high: trajectory_kernel.forward(plan, net, low, high, path, out, off),
            row_shares(dynamics, len(x)),
        )
        count(len(path), None)  # places, at each of which the field was evaluated once
        ctx.dynamics, ctx.plan, ctx.path, ctx.steps = dynamics, plan, path, (times, method)
        ctx.save_for_backward(x, *tensors)
        ctx.mark_non_differentiable(error)
        return torch.from_numpy(path[-1].copy()), log_det, error

    @staticmethod
    def backward(ctx: Any, d_z: Tensor, d_log_det: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        from loglik.nets.fields import trajectory_kernel

        dynamics, plan, path = ctx.dynamics, ctx.plan, ctx.path
        if torch.is_grad_enabled():
            plain = partial(plain_trajectory, dynamics, *ctx.steps)
            found = gradients_again(plain, ctx.saved_tensors, (d_z, d_log_det))
            return None, found[0], None, None, *found[1:]
        d_x = torch.empty_like(d_z)
        end, out, start = (t.numpy() for t in (d_z.contiguous(), d_log_det.contiguous(), d_x))
        net = dynamics.network

        def work(first: int, last: int, totals: Totals) -> None:
            trajectory_kernel.backward(plan, net, first, last, path, end, out, start, totals)

        return None, d_x, None, None, *summed_gradients(dynamics, len(d_z), work)


def plain_trajectory(
    dynamics: CompiledDynamics, times: Sequence[float], method: Tableau, x: Tensor, *tensors: Tensor
) -> tuple[Tensor, Tensor]:
    """The same trajectory in plain torch, for automatic differentiation."""
    plain = dynamics.with_tensors(tensors)
    state, slope = plain.start(x), None

    def field(t: float, state: Tensor) -> Tensor:
        return plain.reference(state.new_tensor(t), state)

    for t, after in pairwise(times):
        state, slopes = stages(method, field, t=t, h=after - t, y=state, slope=slope)
        slope = slopes[-1]
    return plain.parts(state)


def summed_gradients(dynamics: CompiledDynamics, rows: int, work: Callable[[int, int, Totals], None]) -> list[Tensor]:
    """The gradients of theta, shift, e and v, to which `work` adds those of the rows it is called for.

    What all rows have in common is summed by each thread for itself, and then in the order of the rows.
    """
    parts = row_shares(dynamics, rows)
    common = [True, False, *(dynamics.e.shape[1] == 1 for _ in "ev")]  # the others have rows of their own
    gradients = [torch.zeros(t.shape, dtype=t.dtype) for t in dynamics.tensors]
    sums = [gradients] + [
        [torch.zeros_like(t) if of_all else t for t, of_all in zip(gradients, common, strict=True)] for _ in parts[1:]
    ]
    totals = {part[0]: tuple(t.numpy() for t in found) for part, found in zip(parts, sums, strict=True)}
    in_threads(lambda low, high: work(low, high, totals[low]), parts)
    for found in sums[1:]:
        for total, part, of_all in zip(gradients, found, common, strict=True):
            if of_all:
                total.add_(part)
    return gradients


def row_shares(dynamics: CompiledDynamics, rows: int) -> list[Share]:
    """Few rows are not worth a second thread."""
    return shares(rows, rows * (1 + len(dynamics.e)) // (2 * ROWS))


def _z(dynamics: CompiledDynamics, state: Tensor) -> Tensor:
    return dynamics.parts(state.detach().contiguous())[0]
