"""The inner loop of sampling from WaveNet, compiled by numba for each precision (some seconds, kept in a file cache).

Imported where it is used: numba is slow to load. The arguments are those of `sampling.WaveNetArrays`.
"""

import numpy as np

from loglik.compiled.array import Array
from loglik.compiled.cache import njit
from loglik.compiled.draw import coin, level
from loglik.compiled.math import CONTRACT, add_product, sigmoid, tanh


@njit(cache=True, nogil=True, error_model="numpy", fastmath=CONTRACT)
def gate(a: Array, z: Array) -> None:
    """z = tanh(f) sigmoid(g), (f, g) = a."""
    R = len(z)
    for r in range(R):
        z[r] = tanh(a[r]) * sigmoid(a[R + r])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=CONTRACT)
def hold_positive(y: Array) -> None:
    for m in range(len(y)):
        y[m] = max(y[m], y.dtype.type(0.0))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=CONTRACT)
def generate(
    values: Array, known: int, noise: Array, edges: Array, hop: int, entry: Array, blank: Array, gates: Array,
    steer: Array, residuals: Array, residual_biases: Array, skips: Array, skip_bias: Array, top: Array,
    top_bias: Array, last: Array, last_bias: Array, dilations: Array,
) -> None:  # fmt: skip
    """Fills values (n, T) from time `known` on, with noise (n, T, m): the first number for the code, the last for its
    cell. Codes' cells are edges[code] <= level < edges[code + 1]."""
    L, R, taps = len(dilations), len(blank), gates.shape[1] // len(blank)
    T, frames = values.shape[1], steer.shape[1]
    starts = np.zeros(L + 1, np.int64)  # of each layer's ring among all slots
    starts[1:] = np.cumsum((taps - 1) * dilations)
    a, z, h = np.empty(2 * R, blank.dtype), np.empty(R, blank.dtype), np.empty(R, blank.dtype)
    skip, upper = np.empty(len(skip_bias), blank.dtype), np.empty(len(top_bias), blank.dtype)
    logits = np.empty(len(last_bias), blank.dtype)
    for i in range(len(values)):
        rings = np.zeros((starts[L], R), blank.dtype)
        for t in range(T):
            h[:] = entry[values[i, t - 1]] if t else blank
            skip[:] = skip_bias
            for layer in range(L):
                d, ring = dilations[layer], rings[starts[layer] : starts[layer + 1]]
                a[:] = steer[i, min(t // hop, frames - 1), layer]
                for j in range(taps - 1):  # slot t is still that of the furthest tap
                    add_product(a, ring[(t + j * d) % len(ring)], gates[layer, j * R : (j + 1) * R])
                add_product(a, h, gates[layer, (taps - 1) * R :])
                ring[t % len(ring)] = h
                gate(a, z)
                add_product(skip, z, skips[layer * R : (layer + 1) * R])
                if layer < L - 1:
                    h += residual_biases[layer]
                    add_product(h, z, residuals[layer])
            if t >= known:
                hold_positive(skip)
                upper[:] = top_bias
                add_product(upper, skip, top)
                hold_positive(upper)
                logits[:] = last_bias
                add_product(logits, upper, last)
                u = noise[i, t, 0]
                code = level(logits, u) if len(logits) > 1 else coin(logits[0], u)  # one logit is a coin's
                size = edges[code + 1] - edges[code]
                # In the noise's precision, as MuLawHead does it; the product may be rounded up to the size.
                place = int(noise[i, t, noise.shape[2] - 1] * noise.dtype.type(size))
                values[i, t] = edges[code] + min(place, size - 1)
