"""The gradients of rational-quadratic splines on the CPU, compiled by numba, in the ways of `kernel`.

Equations are those of `curve.gradients`. Imported where it is used: numba is slow to load.
"""

import numpy as np

from loglik.bijections.spline.kernel import (
    BLOCK,
    D0,
    D1,
    DEN,
    HEIGHT,
    NUM,
    NUMBER,
    RAW0,
    RISE,
    ROWS,
    SLOPE,
    WIDTH,
    X0,
    XI,
    S,
    curve,
    divide,
    locate,
    part,
)
from loglik.compiled.array import Array
from loglik.compiled.cache import njit
from loglik.compiled.math import CONTRACT

# More rows: gradients per what their names say, see each function.
LX, GX, GY, GL, GP, GD, GN, GS, LOW, HIGH, BEFORE, OWN, LATER, GRADIENT_ROWS = range(ROWS, ROWS + 14)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def weigh(x: Array, gz: Array, gl: Array, start: int, n: int, inverse: bool, c: Array, rows: Array) -> None:
    """GX, GY and GL: per unit of x, of y and of log dy/dx, 0 outside, from the gradients of what was returned.

    Back, x was returned: then dx = (dy - f_h dh) / f_x at y held.
    """
    zero, one, two = rows.dtype.type(0), rows.dtype.type(1), rows.dtype.type(2)
    bound, unit = c[0], c[1]
    xi, s, d0, d1, den, num, width, lx = (
        rows[XI], rows[S], rows[D0], rows[D1], rows[DEN], rows[NUM], rows[WIDTH], rows[LX],
    )  # fmt: skip
    for r in range(n):
        turn = one - two * xi[r]
        of_num = d1[r] * xi[r] + s[r] * turn - d0[r] * (one - xi[r])
        of_den = (d0[r] + d1[r] - two * s[r]) * turn
        lx[r] = two * (of_num / num[r] - of_den / den[r]) / width[r]
    value, from_z, from_l = x[start : start + n], gz[start : start + n], gl[start : start + n]
    gx, gy, to_l, slope = rows[GX], rows[GY], rows[GL], rows[SLOPE]
    for r in range(n):
        inside = unit * from_z[r]
        gy[r] = zero if abs(value[r]) > bound else inside
    for r in range(n):
        inside = from_l[r]
        to_l[r] = zero if abs(value[r]) > bound else inside
    if inverse:
        for r in range(n):
            gy[r] = -(gy[r] + to_l[r] * lx[r]) / slope[r]
    for r in range(n):
        gx[r] = gy[r] * slope[r] + to_l[r] * lx[r]


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def to_slopes(gh: Array, start: int, n: int, gentle: float, rows: Array) -> None:
    """The gradients of the slopes' numbers; GP, GD, GN: of `rise`, log den and log num; GS: of the mean slope s."""
    K = (len(gh) + 1) // 3
    zero, one, two = rows.dtype.type(0), rows.dtype.type(1), rows.dtype.type(2)
    gy, gl, height, den, num = rows[GY], rows[GL], rows[HEIGHT], rows[DEN], rows[NUM]
    gp, gd, gn, gs = rows[GP], rows[GD], rows[GN], rows[GS]
    for r in range(n):
        gp[r] = gy[r] * height[r] / den[r]
    for r in range(n):
        gd[r] = two * gl[r] / den[r]
    for r in range(n):
        gn[r] = gl[r] / num[r]
    xi, rise, s = rows[XI], rows[RISE], rows[S]
    for r in range(n):
        twice = two * xi[r] * (one - xi[r])
        gs[r] = gp[r] * (xi[r] * xi[r] - rise[r] * (one - twice)) + gn[r] * twice - gd[r] * (one - twice)
    for r in range(n):
        gs[r] += two * gl[r] / s[r]
    low, high = rows[LOW], rows[HIGH]
    for r in range(n):
        rest = one - xi[r]
        low[r] = (gp[r] * (one - rise[r]) - gd[r]) * xi[r] * rest + gn[r] * rest * rest
        high[r] = gn[r] * xi[r] * xi[r] - (gp[r] * rise[r] + gd[r]) * xi[r] * (one - xi[r])
    for side in range(2):
        g, raw, d = rows[LOW + side], rows[RAW0 + side], rows[D0 + side]
        for r in range(n):
            gently = one + abs(raw[r]) * gentle
            g[r] *= d[r] / (gently * gently)
    number = rows[NUMBER]
    for j in range(K - 1):
        to, this, after = gh[2 * K + j, start : start + n], rows.dtype.type(j), rows.dtype.type(j + 1)
        for r in range(n):
            up, down, k = high[r], low[r], number[r]
            to[r] = up if k == this else (down if k == after else zero)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def to_shares(gh: Array, start: int, axis: int, least: float, q: Array, rows: Array) -> None:
    """The gradients of the numbers of widths (axis 0) or heights, from BEFORE and OWN: per length of a bin before the
    value's, and of its own. Shares sum to 1, so what all have in common falls out.
    """
    K, n = q.shape[1], q.shape[2]
    number, before, own, after = rows[NUMBER], rows[BEFORE], rows[OWN], rows[LATER]
    begin, size = rows[X0 + axis], rows[WIDTH + axis]
    for r in range(n):
        after[r] = -before[r] * (begin[r] - least * number[r]) - own[r] * (size[r] - least)
    for r in range(n):
        before[r] += after[r]
        own[r] += after[r]
    for j in range(K):
        to, share, this = gh[axis * K + j, start : start + n], q[axis, j], q.dtype.type(j)
        for r in range(n):
            earlier, here, later, k = before[r], own[r], after[r], number[r]  # read at once, so that nothing branches
            to[r] = share[r] * (earlier if k > this else (here if k == this else later))


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def spread(axis: int, n: int, rows: Array) -> None:
    """BEFORE and OWN in width (axis 0) or height: a bin before shifts this one, its own also bends it."""
    before, own, gx, gs = rows[BEFORE], rows[OWN], rows[GX], rows[GS]
    if axis == 0:
        xi, s, width = rows[XI], rows[S], rows[WIDTH]
        for r in range(n):
            before[r] = -gx[r]
            own[r] = -gx[r] * xi[r] - gs[r] * s[r] / width[r]
    else:
        gy, rise, width = rows[GY], rows[RISE], rows[WIDTH]
        for r in range(n):
            before[r] = gy[r]
            own[r] = gy[r] * rise[r] + gs[r] / width[r]


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def gradients(
    x: Array, h: Array, gz: Array, gl: Array, gx: Array, gh: Array, c: Array, inverse: bool, first: int, stop: int
) -> None:
    """gh (3K - 1, N), and gx (N,) of what was given: x, or back z, for x the result there.

    Args:
        gz: of what was returned. gl: of log dz/dx.
    """
    K = (len(h) + 1) // 3
    bound, unit, least = c[0], c[1], c[2]
    q, rows = np.empty((2, K, BLOCK), x.dtype), np.empty((GRADIENT_ROWS, BLOCK), x.dtype)
    for start in range(first, stop, BLOCK):
        n = min(BLOCK, stop - start)
        block = q.reshape(-1)[: 2 * K * n].reshape(2, K, n)
        divide(h, start, block, rows)
        locate(x, h, start, 0, c, block, rows)
        part(rows[X0], rows[WIDTH], rows, rows[XI], n)
        curve(rows, n)
        weigh(x, gz, gl, start, n, inverse, c, rows)
        to_slopes(gh, start, n, c[3], rows)
        for axis in range(2):
            spread(axis, n, rows)
            to_shares(gh, start, axis, least, block, rows)
        value, given, to = x[start : start + n], gz[start : start + n], gx[start : start + n]
        along, sign = rows[GY if inverse else GX], -unit if inverse else unit
        for r in range(n):
            inside, outside = along[r] / sign, given[r]
            to[r] = outside if abs(value[r]) > bound else inside
