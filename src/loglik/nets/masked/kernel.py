"""The sampling loop of a masked net on the CPU, compiled by numba for each precision (seconds, kept in a file cache).

Imported where it is used: numba is slow to load. Features come first, (features, events), and vector units run over
events; sums run over units in a fixed order, so a draw does not depend on how many processors share the events.
"""

import math

import numpy as np

from loglik.compiled.array import Array
from loglik.compiled.cache import njit
from loglik.compiled.draw import draw, encode
from loglik.compiled.drawing import NORMAL
from loglik.compiled.math import add_products


@njit(nogil=True, cache=True)
def put(out: Array, first: int, count: int, bias: Array, place: int) -> None:
    """out[first + u] = bias[place + u], which has one column for all events, or one for each."""
    n = out.shape[1]
    for u in range(count):
        for r in range(n):
            out[first + u, r] = bias[place + u, r] if bias.shape[1] > 1 else bias[place + u, 0]


@njit(nogil=True, cache=True)
def generate(
    values: Array, log_scales: Array, noise: Array, known: int, weights: Array, sizes: Array, units: Array,
    first_bias: Array, biases: Array, direct: Array, last: Array, out_bias: Array, inputs: int, params: int, kind: int,
    limit: float,
) -> None:  # fmt: skip
    """Fill values (D, n) from row `known` on, with noise (D, n).

    Args:
        log_scales: (n,), to which the log-scales of values drawn from normals are added.
        weights: all hidden layers' (H_l, below) one after the other, flat; sizes (L,): their heights H_l.
        units: (L, D), how many units of each layer see at most t values.
        first_bias: (H_0, 1 or n), with what a context adds; biases: (sum H, 1), of all layers, read above the first.
        direct, last: (D * params, D * inputs) and (D * params, H_L).
        out_bias: (D * params, 1 or n).
    """
    dims, n = values.shape
    x = np.zeros((dims * inputs, n), values.dtype)
    h = np.empty((sizes.sum(), n), values.dtype)
    out = np.empty((params, n), values.dtype)
    zero = values.dtype.type(0)
    for t in range(dims):
        below, width, height, offset, place = x, t * inputs, dims * inputs, 0, 0
        for layer in range(len(sizes)):
            size = sizes[layer]
            start, stop = units[layer, t - 1] if t > 0 else 0, units[layer, t]
            if stop > start:
                put(h, place + start, stop - start, first_bias if layer == 0 else biases, place + start)
                weight = weights[offset : offset + size * height].reshape(size, height)[start:stop]
                add_products(h, place + start, 0, weight, below, width, 0, n)
                for u in range(place + start, place + stop):
                    for r in range(n):
                        h[u, r] = max(h[u, r], zero)
            below, width = h[place : place + size], stop
            offset, height, place = offset + size * height, size, place + size
        if t >= known:
            rows = slice(t * params, (t + 1) * params)
            put(out, 0, params, out_bias, t * params)
            add_products(out, 0, 0, direct[rows], x, t * inputs, 0, n)
            if len(sizes) > 0:
                add_products(out, 0, 0, last[rows], below, width, 0, n)
            draw(values[t], out, noise[t], kind, limit)
            if kind == NORMAL:
                for r in range(n):
                    log_scales[r] += limit * math.tanh(out[1, r] / limit)
        encode(x[t * inputs : (t + 1) * inputs], values[t], kind, params)
