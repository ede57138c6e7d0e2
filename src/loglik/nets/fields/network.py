"""A tanh field, and a method to solve it on given steps, as compiled loops read them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from loglik.compiled.array import Array
from loglik.nets.fields.field_dynamics import FieldDynamics
from loglik.ode import Tableau

ROWS = 128  # rows of matrices that stay in the processor's cache from layer to layer
PRODUCTS = 1_000_000  # up to so many multiplications, small products are computed by their caller's thread


class Network(NamedTuple):
    """The arrays of a `FieldDynamics`, and how many rows go through the net together."""

    theta: Array
    widths: Array
    shift: Array
    e: Array
    v: Array
    scale: float
    rows: int


def network_of(dynamics: FieldDynamics) -> Network:
    theta, shift, e, v = (tensor.detach().contiguous().numpy() for tensor in dynamics.tensors)
    widths = np.array(dynamics.widths)
    held = min(ROWS, PRODUCTS // int((widths[:-1] * widths[1:]).max()))
    return Network(theta, widths, shift, e, v, theta.dtype.type(dynamics.scale), max(1, held // (1 + len(e))))


class Plan(NamedTuple):
    """Times, and the tableau of a method of S stages: a (S, S), b (S,), c (S,), and the weights of its error (S + 1,).

    The last slope, at the end of a step, is the first of the next one; it counts for nothing but the error.
    """

    times: Array
    a: Array
    b: Array
    c: Array
    error_weights: Array


def plan_of(times: Sequence[float], method: Tableau, dtype: torch.dtype) -> Plan:
    stages = len(method.b) - 1
    square = np.zeros((stages, stages))
    for i, row in enumerate(method.a[:stages]):
        square[i, : len(row)] = row
    number = torch.empty(0, dtype=dtype).numpy().dtype
    return Plan(*(np.array(v, number) for v in (times, square, method.b[:stages], method.c[:stages], method.error)))
