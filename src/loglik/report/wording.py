"""Numbers and claims as a reader sees them: true minus signs, the sign of the claim, units people think in."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from loglik.contract import Claim
from loglik.difference import Difference
from loglik.records import Record
from loglik.score import Score
from loglik.spaces import Measure, Space

MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
# The sign before a likelihood, and before a code length, which is its negative.
OF_NATS = {Claim.EXACT: "=", Claim.LOWER_BOUND: "\u2265", Claim.ESTIMATE: "~"}
OF_BITS = {Claim.EXACT: "=", Claim.LOWER_BOUND: "\u2264", Claim.ESTIMATE: "~"}


@dataclass(frozen=True)
class Unit:
    """What the likelihoods of one space are shown in: bits/dim for masses, nats per event for densities.

    `per_nat` turns nats per event into it; for bits/dim it is negative, so less is better.
    """

    name: str
    per_nat: float
    digits: int

    @classmethod
    def of(cls, space: Space, stderrs: Iterable[float] = ()) -> "Unit":
        """The unit for a space, with digits enough for standard errors of so many nats."""
        mass = space.measure is Measure.MASS
        per_nat = -1.0 / (space.dims * math.log(2.0)) if mass else 1.0
        errors = [e * abs(per_nat) for e in stderrs if 0.0 < e < math.inf]
        digits = 3 if mass else max(2, significant(statistics.median(errors)) if errors else 0)
        return cls("bits/dim" if mass else "nats", per_nat, digits)

    @property
    def less_is_better(self) -> bool:
        return self.per_nat < 0

    @property
    def better(self) -> str:
        return "lower is better" if self.less_is_better else "higher is better"

    def sign(self, claim: Claim) -> str:
        return (OF_BITS if self.less_is_better else OF_NATS)[claim]

    def measured(self, nats: float, stderr: float) -> str:
        """A mean log-likelihood and its standard error, in this unit."""
        return plus_minus(nats * self.per_nat, stderr * abs(self.per_nat), self.digits)


def number(value: float, digits: int) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return f"{MINUS if value < 0 else ''}\u221e"
    text = f"{abs(value):.{digits}f}"
    return MINUS + text if value < 0 and float(text) != 0 else text


def difference(of: Difference | None) -> str:
    """Nats per event with the paired standard error; empty for the leader, who is behind nobody."""
    if of is None:
        return ""
    return plus_minus(of.nats, of.stderr, significant(of.stderr))


def plus_minus(value: float, error: float, digits: int) -> str:
    return f"{number(value, digits)} \u00b1 {number(error, digits) if error else 0}"


def significant(error: float) -> int:
    """The digits after the point that show two figures of a standard error, at most 3."""
    return min(3, max(0, 1 - math.floor(math.log10(error)))) if 0.0 < error < math.inf else 2


def error_source(score: Score) -> str:
    """What the standard error was estimated from; empty where it is the rows."""
    return score.error.source.replace("+-", "\u00b1")


def claim(score: Score) -> str:
    return f"{score.claim}, K={score.samples}" if score.samples else str(score.claim)


def duration(seconds: float) -> str:
    if seconds < 0.1:
        return f"{1000 * seconds:.0f}{THIN}ms"
    if seconds < 100:
        return f"{seconds:.2g}{THIN}s" if seconds < 10 else f"{seconds:.0f}{THIN}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{THIN}h {minutes:02d}{THIN}min" if hours else f"{minutes}{THIN}min {rest:02d}{THIN}s"


def count(n: int) -> str:
    """1234567 as 1.23 M; thousands and more to three figures."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g}{THIN}{letter}"
    return str(n)


def grouped(n: int) -> str:
    """1234567 as 1 234 567."""
    return f"{n:,}".replace(",", THIN)


def split(of: Record) -> str:
    """How the parts of a data set were made; their sizes are told elsewhere."""
    rest = {k: v for k, v in of.items() if k not in ("how", "train", "valid", "test", "seeds")}
    words = [str(of.get("how", ""))] + [f"{key} {value}" for key, value in rest.items()]
    return "; ".join(word for word in words if word) or "as given"
