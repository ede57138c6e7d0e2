"""The report of all laws on one model."""

from dataclasses import dataclass

from loglik.errors import LawBroken, UnknownName
from loglik.laws.verdict import Result, Status
from loglik.records import Record

NUMBER = ("total mass", "mass elsewhere", "sampler", "bounds", "objective")  # the laws that decide what the number is


@dataclass(frozen=True)
class Report:
    """What the laws say about one model. `model` and `claim` name it; `seed` makes the same report again."""

    model: str
    claim: str
    seed: int
    results: list[Result]

    @property
    def passed(self) -> bool:
        """No law is broken. Laws that are not applicable or not decided do not count: `decided` says which were."""
        return not self.broken

    @property
    def broken(self) -> list[Result]:
        return [result for result in self.results if result.status is Status.FAILED]

    def __getitem__(self, law: str) -> Result:
        known = {result.law: result for result in self.results}
        if law not in known:
            raise UnknownName("law", law, known)
        return known[law]

    def __str__(self) -> str:
        rows = [("law", "verdict", "measured", "allowed", "")]
        rows += [(r.law, r.status.value, _number(r.measured), _number(r.tolerance), r.detail) for r in self.results]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        align = ("<", "<", ">", ">")
        lines = [
            "  ".join([*(f"{cell:{a}{w}}" for cell, a, w in zip(row, align, widths, strict=False)), row[4]]).rstrip()
            for row in rows
        ]
        return "\n".join([f"{self.model}, {self.claim}", "", *lines, "", self.summary, self.decided])

    @property
    def summary(self) -> str:
        counts = {status: sum(r.status is status for r in self.results) for status in Status}
        return ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)

    @property
    def decided(self) -> str:
        """One line: which laws decided what the model's number is, how, and which could not tell."""
        words = {Status.PASSED: "decided", Status.FAILED: "broken"}
        parts = [
            f"{r.law}: {words.get(r.status, r.status.value)}{f' by {r.how}' if r.how and r.status in words else ''}"
            for r in self.results
            if r.law in NUMBER
        ]
        return "; ".join(parts)

    def to_json(self) -> Record:
        return {
            "model": self.model,
            "claim": self.claim,
            "seed": self.seed,
            "passed": self.passed,
            "decided": self.decided,
            "results": [result.to_json() for result in self.results],
        }

    def raise_if_failed(self) -> None:
        """
        Raises:
            LawBroken: a law is broken; the message names each with what was found.
        """
        if self.broken:
            found = "; ".join(f"{result.law}: {result.detail}" for result in self.broken)
            raise LawBroken(f"{self.model} breaks {len(self.broken)} of {len(self.results)} laws. {found}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
