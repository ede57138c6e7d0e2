"""How compiled sampling loops draw a value and read it again. Imported where it is used: numba is slow to load."""

import math

from loglik.compiled.cache import njit
from loglik.compiled.drawing import COIN, NORMAL, ONE_HOT
from loglik.ops import FAR


@njit(nogil=True, cache=True)
def draw(values, out, noise, kind, limit):
    """Values (n,) for outputs (params, n), which are used up, and noise (n,)."""
    params, n = out.shape
    one = out.dtype.type(1)
    bound = out.dtype.type(limit)
    for r in range(n):
        if kind == NORMAL:
            values[r] = out[0, r] + math.exp(bound * math.tanh(out[1, r] / bound)) * noise[r]
        elif kind == COIN:
            values[r] = one if noise[r] < one / (one + math.exp(-out[0, r])) else one - one
        else:
            largest, total, level = out[0, r], one - one, one - one
            for p in range(1, params):
                largest = max(largest, out[p, r])
            for p in range(params):
                total += math.exp(out[p, r] - largest)
                out[p, r] = total
            for p in range(params - 1):
                if out[p, r] <= noise[r] * total:
                    level += one
            values[r] = level


@njit(nogil=True, cache=True)
def encode(x, values, kind, levels):
    """What the net reads of values (n,): x (inputs, n), zeros before."""
    top, far = values.dtype.type(levels - 1), values.dtype.type(FAR)
    for r in range(len(values)):
        if kind == ONE_HOT:
            x[int(values[r]), r] = 1
        elif kind == NORMAL:
            x[0, r] = min(max(values[r], -far), far)
        elif kind == COIN:
            x[0, r] = 2 * values[r] - 1
        else:
            x[0, r] = values[r] * (2 / top) - 1
