"""The inner loops of an image LSTM on the CPU, compiled by numba: one direction, all fronts, forward and backward.

Arrays are (channels, cells x events): the cells of a front lie side by side and each holds all events, so every loop
runs over one long contiguous stretch, and a tap is a shift of it. torch does the same in some ten calls per front.

Imported where it is used: numba is slow to load.
"""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from loglik.compiled.cache import njit

Array = NDArray[Any]

HIGHEST = np.float32(7.9053111)  # tanh(x) rounds to 1 from here on
# fmt: off
ODD = tuple(np.float32(c) for c in (-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11,
      5.12229709037114e-08, 1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03))  # x^13 ... x
EVEN = tuple(np.float32(c) for c in (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03,
       4.89352518554385e-03))  # x^6 ... 1
# fmt: on


def tanh(x: Any) -> Any:
    """tanh in x's precision. In float32 the rational function that Eigen uses: few ulp off, and loops vectorise."""
    raise NotImplementedError("only within compiled code")


@overload(tanh, inline="always")
def _tanh(x: Any) -> Any:
    if x != types.float32:

        def exact(x: Any) -> Any:
            return math.tanh(x)

        return exact
    low, (p0, p1, p2, p3, p4, p5, p6), (q0, q1, q2, q3) = -HIGHEST, ODD, EVEN

    def rational(x: Any) -> Any:
        v = np.minimum(np.maximum(x, low), HIGHEST)
        s = v * v
        p = v * (((((((p0 * s + p1) * s + p2) * s + p3) * s + p4) * s + p5) * s) + p6)
        return p / (((q0 * s + q1) * s + q2) * s + q3)

    return rational


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def add_product(out: Array, to: int, weight: Array, x: Array, source: int, size: int) -> None:
    """out[:, to : to + size] += weight @ x[:, source : source + size]: few rows of great length, eight at a time.

    Whole arrays are passed, since the rows of a slice are not known to be contiguous.
    """
    rows, inner = weight.shape
    tiled = inner - inner % 8
    end = source + size
    for j in range(rows):
        y = out[j, to : to + size]
        for k in range(0, tiled, 8):
            x0, x1, x2, x3 = x[k, source:end], x[k + 1, source:end], x[k + 2, source:end], x[k + 3, source:end]
            x4, x5, x6, x7 = x[k + 4, source:end], x[k + 5, source:end], x[k + 6, source:end], x[k + 7, source:end]
            w = weight[j, k : k + 8]
            w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
            for n in range(size):
                low = w0 * x0[n] + w1 * x1[n] + w2 * x2[n] + w3 * x3[n]
                y[n] += low + (w4 * x4[n] + w5 * x5[n] + w6 * x6[n] + w7 * x7[n])
        for k in range(tiled, inner):
            w0, x0 = weight[j, k], x[k, source:end]
            for n in range(size):
                y[n] += w0 * x0[n]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def sigmoid_(y: Array, bias: float) -> None:
    half = y.dtype.type(0.5)
    for n in range(len(y)):
        y[n] = half + half * tanh(half * (y[n] + bias))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def tanh_(y: Array, bias: float) -> None:
    for n in range(len(y)):
        y[n] = tanh(y[n] + bias)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def overlap(starts: Array, lows: Array, t: int, tap: int) -> tuple[int, int, int]:
    """Cells a to b of all have a cell of front t - 1 at `tap` from their own coordinate; it is `move` cells away."""
    if t == 0:
        return 0, 0, 0
    move = lows[t] + tap - lows[t - 1] + starts[t - 1] - starts[t]
    return max(starts[t], starts[t - 1] - move), min(starts[t + 1], starts[t] - move), move


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def forward(
    gates: Array, c: Array, h: Array, bias: Array, weights: Array, starts: Array, lows: Array, taps: Array, B: int
) -> None:
    """Replaces what the cells read, gates (4h, S B), by their gates o, f, i, g; fills c and h, (h, S B).

    Loops are short and touch few arrays each: more, and the compiler cannot rule out that they overlap.

    Args:
        bias: (4h,), of the gates. weights: (taps, 4h, h), of the states before at each tap.
        starts: (T + 1,), the first cell of each front. lows: (T,), the coordinate of that cell.
    """
    H = len(h)
    for t in range(len(lows)):
        for k in range(len(taps)):
            a, b, move = overlap(starts, lows, t, taps[k])
            if a < b:
                add_product(gates, a * B, weights[k], h, (a + move) * B, (b - a) * B)
        first, end = starts[t] * B, starts[t + 1] * B
        a, b, move = overlap(starts, lows, t, 0)
        for j in range(H):
            o, f, i, g = gates[j], gates[H + j], gates[2 * H + j, first:end], gates[3 * H + j, first:end]
            sigmoid_(o[first:end], bias[j])
            sigmoid_(f[first:end], bias[H + j])
            sigmoid_(i, bias[2 * H + j])
            tanh_(g, bias[3 * H + j])
            now = c[j, first:end]
            for n in range(len(now)):
                now[n] = i[n] * g[n]
            if a < b:
                now, before, f = c[j, a * B : b * B], c[j, (a + move) * B : (b + move) * B], f[a * B : b * B]
                for n in range(len(now)):
                    now[n] += f[n] * before[n]
            now, o, state = c[j, first:end], o[first:end], h[j, first:end]
            for n in range(len(now)):
                state[n] = o[n] * tanh(now[n])


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def backward(
    d_in: Array, d_h: Array, gates: Array, c: Array, weights: Array, starts: Array, lows: Array, taps: Array, B: int
) -> None:
    """Backpropagation through the fronts: d loss / d h (h, S B), changed on the way -> d_in, with respect to what
    the cells read, (4h, S B).

    Args:
        weights: (taps, h, 4h), transposed.
    """
    H = len(d_h)
    one = gates.dtype.type(1.0)
    d_c = np.zeros_like(d_h)
    for t in range(len(lows) - 1, -1, -1):
        first, end = starts[t] * B, starts[t + 1] * B
        a, b, move = overlap(starts, lows, t, 0)
        for j in range(H):
            o, f, i, g = gates[j, first:end], gates[H + j], gates[2 * H + j, first:end], gates[3 * H + j, first:end]
            d_o, d_f, d_i, d_g = (
                d_in[j, first:end], d_in[H + j], d_in[2 * H + j, first:end], d_in[3 * H + j, first:end],
            )  # fmt: skip
            d_state, d_memory, memory = d_h[j, first:end], d_c[j, first:end], c[j, first:end]
            for n in range(len(o)):
                d_o[n] = tanh(memory[n])
            for n in range(len(o)):
                d_memory[n] += d_state[n] * o[n] * (one - d_o[n] * d_o[n])
            for n in range(len(o)):
                d_o[n] *= d_state[n] * o[n] * (one - o[n])
            for n in range(len(o)):
                d_i[n] = d_memory[n] * g[n] * i[n] * (one - i[n])
            for n in range(len(o)):
                d_g[n] = d_memory[n] * i[n] * (one - g[n] * g[n])
            d_f[first:end] = 0
            if a < b:
                d_f, f, d_memory = d_f[a * B : b * B], f[a * B : b * B], d_c[j, a * B : b * B]
                before, d_before = c[j, (a + move) * B : (b + move) * B], d_c[j, (a + move) * B : (b + move) * B]
                for n in range(len(f)):
                    d_f[n] = d_memory[n] * before[n] * f[n] * (one - f[n])
                for n in range(len(f)):
                    d_before[n] = d_memory[n] * f[n]
        for k in range(len(taps)):
            a, b, move = overlap(starts, lows, t, taps[k])
            if a < b:
                add_product(d_h, (a + move) * B, weights[k], d_in, a * B, (b - a) * B)
