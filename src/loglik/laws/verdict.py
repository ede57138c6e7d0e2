"""What a law answers, and the four ways in which it can answer."""

import math
from dataclasses import dataclass
from enum import Enum

from loglik.records import Record


class Status(Enum):
    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "not decided"  # the law concerns the model, and could not tell
    NOT_APPLICABLE = "not applicable"  # the law does not concern the model


@dataclass(frozen=True)
class Result:
    """One law's answer about one model.

    `measured` is the worst error found and `tolerance` the largest that is allowed, where the law is about a number.
    `how` says in a few words by what it was decided, for laws that have several ways.
    """

    status: Status
    detail: str
    measured: float | None = None
    tolerance: float | None = None
    law: str = ""
    how: str = ""

    @property
    def severity(self) -> float:
        """How near to breaking: measured / tolerance; above 1 it is broken."""
        if self.measured is None or self.tolerance is None:
            return 0.0
        if self.tolerance > 0:
            return self.measured / self.tolerance
        return 0.0 if self.measured == 0 else math.inf

    def to_json(self) -> Record:
        return {
            "law": self.law,
            "status": self.status.value,
            "measured": _finite_or_text(self.measured),
            "tolerance": self.tolerance,
            "how": self.how,
            "detail": self.detail,
        }


class Broken(Exception):
    """Raised inside a law: the model breaks it, and the message says how."""


class NotApplicable(Exception):
    """Raised inside a law: it does not concern this model, and the message says why."""


class Undecided(Exception):
    """Raised inside a law: it concerns the model and could not tell, and the message says why."""


def within(measured: float, tolerance: float, detail: str, how: str = "") -> Result:
    """Passed iff measured <= tolerance; NaN fails."""
    status = Status.PASSED if measured <= tolerance else Status.FAILED
    return Result(status, detail, measured, tolerance, how=how)


def require(condition: bool, otherwise: str) -> None:
    """Go on if the condition holds; else the law is broken, `otherwise` saying how."""
    if not condition:
        raise Broken(otherwise)


def _finite_or_text(value: float | None) -> float | str | None:
    # JSON has no NaN and no infinities.
    return value if value is None or math.isfinite(value) else str(value)
