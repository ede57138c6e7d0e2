"""What the compiled sampling loops share. Imported where it is used: numba is slow to load."""

import numpy as np
from numba import njit

CONTRACT = {"contract", "nsz"}  # products may be fused with sums; infinities and NaN stay themselves


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def add_product(y, x, weight):  # type: ignore[no-untyped-def]
    """y += x @ weight: (M,), (K,), (K, M). Eight rows at a time, so that y is read and written less often."""
    eights = len(x) - len(x) % 8
    for k in range(0, eights, 8):
        a, b, c, d, e, f, g, h = x[k], x[k + 1], x[k + 2], x[k + 3], x[k + 4], x[k + 5], x[k + 6], x[k + 7]
        for m in range(len(y)):
            near = a * weight[k, m] + b * weight[k + 1, m] + c * weight[k + 2, m] + d * weight[k + 3, m]
            far = e * weight[k + 4, m] + f * weight[k + 5, m] + g * weight[k + 6, m] + h * weight[k + 7, m]
            y[m] += near + far
    for k in range(eights, len(x)):
        for m in range(len(y)):
            y[m] += x[k] * weight[k, m]


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def exp(x):  # type: ignore[no-untyped-def]
    """e^x to 3e-14, relatively, for |x| <= 64 and held there beyond: loops of it vectorise, those of libm's do not.

    e^x = (e^(x / 256))^256, the inner one by its Taylor series to the 11th power.
    """
    y = np.minimum(np.maximum(x, -64.0), 64.0) / 256.0
    e = 1.0 / 39916800.0
    e = e * y + 1.0 / 3628800.0
    e = e * y + 1.0 / 362880.0
    e = e * y + 1.0 / 40320.0
    e = e * y + 1.0 / 5040.0
    e = e * y + 1.0 / 720.0
    e = e * y + 1.0 / 120.0
    e = e * y + 1.0 / 24.0
    e = e * y + 1.0 / 6.0
    e = e * y + 0.5
    e = e * y + 1.0
    e = e * y + 1.0
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    return e * e
