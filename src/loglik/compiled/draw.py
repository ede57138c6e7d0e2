"""How compiled sampling loops draw a value and read it again. Imported where it is used: numba is slow to load."""

import math

from loglik.compiled.array import Array
from loglik.compiled.cache import njit
from loglik.compiled.drawing import COIN, NORMAL, ONE_HOT
from loglik.compiled.math import CONTRACT, exp, sigmoid
from loglik.ops import FAR


@njit(nogil=True, cache=True)
def coin(logit: float, u: float) -> int:
    """1 with the probability sigmoid(logit), for u uniform on [0, 1)."""
    return 1 if u < sigmoid(logit) else 0


@njit(nogil=True, cache=True, error_model="numpy", fastmath=CONTRACT)
def level(logits: Array, u: float) -> int:
    """A level by softmax(logits) (K,), which are used up: the first whose cumulated probability exceeds u."""
    largest, total = logits.max(), 0.0
    for k in range(len(logits)):
        logits[k] = exp(logits[k] - largest)
    for k in range(len(logits)):
        total += logits[k]
    passed, cumulated, found = u * total, 0.0, 0
    for k in range(len(logits) - 1):
        cumulated += logits[k]
        found += cumulated <= passed
    return found


@njit(nogil=True, cache=True)
def draw(values: Array, out: Array, noise: Array, kind: int, limit: float) -> None:
    """Values (n,) for outputs (params, n), which are used up, and noise (n,)."""
    bound = out.dtype.type(limit)
    for r in range(len(values)):
        if kind == NORMAL:
            values[r] = out[0, r] + math.exp(bound * math.tanh(out[1, r] / bound)) * noise[r]
        elif kind == COIN:
            values[r] = coin(out[0, r], noise[r])
        else:
            values[r] = level(out[:, r], noise[r])


@njit(nogil=True, cache=True)
def encode(x: Array, values: Array, kind: int, levels: int) -> None:
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
