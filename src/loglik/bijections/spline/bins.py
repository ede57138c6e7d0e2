"""How an interval is divided into the bins of a spline."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

LEAST: Final = 1e-3  # the smallest width and height of a bin, as a part of the interval
STEEPEST: Final = math.log(1000.0)  # |log slope| at a knot stays below this


@dataclass(frozen=True)
class Bins:
    """[-bound, bound] in `count` bins: each has LEAST of its length, and a share of the rest, which is 1 `unit`.

    Inside a spline lengths are counted in units, so that a bin's is its share + `least`.
    """

    count: int
    bound: float

    @cached_property
    def unit(self) -> float:
        return 2.0 * self.bound * (1.0 - LEAST * self.count)

    @cached_property
    def least(self) -> float:
        return LEAST / (1.0 - LEAST * self.count)
