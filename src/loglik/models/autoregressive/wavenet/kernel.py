"""The inner loop of sampling from WaveNet, compiled by numba for each precision (some seconds, kept in a file cache).

Imported where it is used: numba is slow to load. The arguments are those of `sampling.Weights`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loglik.compiled.cache import njit
from loglik.compiled.math import add_product, exp

Array = NDArray[Any]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def gate(a: Array, z: Array) -> None:
    """z = tanh(f) sigmoid(g), (f, g) = a, in double precision."""
    R = len(z)
    for r in range(R):
        f, g = exp(-2.0 * a[r]), exp(-1.0 * a[R + r])
        z[r] = (1.0 - f) / ((1.0 + f) * (1.0 + g))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def hold_positive(y: Array) -> None:
    for m in range(len(y)):
        y[m] = max(y[m], y.dtype.type(0.0))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def draw(logits: Array, u: float, cumulated: Array) -> int:
    """The code whose cumulated probability u has passed. A single logit is a coin's, as in BernoulliHead."""
    K = len(logits)
    if K == 1:
        return 1 if u < 1.0 / (1.0 + exp(-1.0 * logits[0])) else 0
    highest = logits.max()
    for k in range(K):
        cumulated[k] = exp(1.0 * (logits[k] - highest))
    total = 0.0
    for k in range(K):
        total += cumulated[k]
        cumulated[k] = total
    passed, code = u * total, 0
    for k in range(K - 1):
        code += cumulated[k] <= passed
    return code


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
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
    logits, cumulated = np.empty(len(last_bias), blank.dtype), np.empty(len(last_bias))
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
                code = draw(logits, noise[i, t, 0], cumulated)
                size = edges[code + 1] - edges[code]
                # In the noise's precision, as MuLawHead does it; the product may be rounded up to the size.
                place = int(noise[i, t, noise.shape[2] - 1] * noise.dtype.type(size))
                values[i, t] = edges[code] + min(place, size - 1)
