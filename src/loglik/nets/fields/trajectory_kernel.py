"""A trajectory along a tanh field on given steps, and its gradients: compiled by numba, a few rows at a time.

From the first step to the last, a block of rows and all that belongs to it stay in the processor's cache. Imported
where it is used. See `kernel` for the names, and `Plan` for those of the method.
"""

import numpy as np

from loglik.compiled.array import Array
from loglik.compiled.cache import njit
from loglik.nets.fields.kernel import add_scaled, copy, evaluate, fill, pullback, scratch_for, transposed
from loglik.nets.fields.network import Network, Plan


@njit(nogil=True, cache=True)
def forward(plan: Plan, net: Network, first: int, last: int, path: Array, log_det: Array, error: Array) -> None:
    """Rows first to last: from path[0] (B, D) through the places of all stages to the end, path[-1]; log_det (B,).

    error (B,): the largest of any step and value, as a share of 1 + |value|.
    """
    times, a, b, c, error_weights = plan
    S, rows, D = len(b), net.rows, path.shape[2]
    scratch, k, trace = scratch_for(net), np.empty((S + 1, rows, D), path.dtype), np.empty((S + 1, rows), path.dtype)
    for low in range(first, last, rows):
        high = min(low + rows, last)
        n = high - low
        fill(log_det[low:high], 0)
        fill(error[low:high], 0)
        evaluate(times[0], path[0, low:high], low, net, scratch, k[S, :n], trace[S, :n])
        for step in range(len(times) - 1):
            t, h, place = times[step], times[step + 1] - times[step], step * S
            copy(k[S, :n], k[0, :n])
            trace[0, :n] = trace[S, :n]
            for i in range(1, S):
                here = path[place + i, low:high]
                copy(path[place, low:high], here)
                move(here, k, a[i], h, i)
                evaluate(t + c[i] * h, here, low, net, scratch, k[i, :n], trace[i, :n])
            after = path[place + S, low:high]
            copy(path[place, low:high], after)
            move(after, k, b, h, S)
            evaluate(t + h, after, low, net, scratch, k[S, :n], trace[S, :n])
            for i in range(S):
                add_scaled(trace[i, :n], h * b[i], log_det[low:high])
            note_errors(k, trace, error_weights, h, after, log_det[low:high], error[low:high])


@njit(nogil=True, cache=True)
def note_errors(k: Array, trace: Array, error_weights: Array, h: float, z: Array, log_det: Array, error: Array) -> None:
    """error (R,) becomes at least that of a step to z (R, D) and log_det (R,)."""
    for r in range(len(error)):
        off = k.dtype.type(0)
        for i in range(len(error_weights)):
            off += error_weights[i] * trace[i, r]
        error[r] = max(error[r], h * abs(off) / (1 + abs(log_det[r])))
        for d in range(k.shape[2]):
            off = k.dtype.type(0)
            for i in range(len(error_weights)):
                off += error_weights[i] * k[i, r, d]
            error[r] = max(error[r], h * abs(off) / (1 + abs(z[r, d])))


@njit(nogil=True, cache=True)
def backward(
    plan: Plan, net: Network, first: int, last: int, path: Array, dend: Array, dlog_det: Array, dstart: Array,
    totals: tuple[Array, ...],
) -> None:  # fmt: skip
    """Rows first to last of dL/dpath[0] for given dL/dpath[-1] and dL/dlog_det, and what they add to the totals."""
    times, a, b, c, _ = plan
    S, rows, D = len(b), net.rows, path.shape[2]
    scratch, theta_T = scratch_for(net), transposed(net.theta, net.widths)
    dk, dz, dtrace = np.empty((S, rows, D), path.dtype), np.empty((rows, D), path.dtype), np.empty(rows, path.dtype)
    for low in range(first, last, rows):
        high = min(low + rows, last)
        n = high - low
        d = dstart[low:high]
        copy(dend[low:high], d)
        for step in range(len(times) - 2, -1, -1):
            t, h = times[step], times[step + 1] - times[step]
            for i in range(S):
                slope = dk[i, :n].reshape(-1)
                fill(slope, 0)
                add_scaled(d.reshape(-1), h * b[i], slope)
            for i in range(S - 1, -1, -1):
                fill(dtrace[:n], 0)
                add_scaled(dlog_det[low:high], h * b[i], dtrace[:n])
                here = path[step * S + i, low:high]
                pullback(t + c[i] * h, here, low, net, theta_T, scratch, dk[i, :n], dtrace[:n], dz[:n], totals)
                add_scaled(dz[:n].reshape(-1), dz.dtype.type(1), d.reshape(-1))
                for j in range(i):
                    if a[i, j] != 0:
                        add_scaled(dz[:n].reshape(-1), h * a[i, j], dk[j, :n].reshape(-1))


@njit(nogil=True, cache=True)
def move(z: Array, k: Array, weights: Array, h: float, count: int) -> None:
    """z += h sum_j w_j k_j, j < count"""
    for j in range(count):
        if weights[j] != 0:
            add_scaled(k[j, : len(z)].reshape(-1), h * weights[j], z.reshape(-1))
