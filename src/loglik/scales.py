"""Where a column lies and how far it spreads, so that a few absurd values change neither: what nets are shown.

Huber & Ronchetti 2009, Robust Statistics, section 1.7 (values held at the rim of a robust interval: Winsorising).
"""

import math

import torch
from torch import Tensor

from loglik.ops import FAR

# Shares of a normal column below which the inner quantiles are taken, and their distance from the median in deviations.
TAILS = {0.25: 0.674490, 0.10: 1.281552, 0.05: 1.644854, 0.01: 2.326348, 0.001: 3.090232}
FEWEST = 100  # of fewer rows no value is so rare that it could be left out
QUANTILE_VALUES = 1 << 22  # about so many values are sorted
VALUES_AT_ONCE = 1 << 22


def centre_and_scale(x: Tensor) -> tuple[Tensor, Tensor]:
    """(N, *event) -> centre, scale (*event), float64: mean and deviation, values far out held at FAR robust deviations.

    Without values far out, and of fewer than a hundred rows, they are the mean and the standard deviation themselves.
    One absurd row in a thousand moves them little; what is less rare counts in full. Both follow the unit: a x + b has
    centre a c + b and scale |a| s. A column that is constant has the scale 0. What is missing, NaN, does not count; a
    column of which all is missing has the centre 0 and the scale 0.
    """
    flat = x.detach().reshape(len(x), -1)
    if flat.is_floating_point() and bool(flat.isnan().any()):
        each = [_of_observed(column[~column.isnan()]) for column in flat.T]
        centres, scales = zip(*each, strict=True)
        return torch.stack(centres).reshape(x.shape[1:]), torch.stack(scales).reshape(x.shape[1:])
    centre, width = _robust(flat)
    rows = max(1, VALUES_AT_ONCE // flat.shape[1])
    first, second = torch.zeros_like(centre), torch.zeros_like(centre)
    for part in torch.split(flat, rows):
        z = ((part.double() - centre) / width).clamp_(-FAR, FAR)
        first += z.sum(0)
        second += z.square().sum(0)
    mean = first / len(flat)
    deviation = (second / len(flat) - mean.square()).clamp(min=0.0).sqrt()
    varies = flat.amax(0) > flat.amin(0)
    scale = torch.where(varies, width * deviation, 0.0)
    centre = torch.where(varies, centre + width * mean, flat[0].double())
    return centre.reshape(x.shape[1:]), scale.reshape(x.shape[1:])


def _of_observed(values: Tensor) -> tuple[Tensor, Tensor]:
    """(N,) -> centre, scale (): of one column, without what is missing of it."""
    if not len(values):
        return values.new_zeros((), dtype=torch.float64), values.new_zeros((), dtype=torch.float64)
    centre, scale = centre_and_scale(values[:, None])
    return centre[0], scale[0]


def _robust(flat: Tensor) -> tuple[Tensor, Tensor]:
    """(N, D) -> the medians (D,), and the largest of the deviations that the inner quantiles speak of (D,)."""
    some = flat[:: max(1, math.ceil(flat.numel() / QUANTILE_VALUES))].double()
    ordered, last = some.sort(0).values, len(some) - 1
    width = torch.zeros_like(ordered[0])
    for share, deviations in TAILS.items() if len(some) >= FEWEST else ():
        # Towards the middle, so that in few rows too the outermost values decide nothing.
        low, high = math.ceil(share * last), math.floor((1.0 - share) * last)
        if low < high:
            width = torch.maximum(width, (ordered[high] - ordered[low]) / (2.0 * deviations))
    # Where rows are few or nearly all values are equal, all there are decide.
    span = flat.amax(0).double() - flat.amin(0).double()
    width = torch.where(width > 0, width, torch.where(span > 0, span, torch.ones_like(span)))
    return 0.5 * (ordered[last // 2] + ordered[(last + 1) // 2]), width
