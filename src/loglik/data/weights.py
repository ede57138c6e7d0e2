"""Weights of rows: how many times each row counts in a fit, 0 or more."""

from typing import Any

from torch import Tensor

from loglik.data.checks import Origin, check_finite
from loglik.data.formats.arrays import as_tensor
from loglik.data.source import Memory, Source
from loglik.errors import OutsideSpace, ShapeMismatch, UsageError


def weighted(source: Source, weights: Any) -> Memory:
    """The rows of a source, in memory, with these weights, (N,), in place of any that it brings.

    Raises:
        ShapeMismatch: not one for each row. NotFinite, OutsideSpace: a weight that cannot be. UsageError: none above 0.
    """
    rows, origin = source.read(), Origin("the weights")
    w = as_tensor(weights, origin)
    if w.shape != (rows.rows, 1):
        got = len(w) if w.shape[1:] == (1,) else tuple(w.shape)
        raise ShapeMismatch(f"Expected one weight for each of {rows.rows} rows, ({rows.rows},); got {got}.")
    check_weights(w, origin)
    check_some(w)
    whole = rows.replaced(rows.x, rows.context, stream=rows.stream)
    whole.weights, whole.remark = w[:, 0].double().cpu(), rows.remark
    return whole


def check_weights(w: Tensor, origin: Origin, first_row: int = 0) -> None:
    """Raises NotFinite or OutsideSpace for the first of the weights (B, 1) that is not finite, or below 0."""
    check_finite(w, origin, first_row)
    below = (w < 0).flatten()
    if bool(below.any()):
        row = int(below.int().argmax())
        raise OutsideSpace(
            f"Expected weights of 0 or more; got {float(w[row]):g} at {origin.place(first_row + row, 0, (1,))}. "
            "Correct it; a row of weight 0 does not count."
        )


def check_some(w: Tensor) -> None:
    """Raises UsageError unless a weight is above 0."""
    if not bool((w > 0).any()):
        raise UsageError("Expected weights that are not all 0; got 0 for every row. Give some row a weight.")
