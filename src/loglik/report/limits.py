"""The limits of an axis: they hold the models that can be told apart, not one that is far behind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from loglik.report.wording import Unit
from loglik.score import Score

FAR = 4.0  # times the median distance from the best
RESOLVED = 100.0  # standard errors of the best; with these on an axis, two of them can still be seen
LEFT, RIGHT = "\u25c2", "\u25b8"
DOWN, UP = "\u25be", "\u25b4"


@dataclass(frozen=True)
class Limits:
    """The part of an axis that is drawn. What lies outside stands at the rim, with an arrow and its number."""

    low: float
    high: float

    def side(self, value: float) -> int:
        """-1 below, 1 above, 0 inside; NaN is on no side, and not for an axis."""
        return (value > self.high) - (value < self.low)

    def clamp(self, value: float) -> float:
        return min(max(value, self.low), self.high)

    def wider(self, share: float) -> "Limits":
        """With a margin of so much of the span at both ends; of 1 where there is no span."""
        margin = share * (self.high - self.low) or 1.0
        return Limits(self.low - margin, self.high + margin)


def told_apart(
    values: Sequence[float], best: float, error: float = 0.0, *, far: float = FAR, also: Sequence[float] = ()
) -> Limits:
    """The span of the values within `far` times their median distance from the best one, which is always inside.

    Args:
        values: the scores of the models, in one unit; those that are not finite are ignored.
        best: the score of the leader. error: its standard error.
        also: further values, which are inside if they lie as near, and have no say in what is near.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Limits(best, best)
    reach = far * median(abs(value - best) for value in finite)
    if math.isfinite(error):
        reach = max(reach, RESOLVED * error)
    near = [value for value in [*finite, *also] if abs(value - best) <= reach]
    return Limits(min([best, *near]), max([best, *near]))


def reach(scores: Sequence[Score], leader: Score | None, unit: Unit) -> Limits:
    """The limits of an axis of scores: the models that can be told apart, with what their error bars reach within."""
    if leader is None:
        return Limits(0.0, 0.0)
    best, error = leader.nats * unit.per_nat, leader.stderr * abs(unit.per_nat)
    limits = told_apart([score.nats * unit.per_nat for score in scores], best, error)
    inside = [score for score in scores if limits.side(score.nats * unit.per_nat) == 0]
    span = limits.high - limits.low
    ends = [
        score.nats * unit.per_nat + way * min(score.stderr * abs(unit.per_nat), span or math.inf)
        for score in inside
        for way in (-1.0, 1.0)
    ]
    ends = [end for end in ends if math.isfinite(end)]
    return Limits(min([limits.low, *ends]), max([limits.high, *ends]))


def outside(limits: Limits, values: Sequence[float]) -> tuple[int, int]:
    """How many values lie below and above."""
    sides = [limits.side(value) for value in values]
    return sides.count(-1), sides.count(1)
