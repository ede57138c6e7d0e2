"""The spline as a function that torch can differentiate, computed by torch or by compiled loops.

Nothing is kept for the gradients but x and h; automatic differentiation of `curve` would keep, and read again, a
dozen tensors of the size of h. The loops of `kernel` compute the same in one pass over memory.
"""

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

from loglik.bijections.spline import curve
from loglik.bijections.spline.bins import Bins
from loglik.compiled.threads import in_threads, shares
from loglik.compiled.worth import worth_compiling
from loglik.ops import gradients_again

COMPILED_VALUES = 256  # from so many on, compiled loops are worth loading
VALUES_OF_A_THREAD = 8192


class SplineForward(Function):
    """x (N,), h (3K - 1, N) -> z, log dz/dx, (N,) each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, bins: Bins) -> tuple[Tensor, Tensor]:
        z, slope = by_loops("forward", x, h, bins) if compilable(x) else curve.forward(x, h, bins)
        ctx.save_for_backward(x, h)
        ctx.bins = bins
        return z, slope.log()

    @staticmethod
    def backward(ctx: Any, gz: Tensor, gl: Tensor) -> tuple[Tensor | None, ...]:
        x, h = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *gradients_again(partial(forward_reference, bins=ctx.bins), (x, h), (gz, gl)), None
        return *gradients(x, h, gz, gl, ctx.bins, inverse=False), None


class SplineInverse(Function):
    """z (N,), h (3K - 1, N) -> x, log dx/dz, (N,) each."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, h: Tensor, bins: Bins) -> tuple[Tensor, Tensor]:
        x, slope = by_loops("inverse", z, h, bins) if compilable(z) else curve.inverse(z, h, bins)
        ctx.save_for_backward(z, x, h)
        ctx.bins = bins
        return x, -slope.log()

    @staticmethod
    def backward(ctx: Any, gx: Tensor, gl: Tensor) -> tuple[Tensor | None, ...]:
        z, x, h = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *gradients_again(partial(inverse_reference, bins=ctx.bins), (z, h), (gx, gl)), None
        return *gradients(x, h, gx, -gl, ctx.bins, inverse=True), None


def forward_reference(x: Tensor, h: Tensor, bins: Bins) -> tuple[Tensor, Tensor]:
    """`SplineForward` for automatic differentiation."""
    z, slope = curve.forward(x, h, bins)
    return z, slope.log()


def inverse_reference(z: Tensor, h: Tensor, bins: Bins) -> tuple[Tensor, Tensor]:
    """`SplineInverse` for automatic differentiation."""
    x, slope = curve.inverse(z, h, bins)
    return x, -slope.log()


def gradients(x: Tensor, h: Tensor, gz: Tensor, gl: Tensor, bins: Bins, *, inverse: bool) -> tuple[Tensor, Tensor]:
    """See `curve.gradients`."""
    if not compilable(x):
        return curve.gradients(x, h, gz, gl, bins, inverse=inverse)
    from loglik.bijections.spline.gradient_kernel import gradients as loops  # numba is slow to load
    from loglik.bijections.spline.kernel import constants

    gx, gh = torch.empty_like(x), torch.empty_like(h)
    given, found = [as_array(t) for t in (x, h, gz, gl)], [gx.numpy(), gh.numpy()]
    numbers, run = constants(bins, given[0].dtype), cast(Any, loops)
    in_threads(
        lambda first, stop: run(*given, *found, numbers, inverse, first, stop),
        shares(len(x), len(x) // VALUES_OF_A_THREAD),
    )
    return gx, gh


def by_loops(direction: str, x: Tensor, h: Tensor, bins: Bins) -> tuple[Tensor, Tensor]:
    from loglik.bijections.spline import kernel

    y, slope = torch.empty_like(x), torch.empty_like(x)
    given, found = [as_array(t) for t in (x, h)], [y.numpy(), slope.numpy()]
    numbers, run = kernel.constants(bins, given[0].dtype), cast(Any, getattr(kernel, direction))
    in_threads(
        lambda first, stop: run(*given, *found, numbers, first, stop), shares(len(x), len(x) // VALUES_OF_A_THREAD)
    )
    return y, slope


def compilable(x: Tensor) -> bool:
    return worth_compiling(x, len(x), COMPILED_VALUES)


def as_array(t: Tensor) -> Any:
    return t.detach().contiguous().numpy()
