"""The inner loops of an image LSTM on the CPU, compiled by numba: one direction, all fronts, forward and backward.

Arrays are (channels, cells x events): the cells of a front lie side by side and each holds all events, so every loop
runs over one long contiguous stretch, and a tap is a shift of it. torch does the same in some ten calls per front.

Imported where it is used: numba is slow to load.
"""

import numpy as np

from loglik.compiled.array import Array
from loglik.compiled.cache import njit
from loglik.compiled.math import CONTRACT, add_products, sigmoid, tanh


@njit(cache=True, nogil=True, error_model="numpy", fastmath=CONTRACT)
def sigmoid_(y: Array, bias: float) -> None:
    for n in range(len(y)):
        y[n] = sigmoid(y[n] + bias)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=CONTRACT)
def tanh_(y: Array, bias: float) -> None:
    for n in range(len(y)):
        y[n] = tanh(y[n] + bias)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=CONTRACT)
def overlap(starts: Array, lows: Array, t: int, tap: int) -> tuple[int, int, int]:
    """Cells a to b of all have a cell of front t - 1 at `tap` from their own coordinate; it is `move` cells away."""
    if t == 0:
        return 0, 0, 0
    move = lows[t] + tap - lows[t - 1] + starts[t - 1] - starts[t]
    return max(starts[t], starts[t - 1] - move), min(starts[t + 1], starts[t] - move), move


@njit(cache=True, nogil=True, error_model="numpy", fastmath=CONTRACT)
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
                add_products(gates, 0, a * B, weights[k], h, H, (a + move) * B, (b - a) * B)
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath=CONTRACT)
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
                add_products(d_h, 0, (a + move) * B, weights[k], d_in, 4 * H, a * B, (b - a) * B)
