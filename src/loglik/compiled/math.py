"""What the compiled loops share. Imported where it is used: numba is slow to load."""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from loglik.compiled.cache import njit

CONTRACT = {"contract", "nsz"}  # products may be fused with sums; infinities and NaN stay themselves


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def add_product(y, x, weight):
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
def exp(x):
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


@intrinsic
def as_float32(context, bits):
    """The float32 with the bits of an int32."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


def own_exp(x: Any) -> Any:
    """e^x in x's precision, for |x| <= 64 and held at e^-64 below; loops of it vectorise.

    In float32 to 1 ulp or 2: e^x = 2^n e^f with |f| <= log(2) / 2, and n is written into the exponent.
    """
    raise NotImplementedError("only within compiled code")


LOWEST, LOG2_E, HALF = np.float32(-64.0), np.float32(1.0 / math.log(2.0)), np.float32(0.5)
LN2_HIGH, LN2_REST = np.float32(0.693359375), np.float32(math.log(2.0) - 0.693359375)  # few digits: n LN2_HIGH is exact
C6, C5, C4, C3, C2, ONE = (np.float32(1.0 / factorial) for factorial in (720, 120, 24, 6, 2, 1))
EXPONENT_OF_1, MANTISSA_BITS = np.int32(127), np.int32(23)


@overload(own_exp, inline="always")
def _own_exp(x):
    def exact(x):
        return exp(x)

    def in_float32(x):
        y = LOWEST if x < LOWEST else x  # so that NaN stays
        n = np.floor(y * LOG2_E + HALF)
        f = (y - n * LN2_HIGH) - n * LN2_REST
        e = (((((C6 * f + C5) * f + C4) * f + C3) * f + C2) * f + ONE) * f + ONE
        return e * as_float32((np.int32(n) + EXPONENT_OF_1) << MANTISSA_BITS)  # type: ignore[call-arg]

    return in_float32 if x == types.float32 else exact
