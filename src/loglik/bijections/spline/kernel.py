"""Rational-quadratic splines on the CPU, compiled by numba: there, back and their gradients, each in one pass over h.

Equations are those of `curve`; numbers come first, h (3K - 1, N). A block of values is taken at a time, and what is
computed on the way stays in the nearest cache: the shares of the bins, q (2, K, n), and a row of n values for
everything else, in `rows`. A value finds its bin by adding up what lies before it, so nothing branches and
all loops vectorise. They touch few arrays each: more, and the compiler cannot rule out that they overlap.

Imported where it is used: numba is slow to load.
"""

from typing import Any

import numpy as np

from loglik.bijections.spline.bins import STEEPEST, Bins
from loglik.compiled.array import Array
from loglik.compiled.cache import njit
from loglik.compiled.math import CONTRACT, exp

BLOCK = 256
# What the rows hold: of the value and its bin, of the curve there, and what is needed for a moment.
NUMBER, PLACE, X0, Y0, WIDTH, HEIGHT, RAW0, RAW1, D0, D1, S, XI, DEN, NUM, RISE, SLOPE, LARGEST, TOTAL, ROWS = range(19)


def constants(bins: Bins, dtype: Any) -> Array:
    """The numbers of the interval in the precision of the values, so that no loop computes in another."""
    return np.array([bins.bound, bins.unit, bins.least, 1.0 / STEEPEST], dtype)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def divide(h: Array, start: int, q: Array, rows: Array) -> None:
    """q (2, K, n): the shares of the bins, softmax over them, of n values from `start` on."""
    K, n = q.shape[1], q.shape[2]
    largest, total = rows[LARGEST], rows[TOTAL]
    one = q.dtype.type(1)
    for axis in range(2):
        largest[:n] = h[axis * K, start : start + n]
        for j in range(1, K):
            row = h[axis * K + j, start : start + n]
            for r in range(n):
                largest[r] = max(largest[r], row[r])
        total[:n] = 0
        for j in range(K):
            row, share = h[axis * K + j, start : start + n], q[axis, j]
            for r in range(n):
                share[r] = exp(row[r] - largest[r])
            for r in range(n):
                total[r] += share[r]
        for r in range(n):
            total[r] = one / total[r]
        for j in range(K):
            share = q[axis, j]
            for r in range(n):
                share[r] *= total[r]


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def locate(x: Array, h: Array, start: int, axis: int, c: Array, q: Array, rows: Array) -> None:
    """The bins of n values from `start` on, which are widths (axis 0) or heights (axis 1): number, ends and slopes."""
    K, n = q.shape[1], q.shape[2]
    bound, unit, least, gentle = c[0], c[1], c[2], c[3]
    zero, one = q.dtype.type(0), q.dtype.type(1)
    number, place, end = rows[NUMBER], rows[PLACE], rows[TOTAL]
    value = x[start : start + n]
    for r in range(n):
        near = -bound if value[r] < -bound else value[r]  # NaN stays, as it does not with min and max
        place[r] = ((bound if near > bound else near) + bound) / unit
    number[:n] = 0
    end[:n] = 0
    for j in range(K - 1):
        share, knot = q[axis, j], least * q.dtype.type(j + 1)
        for r in range(n):
            end[r] += share[r]
            number[r] += one if place[r] - knot >= end[r] else zero
    for a in range(2):
        begin, size = rows[X0 + a], rows[WIDTH + a]
        for r in range(n):
            begin[r] = least * number[r]
            size[r] = least
        for j in range(K):
            share, this = q[a, j], q.dtype.type(j)
            for r in range(n):
                size_j, k = share[r], number[r]
                begin[r] += size_j if k > this else zero
                size[r] += size_j if k == this else zero
    for side in range(2):
        raw, d = rows[RAW0 + side], rows[D0 + side]
        raw[:n] = 0
        for j in range(K - 1):
            row, this = h[2 * K + j, start : start + n], q.dtype.type(j + 1 - side)
            for r in range(n):
                new, old, k = row[r], raw[r], number[r]
                raw[r] = new if k == this else old
        for r in range(n):
            d[r] = exp(raw[r] / (one + abs(raw[r]) * gentle))
    width, height, s = rows[WIDTH], rows[HEIGHT], rows[S]
    for r in range(n):
        s[r] = height[r] / width[r]


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def part(start: Array, size: Array, rows: Array, out: Array, n: int) -> None:
    """How much of the bin lies before the place, 0 to 1."""
    zero, one = out.dtype.type(0), out.dtype.type(1)
    place = rows[PLACE]
    for r in range(n):
        share = (place[r] - start[r]) / size[r]
        share = zero if share < zero else share  # rounding may leave the bin a little
        out[r] = one if share > one else share


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def curve(rows: Array, n: int) -> None:
    """DEN, NUM, RISE and SLOPE at XI."""
    one, two = rows.dtype.type(1), rows.dtype.type(2)
    xi, s, d0, d1 = rows[XI], rows[S], rows[D0], rows[D1]
    den, num, rise, slope = rows[DEN], rows[NUM], rows[RISE], rows[SLOPE]
    for r in range(n):
        den[r] = s[r] + (d0[r] + d1[r] - two * s[r]) * xi[r] * (one - xi[r])
    for r in range(n):
        rest = one - xi[r]
        num[r] = d1[r] * xi[r] * xi[r] + two * s[r] * xi[r] * rest + d0[r] * rest * rest
    for r in range(n):
        rise[r] = (s[r] * xi[r] + d0[r] * (one - xi[r])) * xi[r] / den[r]
    for r in range(n):
        steep = s[r] / den[r]
        slope[r] = num[r] * steep * steep


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def root(rows: Array, n: int) -> None:
    """XI where a part RISE of the height is reached."""
    zero, one, two, four, half = (
        rows.dtype.type(0), rows.dtype.type(1), rows.dtype.type(2), rows.dtype.type(4), rows.dtype.type(0.5),
    )  # fmt: skip
    rise, xi, s, d0, d1 = rows[RISE], rows[XI], rows[S], rows[D0], rows[D1]
    for r in range(n):
        b = d0[r] - rise[r] * (d0[r] + d1[r] - two * s[r])
        a = s[r] - b
        product = s[r] * rise[r]
        high = abs(b) + np.sqrt(max(b * b + four * a * product, zero))
        near, far = two * product / high, half * high / a
        share = near if b >= zero else far
        xi[r] = one if share > one else share


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def put(out: Array, x: Array, start: int, begin: Array, size: Array, share: Array, n: int, c: Array) -> None:
    """The value at a part of the bin; x itself where it is outside."""
    bound, unit = c[0], c[1]
    value, to = x[start : start + n], out[start : start + n]
    for r in range(n):
        moved = (begin[r] + size[r] * share[r]) * unit - bound
        to[r] = bound if moved > bound else moved  # rounding may leave the interval a little
    for r in range(n):
        outside, inside = value[r], to[r]
        to[r] = outside if abs(outside) > bound else inside


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def put_slope(out: Array, x: Array, start: int, n: int, slope: Array, bound: float) -> None:
    """1 outside."""
    one = x.dtype.type(1)
    value, to = x[start : start + n], out[start : start + n]
    for r in range(n):
        inside = slope[r]
        to[r] = one if abs(value[r]) > bound else inside


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def forward(x: Array, h: Array, z: Array, slope: Array, c: Array, first: int, stop: int) -> None:
    """z and dz/dx (N,) of values `first` to `stop`."""
    K = (len(h) + 1) // 3
    q, rows = np.empty((2, K, BLOCK), x.dtype), np.empty((ROWS, BLOCK), x.dtype)
    for start in range(first, stop, BLOCK):
        n = min(BLOCK, stop - start)
        block = q.reshape(-1)[: 2 * K * n].reshape(2, K, n)
        divide(h, start, block, rows)
        locate(x, h, start, 0, c, block, rows)
        part(rows[X0], rows[WIDTH], rows, rows[XI], n)
        curve(rows, n)
        put(z, x, start, rows[Y0], rows[HEIGHT], rows[RISE], n, c)
        put_slope(slope, x, start, n, rows[SLOPE], c[0])


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def inverse(z: Array, h: Array, x: Array, slope: Array, c: Array, first: int, stop: int) -> None:
    """x and dz/dx (N,) of values `first` to `stop`."""
    K = (len(h) + 1) // 3
    q, rows = np.empty((2, K, BLOCK), x.dtype), np.empty((ROWS, BLOCK), x.dtype)
    for start in range(first, stop, BLOCK):
        n = min(BLOCK, stop - start)
        block = q.reshape(-1)[: 2 * K * n].reshape(2, K, n)
        divide(h, start, block, rows)
        locate(z, h, start, 1, c, block, rows)
        part(rows[Y0], rows[HEIGHT], rows, rows[RISE], n)
        root(rows, n)
        curve(rows, n)
        put(x, z, start, rows[X0], rows[WIDTH], rows[XI], n, c)
        put_slope(slope, z, start, n, rows[SLOPE], c[0])
