"""Products with a matrix W (out, in) whose upper right quarter is zero, which is left out of them.

In a masked net whose units are sorted by degree the first half of a layer sees little more than the first half of the
layer below: a fourth of the work, forwards and backwards. Nothing here is for automatic differentiation.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from loglik.nets.dense.products import linear, onednn_is_faster, product

SMALLEST = 128  # units of a layer; below that two products take longer than one
ALIGNED = 16  # columns are a multiple of it; products of odd sizes take longer


class Quarter(NamedTuple):
    """W[:rows, columns:] = 0."""

    rows: int
    columns: int


Quarters = tuple[Quarter | None, ...]  # of the hidden layers, from the inputs up


def quarter_of(below: Tensor, above: Tensor) -> Quarter | None:
    """Of the weights between layers with these degrees; None where it would gain nothing."""
    rows = len(above) // 2
    if min(len(below), len(above)) < SMALLEST or onednn_is_faster():  # its calls cost more than is saved
        return None
    seen = (below <= above[:rows].max()).nonzero()
    columns = -(-(int(seen[-1]) + 1) // ALIGNED) * ALIGNED if len(seen) else 0
    return Quarter(rows, columns) if columns <= 0.625 * len(below) else None


def outputs(x: Tensor, w: Tensor, bias: Tensor, quarter: Quarter | None) -> Tensor:
    """x W^T + b"""
    if quarter is None:
        return linear(x, w, bias)
    rows, columns = quarter
    out = x.new_empty(len(x), len(w))
    torch.mm(x[:, :columns], w[:rows, :columns].t(), out=out[:, :rows])
    torch.mm(x, w[rows:].t(), out=out[:, rows:])
    return out.add_(bias)  # into a part of a matrix, addmm would write the biases first, slowly


def of_inputs(g: Tensor, w: Tensor, quarter: Quarter | None) -> Tensor:
    """g W"""
    if quarter is None:
        return product(g, w)
    rows, columns = quarter
    found = g.new_empty(len(g), w.shape[1])
    torch.mm(g, w[:, :columns], out=found[:, :columns])
    torch.mm(g[:, rows:], w[rows:, columns:], out=found[:, columns:])
    return found


def of_weights(g: Tensor, x: Tensor, quarter: Quarter | None) -> Tensor:
    """g^T x, and zeros in the quarter."""
    if quarter is None:
        return product(g.t(), x)
    rows, columns = quarter
    found = g.new_empty(g.shape[1], x.shape[1])
    torch.mm(g[:, :rows].t(), x[:, :columns], out=found[:rows, :columns])
    torch.mm(g[:, rows:].t(), x, out=found[rows:])
    found[:rows, columns:] = 0.0
    return found
