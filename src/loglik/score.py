"""The typed answer to "how likely is this data": a number that says what it is, and paired differences of two."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from loglik.contract import Claim
from loglik.errors import UsageError
from loglik.ops import LN2
from loglik.spaces import Measure, Space, space_from_json

LISTED_ROWS = 20  # so many non-finite rows are listed by number; all are counted


@dataclass(frozen=True)
class Score:
    """The mean log-likelihood of the rows of one data set, in nats per event.

    `values` holds log p of every row, float64 (N,). A row that is not finite makes the score not finite, and is listed
    in `not_finite`; none is ever dropped. `samples` is the K of a K-sample bound, None if there is nothing to sample.
    `rows` fingerprints the rows scored: two scores can be paired only on the same rows.

    `past`, of a stream's windows, says what each was conditioned on: nothing ("each window alone"), or the windows
    before it ("state carried over windows, in 16 streams"). Either way the values sum to log p of the whole sequence,
    under a model that forgets at the boundaries it names; so the two can be compared, and the difference says that a
    part of it may be due to memory.

    `evaluations` and `tolerance`, of a model that solves differential equations, are the mean evaluations of its field
    for one batch, and the largest error of a step that was allowed.
    """

    values: Tensor = field(repr=False, compare=False)
    space: Space
    claim: Claim
    samples: int | None = None
    rows: str = ""
    seconds: float = 0.0
    past: str = ""
    evaluations: float | None = None
    tolerance: float | None = None

    @property
    def events(self) -> int:
        return len(self.values)

    @property
    def nats(self) -> float:
        """Mean log-likelihood per event."""
        return float(self.values.mean())

    @property
    def stderr(self) -> float:
        """Standard error of `nats` over the rows."""
        return standard_error(self.values)

    @property
    def measure(self) -> Measure:
        return self.space.measure

    @property
    def bits_per_dim(self) -> float | None:
        """-log2 p(x) / D, for discrete data; None for densities, where the unit of measurement would decide it."""
        return None if self.measure is Measure.DENSITY else -self.nats / (self.space.dims * LN2)

    @property
    def bits_per_dim_stderr(self) -> float | None:
        return None if self.measure is Measure.DENSITY else self.stderr / (self.space.dims * LN2)

    @property
    def not_finite(self) -> list[int]:
        """The first rows, counted from 0, whose log-likelihood is NaN or infinite."""
        rows = torch.nonzero(~torch.isfinite(self.values)).flatten()
        return [int(row) for row in rows[:LISTED_ROWS]]

    def __sub__(self, other: "Score") -> "Difference":
        """The paired difference on the same rows; its standard error is far below that of either score."""
        reason = incomparable(self, other)
        if reason:
            raise UsageError(f"These scores cannot be compared: {reason}.")
        pasts = (self.past, other.past) if self.past != other.past else None
        return Difference(self.values - other.values, self.claim, other.claim, pasts)

    def __str__(self) -> str:
        sign = {Claim.EXACT: "=", Claim.LOWER_BOUND: ">=", Claim.ESTIMATE: "~"}[self.claim]
        kind = str(self.claim) + (f", K={self.samples}" if self.samples else "")
        kind += f", {self.past}" if self.past else ""
        kind += f", solved to {self.tolerance:g}" if self.tolerance else ""
        kind += f" with {self.evaluations:.0f} evaluations" if self.evaluations else ""
        what = "log density" if self.measure is Measure.DENSITY else "log probability"
        text = f"{what} {sign} {self.nats:.4f} +- {self.stderr:.4f} nats per event ({kind}, {self.events} events"
        text += ", may exceed 0: it is a density)" if self.measure is Measure.DENSITY else ")"
        if self.bits_per_dim is not None:
            sign = {"=": "=", ">=": "<=", "~": "~"}[sign]
            text += f"; bits/dim {sign} {self.bits_per_dim:.4f} +- {self.bits_per_dim_stderr:.4f}"
        bad = int((~torch.isfinite(self.values)).sum())
        return text + (f"; {bad} rows are not finite, first {self.not_finite}" if bad else "")

    def to_json(self) -> dict[str, Any]:
        """Everything but the values of the single rows."""
        return {
            "nats": self.nats,
            "stderr": self.stderr,
            "bits_per_dim": self.bits_per_dim,
            "bits_per_dim_stderr": self.bits_per_dim_stderr,
            "claim": str(self.claim),
            "measure": self.measure.value,
            "samples": self.samples,
            "events": self.events,
            "not_finite": self.not_finite,
            "space": self.space.to_json(),
            "rows": self.rows,
            "past": self.past,
            "evaluations": self.evaluations,
            "tolerance": self.tolerance,
            "seconds": self.seconds,
            "text": str(self),
        }


@dataclass(frozen=True)
class Difference:
    """The mean of log p_a(x) - log p_b(x) over the same rows, with its paired standard error; positive: a is ahead.

    `pasts` are what a's and b's rows were conditioned on, where that differs (`Score.past`).
    """

    values: Tensor = field(repr=False, compare=False)
    claim_a: Claim
    claim_b: Claim
    pasts: tuple[str, str] | None = None

    @property
    def nats(self) -> float:
        return float(self.values.mean())

    @property
    def stderr(self) -> float:
        return standard_error(self.values)

    @property
    def significant(self) -> bool:
        """Whether the two numbers differ by more than two standard errors."""
        return abs(self.nats) > 2.0 * self.stderr

    @property
    def decided(self) -> bool:
        """Whether a surely has the higher likelihood: its number is ahead, and b's is exact.

        log p_a >= a's number when a is a bound, and log p_b = b's number when b is exact, so a bound that beats an
        exact value has won. Where b is a bound its true value may be higher, so nothing follows; nor from an estimate.
        """
        return self.significant and self.nats > 0 and self.claim_a is not Claim.ESTIMATE and self.claim_b is Claim.EXACT

    def __neg__(self) -> "Difference":
        return Difference(-self.values, self.claim_b, self.claim_a, self.pasts and (self.pasts[1], self.pasts[0]))

    def __str__(self) -> str:
        text = f"{self.nats:+.4f} +- {self.stderr:.4f} nats per event, paired over {len(self.values)} rows"
        return text + (f" ({' against '.join(past or 'rows alone' for past in self.pasts)})" if self.pasts else "")


def standard_error(values: Tensor) -> float:
    """Of the mean of independent values; infinite for a single one, 0 if they are all equal."""
    n = len(values)
    if n < 2:
        return math.inf
    return float(values.std()) / math.sqrt(n)


def incomparable(a: Score, b: Score) -> str:
    """Why the two numbers cannot stand in one ranking; empty if they can."""
    if a.measure is not b.measure:
        return f"one is a probability {a.measure.value} and the other a {b.measure.value}".replace(
            "probability density", "density"
        )
    if a.space != b.space:
        return f"the events differ, {a.space} against {b.space}"
    if a.events != b.events or a.rows != b.rows:
        return "they were scored on different rows"
    return ""


def score_from_json(fields: dict[str, Any]) -> dict[str, Any]:
    """A recorded score with its space rebuilt; the values of the rows are not recorded."""
    return {
        **fields,
        "space": space_from_json(fields["space"]),
        "claim": Claim[fields["claim"].upper().replace(" ", "_")],
    }
