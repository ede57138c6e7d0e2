"""The functions and products that compiled loops share. Imported where it is used: numba is slow to load."""

import math

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from loglik.compiled.array import Array
from loglik.compiled.cache import njit

CONTRACT = {"contract", "nsz"}  # products may be fused with sums; infinities and NaN stay themselves


def exp(x):
    """e^x in x's precision, to 1 ulp or 2 for |x| <= 64, and held at e^-64 and e^64 beyond; loops of it vectorise.

    e^x = 2^n e^f with |f| <= log(2) / 2: the Taylor series of e^f, and n written into the exponent.
    """
    raise NotImplementedError("only within compiled code")


def tanh(x):
    """tanh in x's precision, to some units in the last place of 1; loops of it vectorise."""
    raise NotImplementedError("only within compiled code")


def sigmoid(x):
    """1 / (1 + e^-x) in x's precision, to some units in the last place of 1; loops of it vectorise."""
    raise NotImplementedError("only within compiled code")


@intrinsic
def as_float32(context, bits):
    """The float32 with the bits of an int32."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


@intrinsic
def as_float64(context, bits):
    """The float64 with the bits of an int64."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.float64))

    return types.float64(types.int64), generate


@intrinsic
def as_int64(context, number):
    """The int64 with the bits of a float64."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.int64))

    return types.int64(types.float64), generate


F32 = np.float32
LOWEST, HIGHEST_POWER, LOG2_E, HALF = F32(-64.0), F32(64.0), F32(1.0 / math.log(2.0)), F32(0.5)
LN2_HIGH, LN2_REST = F32(0.693359375), F32(math.log(2.0) - 0.693359375)  # few digits: n LN2_HIGH is exact
C6, C5, C4, C3, C2, ONE = (F32(1.0 / math.factorial(k)) for k in (6, 5, 4, 3, 2, 0))
EXPONENT_OF_1, MANTISSA_BITS = np.int32(127), np.int32(23)


def exp_in_float32(x):
    y = LOWEST if x < LOWEST else x  # so that NaN stays
    y = HIGHEST_POWER if y > HIGHEST_POWER else y
    n = np.floor(y * LOG2_E + HALF)
    f = (y - n * LN2_HIGH) - n * LN2_REST
    e = (((((C6 * f + C5) * f + C4) * f + C3) * f + C2) * f + ONE) * f + ONE
    return e * as_float32((np.int32(n) + EXPONENT_OF_1) << MANTISSA_BITS)  # type: ignore[call-arg]


MAGIC = 6755399441055744.0  # 1.5 * 2^52: added to a number, it leaves the nearest whole one in the lowest bits
LN2_HIGH_64, LN2_REST_64 = 0.6931471803691238, 1.9082149292705877e-10
D13, D12, D11, D10, D9, D8, D7, D6, D5, D4, D3 = (1.0 / math.factorial(k) for k in range(13, 2, -1))
EXPONENT_OF_1_64, MANTISSA_BITS_64 = np.int64(1023), np.int64(52)


def exp_in_float64(x):
    y = -64.0 if x < -64.0 else x
    y = 64.0 if y > 64.0 else y
    shifted = y * 1.4426950408889634 + MAGIC
    n = shifted - MAGIC
    f = (y - n * LN2_HIGH_64) - n * LN2_REST_64
    e = ((((D13 * f + D12) * f + D11) * f + D10) * f + D9) * f + D8
    e = (((((e * f + D7) * f + D6) * f + D5) * f + D4) * f + D3) * f + 0.5
    e = (e * f + 1.0) * f + 1.0
    return e * as_float64((as_int64(shifted) + EXPONENT_OF_1_64) << MANTISSA_BITS_64)  # type: ignore[call-arg]


@overload(exp, inline="always")
def _exp(x):
    return exp_in_float32 if x == types.float32 else exp_in_float64


# fmt: off
HIGHEST = F32(7.9053111)  # tanh(x) rounds to 1 from here on
ODD = tuple(F32(c) for c in (-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
    1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03))  # x^13 ... x
EVEN = tuple(F32(c) for c in (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03,
    4.89352518554385e-03))  # x^6 ... 1
# fmt: on


@overload(tanh, inline="always")
def _tanh(x):
    def by_powers(x):
        return 1.0 - 2.0 / (exp(2.0 * x) + 1.0)

    low, (p0, p1, p2, p3, p4, p5, p6), (q0, q1, q2, q3) = -HIGHEST, ODD, EVEN

    def rational(x):  # as in Eigen
        v = np.minimum(np.maximum(x, low), HIGHEST)
        s = v * v
        p = v * (((((((p0 * s + p1) * s + p2) * s + p3) * s + p4) * s + p5) * s) + p6)
        return p / (((q0 * s + q1) * s + q2) * s + q3)

    return rational if x == types.float32 else by_powers


@overload(sigmoid, inline="always")
def _sigmoid(x):
    def in_float32(x):
        return ONE / (ONE + exp(-x))

    def in_float64(x):
        return 1.0 / (1.0 + exp(-x))

    return in_float32 if x == types.float32 else in_float64


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def add_product(y: Array, x: Array, weight: Array) -> None:
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


@njit(nogil=True, cache=True, fastmath=CONTRACT)
def add_products(
    out: Array, first: int, start: int, weight: Array, x: Array, width: int, source: int, size: int
) -> None:
    """out[first + u, start + r] += weight[u, :width] @ x[:width, source + r] for all rows u of weight and r < size.

    In tiles of 2 rows x 4 inputs. Whole arrays are passed, since rows of a slice are not known to be contiguous; places
    are unsigned, since a loop that may count from the end of an axis does not vectorise.
    """
    to, at, columns = np.uint64(start), np.uint64(source), np.uint64(size)
    even, fours = len(weight) - len(weight) % 2, width - width % 4
    for u in range(0, even, 2):
        f = first + u
        for k in range(0, fours, 4):
            w0, w1, w2, w3 = weight[u, k], weight[u, k + 1], weight[u, k + 2], weight[u, k + 3]
            v0, v1, v2, v3 = weight[u + 1, k], weight[u + 1, k + 1], weight[u + 1, k + 2], weight[u + 1, k + 3]
            for r in range(columns):
                a, b, c, d = x[k, at + r], x[k + 1, at + r], x[k + 2, at + r], x[k + 3, at + r]
                out[f, to + r] += w0 * a + w1 * b + w2 * c + w3 * d
                out[f + 1, to + r] += v0 * a + v1 * b + v2 * c + v3 * d
        for k in range(fours, width):
            w0, v0 = weight[u, k], weight[u + 1, k]
            for r in range(columns):
                out[f, to + r] += w0 * x[k, at + r]
                out[f + 1, to + r] += v0 * x[k, at + r]
    for u in range(even, len(weight)):
        f = first + u
        for k in range(0, fours, 4):
            w0, w1, w2, w3 = weight[u, k], weight[u, k + 1], weight[u, k + 2], weight[u, k + 3]
            for r in range(columns):
                a, b, c, d = x[k, at + r], x[k + 1, at + r], x[k + 2, at + r], x[k + 3, at + r]
                out[f, to + r] += w0 * a + w1 * b + w2 * c + w3 * d
        for k in range(fours, width):
            w0 = weight[u, k]
            for r in range(columns):
                out[f, to + r] += w0 * x[k, at + r]
