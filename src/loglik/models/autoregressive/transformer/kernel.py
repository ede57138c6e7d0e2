"""The sampling loop of a transformer on the CPU, compiled by numba for each precision (seconds, kept in a file).

Imported where it is used: numba is slow to load. For a single stream every part of a step is a product of a matrix and
a vector, too small for what calling a library costs.
"""

import math

import numpy as np

from loglik.compiled.array import Array
from loglik.compiled.cache import njit
from loglik.compiled.draw import draw, encode
from loglik.compiled.math import CONTRACT, add_product, exp, sigmoid

SQRT_2_PI = math.sqrt(2.0 / math.pi)


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def normalize(y: Array, x: Array, weight: Array, bias: Array, eps: float) -> None:
    """y <- weight (x - mean) / sqrt(variance + eps) + bias: layer normalisation of one vector."""
    mean = x.sum() / len(x)
    square = x[0] * 0
    for i in range(len(x)):
        y[i] = x[i] - mean
        square += y[i] * y[i]
    scale = 1 / math.sqrt(square / len(x) + eps)
    for i in range(len(x)):
        y[i] = y[i] * scale * weight[i] + bias[i]


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def gelu(x: Array) -> None:
    """x <- x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 = x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))."""
    steep, bent = x.dtype.type(2.0 * SQRT_2_PI), x.dtype.type(0.044715)
    for i in range(len(x)):
        x[i] = x[i] * sigmoid(steep * (x[i] + bent * x[i] * x[i] * x[i]))


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def attend(out: Array, query: Array, keys: Array, values: Array, scores: Array) -> None:
    """out (d,) <- softmax(query . keys / sqrt(d)) . values, with keys (d, t) and values (t, d); scores (t,) is room."""
    scores[:] = 0
    add_product(scores, query, keys)
    scale = scores.dtype.type(1.0 / math.sqrt(len(query)))
    largest, total = scores.max(), 0.0
    for s in range(len(scores)):
        scores[s] = exp((scores[s] - largest) * scale)
    for s in range(len(scores)):
        total += scores[s]
    out[:] = 0
    add_product(out, scores, values)
    for i in range(len(out)):
        out[i] = out[i] / total


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def generate(
    values: Array, noise: Array, known: int, heads: int, start: Array, always: Array, places: Array, read: Array,
    split: Array, mix: Array, up: Array, down: Array, norms: Array, biases: Array, last: Array, final: Array,
    eps: float, kind: int, limit: float,
) -> None:  # fmt: skip
    """Fill values (T,) of one stream from step `known` on, with noise (T,).

    Args:
        start, always: (width,), what the first position reads instead of a value, and what all of them read.
        places: (T, width); read: (inputs, width).
        split, mix, up, down: (L, in, out), the matrices of all blocks.
        norms: (L, 4, width), weights and biases of a block's two normalisations.
        biases: (L, 9 width), those of split, mix, up and down one after the other.
        last: (width, params); final: (2 width + params,), the last normalisation's weight and bias and the last bias.
    """
    layers, width, T = len(split), len(start), len(values)
    d, params, inputs = width // heads, last.shape[1], len(read)
    keys, kept = np.zeros((layers, width, T), values.dtype), np.zeros((layers, T, width), values.dtype)
    h, normed, found = np.empty(width, values.dtype), np.empty(width, values.dtype), np.empty(width, values.dtype)
    parts, wide, scores = np.empty(3 * width, values.dtype), np.empty(4 * width, values.dtype), np.empty_like(values)
    x, logits = np.zeros((inputs, 1), values.dtype), np.empty((params, 1), values.dtype)
    for t in range(T):
        h[:] = places[t] + always
        if t == 0:
            h += start
        else:
            for k in range(inputs):
                if x[k, 0] != 0:  # a one-hot value picks its row
                    h += x[k, 0] * read[k]
        for layer in range(layers):
            normalize(normed, h, norms[layer, 0], norms[layer, 1], eps)
            parts[:] = biases[layer, : 3 * width]
            add_product(parts, normed, split[layer])
            keys[layer, :, t], kept[layer, t] = parts[width : 2 * width], parts[2 * width :]
            for i in range(0, width, d):
                own = slice(i, i + d)
                attend(found[own], parts[own], keys[layer, own, : t + 1], kept[layer, : t + 1, own], scores[: t + 1])
            h += biases[layer, 3 * width : 4 * width]
            add_product(h, found, mix[layer])
            normalize(normed, h, norms[layer, 2], norms[layer, 3], eps)
            wide[:] = biases[layer, 4 * width : 8 * width]
            add_product(wide, normed, up[layer])
            gelu(wide)
            h += biases[layer, 8 * width :]
            add_product(h, wide, down[layer])
        if t >= known:
            normalize(normed, h, final[:width], final[width : 2 * width], eps)
            logits[:, 0] = final[2 * width :]
            add_product(logits[:, 0], normed, last)
            draw(values[t : t + 1], logits, noise[t : t + 1], kind, limit)
        x[:] = 0
        encode(x, values[t : t + 1], kind, params)
