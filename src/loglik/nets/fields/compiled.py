"""Motion along a tanh field by compiled loops on the CPU, with gradients: one evaluation, or a whole way.

Nothing is kept for the way back but places: what the net made of them is computed again, while it is in the cache.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loglik.compiled.threads import Share, in_threads, shares
from loglik.compiled.worth import worth_compiling
from loglik.nets.fields.field_motion import FieldMotion
from loglik.nets.fields.network import ROWS, Network, network_of, plan_of
from loglik.ode import Tableau, count
from loglik.ode.step import stages
from loglik.ops import gradients_again

WIDEST = 128  # nets beyond are better off with whole batches and big matrix products


@dataclass(frozen=True)
class CompiledMotion(FieldMotion):
    """`FieldMotion` by the loops of `kernel`, which repeat its equation."""

    def __call__(self, t: Tensor, state: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return Evaluation.apply(self, float(t), state, *self.tensors)  # type: ignore[no-any-return]
        return evaluated(self, float(t), state)

    def reference(self, t: Tensor, state: Tensor) -> Tensor:
        """The equation in plain torch."""
        return super().__call__(t, state)

    @cached_property
    def network(self) -> Network:
        """All that stays the same on the way, as the loops read it."""
        return network_of(self)


def compiles(theta: Tensor, widths: Sequence[int]) -> bool:
    """Whether the loops are for this net: on the CPU, below widths at which matrix products rule."""
    return worth_compiling(theta, 1, 1) and max(widths[1:-1]) <= WIDEST


def compiled_trajectory(
    motion: CompiledMotion, x: Tensor, times: Sequence[float], method: Tableau
) -> tuple[Tensor, Tensor, Tensor]:
    """z (B, D) and log_det (B,) where a first-same-as-last method comes from x, in steps between times.

    And the error (B,): the largest of any step and value, as a share of 1 + |value|; without a gradient.
    """
    return Trajectory.apply(motion, x, times, method, *motion.tensors)  # type: ignore[no-any-return]


def evaluated(motion: CompiledMotion, t: float, state: Tensor) -> Tensor:
    from loglik.nets.fields import kernel

    slope = torch.empty_like(state)
    z, f, trace = (part.numpy() for part in (_z(motion, state), *motion.parts(slope)))
    at = z.dtype.type(t)
    in_threads(lambda low, high: kernel.forward(at, z, motion.network, low, high, f, trace), row_shares(motion, len(z)))
    return slope


class Evaluation(torch.autograd.Function):
    """`evaluated` with gradients; those of gradients come from `reference`."""

    @staticmethod
    def forward(ctx: Any, motion: CompiledMotion, t: float, state: Tensor, *tensors: Tensor) -> Tensor:
        ctx.motion, ctx.t = motion, t
        ctx.save_for_backward(state, *tensors)
        return evaluated(motion, t, state)

    @staticmethod
    def backward(ctx: Any, d_slope: Tensor) -> tuple[Tensor | None, ...]:
        from loglik.nets.fields import kernel

        motion, (state, *tensors) = ctx.motion, ctx.saved_tensors
        if torch.is_grad_enabled():

            def again(state: Tensor, *tensors: Tensor) -> Tensor:
                return motion.given(tensors).reference(state.new_tensor(ctx.t), state)  # type: ignore[no-any-return]

            return None, None, *gradients_again(again, (state, *tensors), (d_slope,))
        d_state = torch.zeros_like(state)
        z, dz = _z(motion, state).numpy(), motion.parts(d_state)[0].numpy()
        df, dtrace = (part.numpy() for part in motion.parts(d_slope.contiguous()))
        net, t = motion.network, z.dtype.type(ctx.t)
        found = summed(
            motion, len(z), lambda low, high, totals: kernel.backward(t, z, net, low, high, df, dtrace, dz, totals)
        )
        return None, None, d_state, *found


class Trajectory(torch.autograd.Function):
    """A way on given steps, and its gradients; those of gradients come from `plain_trajectory`."""

    @staticmethod
    def forward(
        ctx: Any, motion: CompiledMotion, x: Tensor, times: Sequence[float], method: Tableau, *tensors: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        from loglik.nets.fields import trajectory_kernel

        plan, net = plan_of(times, method, x.dtype), motion.network
        path = np.empty((len(plan.b) * (len(times) - 1) + 1, *x.shape), net.theta.dtype)
        path[0] = x.detach().numpy()
        log_det, error = x.new_empty(len(x)), x.new_empty(len(x))
        out, off = log_det.numpy(), error.numpy()
        in_threads(
            lambda low, high: trajectory_kernel.forward(plan, net, low, high, path, out, off),
            row_shares(motion, len(x)),
        )
        count(len(path), None)  # places, at each of which the field was evaluated once
        ctx.motion, ctx.plan, ctx.path, ctx.steps = motion, plan, path, (times, method)
        ctx.save_for_backward(x, *tensors)
        ctx.mark_non_differentiable(error)
        return torch.from_numpy(path[-1].copy()), log_det, error

    @staticmethod
    def backward(ctx: Any, d_z: Tensor, d_log_det: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        from loglik.nets.fields import trajectory_kernel

        motion, plan, path = ctx.motion, ctx.plan, ctx.path
        if torch.is_grad_enabled():
            found = gradients_again(partial(plain_trajectory, motion, *ctx.steps), ctx.saved_tensors, (d_z, d_log_det))
            return None, found[0], None, None, *found[1:]
        d_x = torch.empty_like(d_z)
        end, out, start = (t.numpy() for t in (d_z.contiguous(), d_log_det.contiguous(), d_x))
        net = motion.network
        others = summed(
            motion,
            len(d_z),
            lambda low, high, totals: trajectory_kernel.backward(plan, net, low, high, path, end, out, start, totals),
        )
        return None, d_x, None, None, *others


def plain_trajectory(
    motion: CompiledMotion, times: Sequence[float], method: Tableau, x: Tensor, *tensors: Tensor
) -> tuple[Tensor, Tensor]:
    """The same in plain torch, for automatic differentiation."""
    given = motion.given(tensors)
    state, slope = given.start(x), None

    def field(t: float, state: Tensor) -> Tensor:
        return given.reference(state.new_tensor(t), state)

    for t, after in pairwise(times):
        state, slopes = stages(method, field, t, after - t, state, slope)
        slope = slopes[-1]
    return given.parts(state)


def summed(motion: CompiledMotion, rows: int, work: Callable[..., None]) -> list[Tensor]:
    """The gradients of theta, shift, e and v, to which `work` adds those of the rows it is called for.

    What all rows have in common is summed by each thread for itself, and then in the order of the rows.
    """
    parts = row_shares(motion, rows)
    shared = [True, False, *(motion.e.shape[1] == 1 for _ in "ev")]
    own = [torch.zeros(t.shape, dtype=t.dtype) for t in motion.tensors]
    sums = [own] + [
        [torch.zeros_like(t) if common else t for t, common in zip(own, shared, strict=True)] for _ in parts[1:]
    ]
    totals = {part[0]: tuple(t.numpy() for t in found) for part, found in zip(parts, sums, strict=True)}
    in_threads(lambda low, high: work(low, high, totals[low]), parts)
    for found in sums[1:]:
        for total, part, common in zip(own, found, shared, strict=True):
            if common:
                total.add_(part)
    return own


def row_shares(motion: CompiledMotion, rows: int) -> list[Share]:
    """Few rows are not worth a second thread."""
    return shares(rows, rows * (1 + len(motion.e)) // (2 * ROWS))


def _z(motion: CompiledMotion, state: Tensor) -> Tensor:
    return motion.parts(state.detach().contiguous())[0]
