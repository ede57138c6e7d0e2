"""Means that a few rows carry, and a test that heavy tails leave alone."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.uncertainty.mean_error import block_length

LEAST = 20  # rows; of fewer, one often has half of the squared deviations by chance
FEW = 50  # one row in so many, or fewer


@dataclass(frozen=True)
class Few:
    """So many rows have `share` of the sum of squared deviations from the median, at least half."""

    rows: int
    share: float


def carry_the_mean(rows: int) -> str:
    """That so many rows do, in words."""
    return f"{rows} row{'s carry' if rows > 1 else ' carries'} the mean"


def few_rows(values: Tensor) -> Few | None:
    """The rows that carry the mean of `values` (N,), where they are at most one in 50, or a single one; else None.

    Normal values have half of their squared deviations in one row of 8, exponential ones in one of 24. One row in 50
    and fewer are found where tails are about as heavy as those of Student's t with 3 degrees of freedom, or heavier:
    there the mean and its standard error follow a few rows, and the bell curve is a poor guide to them.
    """
    n = len(values)
    if n < LEAST or not bool(torch.isfinite(values).all()):
        return None
    d = values - median(values)
    largest = float(d.abs().max())
    if largest == 0.0:
        return None
    square = (d / largest).square()
    shares = square.topk(max(1, n // FEW)).values.cumsum(0) / square.sum()
    reached = torch.nonzero(shares >= 0.5).flatten()
    if not len(reached):
        return None
    first = int(reached[0])
    return Few(first + 1, float(shares[first]))


def median(values: Tensor) -> float:
    """The middle one, or the mean of the two in the middle; NaN where a value is NaN."""
    n = len(values)
    if bool(values.isnan().any()):
        return math.nan
    return 0.5 * (float(values.kthvalue((n + 1) // 2).values) + float(values.kthvalue(n // 2 + 1).values))


def sign_test(signs: Tensor, groups: Tensor | None = None, *, stream: bool = False) -> float:
    """A bound on the p-value of `signs` (N,), each -1, 0 or 1, if a sign were as likely as its opposite.

    The sums u of independent parts (rows, groups, or blocks of a stream) would keep their distribution if any of them
    changed sign, so P(|sum u| >= t (sum u^2)^(1/2)) <= 2 exp(-t^2 / 2), for any number of rows (Hoeffding 1963).
    """
    u = signs
    if groups is not None:
        _, place = torch.unique(groups.to(signs.device), return_inverse=True)
        u = signs.new_zeros(int(place.max()) + 1).index_add_(0, place, signs)
    elif stream:
        u = torch.stack([part.sum() for part in torch.split(signs, block_length(len(signs)))])
    square = float(u.square().sum())
    return min(1.0, 2.0 * math.exp(-0.5 * float(u.sum()) ** 2 / square)) if square else 1.0
