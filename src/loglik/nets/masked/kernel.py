"""The sampling loop of a masked net on the CPU, compiled by numba for each precision (seconds, kept in a file cache).

Imported where it is used: numba is slow to load. Features come first, (features, events), and vector units run over
events; sums run over units in a fixed order, so a draw does not depend on how many processors share the events.
"""

import math

import numpy as np

from loglik.compiled.cache import njit
from loglik.compiled.draw import draw, encode
from loglik.compiled.drawing import NORMAL
from loglik.compiled.math import CONTRACT


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def add_products(out, first, count, weight, h, width):
    """out[first + u] += weight[u, :width] @ h[:width] for u < count, in tiles of 2 units x 4 inputs."""
    n = h.shape[1]
    even, fours = count - count % 2, width - width % 4
    for u in range(0, even, 2):
        f = first + u
        for k in range(0, fours, 4):
            w0, w1, w2, w3 = weight[u, k], weight[u, k + 1], weight[u, k + 2], weight[u, k + 3]
            v0, v1, v2, v3 = weight[u + 1, k], weight[u + 1, k + 1], weight[u + 1, k + 2], weight[u + 1, k + 3]
            for r in range(n):
                a, b, c, d = h[k, r], h[k + 1, r], h[k + 2, r], h[k + 3, r]
                out[f, r] += w0 * a + w1 * b + w2 * c + w3 * d
                out[f + 1, r] += v0 * a + v1 * b + v2 * c + v3 * d
        for k in range(fours, width):
            w0, v0 = weight[u, k], weight[u + 1, k]
            for r in range(n):
                out[f, r] += w0 * h[k, r]
                out[f + 1, r] += v0 * h[k, r]
    for u in range(even, count):
        f = first + u
        for k in range(0, fours, 4):
            w0, w1, w2, w3 = weight[u, k], weight[u, k + 1], weight[u, k + 2], weight[u, k + 3]
            for r in range(n):
                out[f, r] += w0 * h[k, r] + w1 * h[k + 1, r] + w2 * h[k + 2, r] + w3 * h[k + 3, r]
        for k in range(fours, width):
            w0 = weight[u, k]
            for r in range(n):
                out[f, r] += w0 * h[k, r]


@njit(nogil=True, cache=True)
def put(out, first, count, bias, place):
    """out[first + u] = bias[place + u], which has one column for all events, or one for each."""
    n = out.shape[1]
    for u in range(count):
        for r in range(n):
            out[first + u, r] = bias[place + u, r] if bias.shape[1] > 1 else bias[place + u, 0]


@njit(nogil=True, cache=True)
def generate(
    values, log_scales, noise, known, weights, sizes, units, first_bias, biases, direct, last, out_bias, inputs, params,
    kind, limit,
):  # fmt: skip
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
                add_products(h, place + start, stop - start, weight, below, width)
                for u in range(place + start, place + stop):
                    for r in range(n):
                        h[u, r] = max(h[u, r], zero)
            below, width = h[place : place + size], stop
            offset, height, place = offset + size * height, size, place + size
        if t >= known:
            rows = slice(t * params, (t + 1) * params)
            put(out, 0, params, out_bias, t * params)
            add_products(out, 0, params, direct[rows], x, t * inputs)
            if len(sizes) > 0:
                add_products(out, 0, params, last[rows], below, width)
            draw(values[t], out, noise[t], kind, limit)
            if kind == NORMAL:
                for r in range(n):
                    log_scales[r] += limit * math.tanh(out[1, r] / limit)
        encode(x[t * inputs : (t + 1) * inputs], values[t], kind, params)
