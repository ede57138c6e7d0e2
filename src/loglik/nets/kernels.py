"""What the compiled sampling loops share. Imported where it is used: numba is slow to load."""

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
