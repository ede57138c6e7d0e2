"""The sampling loop of recurrent cells on the CPU, compiled by numba for each precision (seconds, kept in a file).

Imported where it is used: numba is slow to load. A single stream is a product of a matrix and a vector at each step and
little else, so what calling a library costs for each of them is most of the time there.
"""

import numpy as np

from loglik.compiled.array import Array
from loglik.compiled.cache import njit
from loglik.compiled.draw import draw, encode
from loglik.compiled.math import CONTRACT, add_product, sigmoid, tanh

LSTM, GRU, TANH = 0, 1, 2


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def add_rows(y: Array, x: Array, weight: Array) -> None:
    """The same for an x of which few are not 0: a one-hot value picks its row, the embedding."""
    for k in range(len(x)):
        if x[k] != 0:
            for m in range(len(y)):
                y[m] += x[k] * weight[k, m]


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def update(cell: int, gates: Array, own: Array, h: Array, c: Array) -> None:
    """h and c <- the next ones, from the gates as `steps` orders them; `own` are a GRU's U h + b."""
    H = len(h)
    for j in range(H):
        if cell == LSTM:
            c[j] = sigmoid(gates[H + j]) * c[j] + sigmoid(gates[j]) * tanh(gates[3 * H + j])
            h[j] = sigmoid(gates[2 * H + j]) * tanh(c[j])
        elif cell == GRU:
            r, u = sigmoid(gates[j] + own[j]), sigmoid(gates[H + j] + own[H + j])
            m = tanh(gates[2 * H + j] + r * own[2 * H + j])
            h[j] = m + u * (h[j] - m)
        else:
            h[j] = tanh(gates[j])


@njit(nogil=True, cache=True)
def generate(
    values: Array, noise: Array, known: int, cell: int, first: Array, reads: Array, recurs: Array, first_bias: Array,
    bias_in: Array, bias_own: Array, last: Array, last_bias: Array, kind: int, limit: float,
) -> None:  # fmt: skip
    """Fill values (T,) of one stream from step `known` on, with noise (T,).

    Args:
        first: (I, G), the input weights of the first layer; reads: (L - 1, H, G), of the others; recurs: (L, H, G).
        first_bias: (G,), of the first layer, with what a context adds; bias_in: (L - 1, G), of the others.
        bias_own: (L, G), what a GRU adds to its recurrent product; last: (H, P).
    """
    layers, width, size = recurs.shape
    inputs, params = len(first), len(last_bias)
    h, c = np.zeros((layers, width), values.dtype), np.zeros((layers, width), values.dtype)
    x, logits = np.zeros((inputs, 1), values.dtype), np.empty((params, 1), values.dtype)
    gates, own = np.empty(size, values.dtype), np.empty(size, values.dtype)
    for t in range(len(values)):
        for layer in range(layers):
            if layer == 0:
                gates[:] = first_bias
                add_rows(gates, x[:, 0], first)
            else:
                gates[:] = bias_in[layer - 1]
                add_product(gates, h[layer - 1], reads[layer - 1])
            if cell == GRU:
                own[:] = bias_own[layer]
                add_product(own, h[layer], recurs[layer])
            else:
                add_product(gates, h[layer], recurs[layer])
            update(cell, gates, own, h[layer], c[layer])
        if t >= known:
            logits[:, 0] = last_bias
            add_product(logits[:, 0], h[layers - 1], last)
            draw(values[t : t + 1], logits, noise[t : t + 1], kind, limit)
        x[:] = 0
        encode(x, values[t : t + 1], kind, params)
