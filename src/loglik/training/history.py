"""What happened during a fit."""

import csv
import io
from dataclasses import asdict, dataclass, field, replace

from loglik.contract import Claim, Model
from loglik.records import Record


@dataclass(frozen=True)
class Step:
    """What a fit reports of a step, as it goes.

    progress is the share of the budget used, 0 to 1. valid_nats is set at validations only.
    """

    step: int
    seconds: float
    progress: float
    nats: float
    valid_nats: float | None = None
    lr: float | None = None
    grad_norm: float | None = None


@dataclass(frozen=True)
class Start:
    """One of several starts of EM: its seed, where it ended, log p(X) + log p(theta) in nats per event, how, and the
    log-likelihoods before each of its passes."""

    seed: int
    nats: float
    steps: int
    stopped: str
    trace: list[float] = field(default_factory=list)


@dataclass
class History:
    """The recorded steps of a fit (validations, or EM passes), and how it ended.

    stopped: "converged", "budget used", "no better on validation", "interrupted".
    best_nats: mean log p of the validation rows, under the weights that were kept; without the `set_aside` rows that no
        weights explain (see `training.looks`). batch: rows in a step. epochs: passes over the training rows.
    starts: of EM from several, one entry each; `rows`, steps and epochs are those of the one that was kept, counted
        from 1 by `kept_start`.
    log_evidence: log p(X) of the training rows, in nats, of a model that has it; evidence_claim says what that is.

    >>> history = History("gradients", [Step(10, 0.5, 1.0, nats=-3.5)], stopped="budget used", steps=10)
    >>> history.to_csv().splitlines()[1]
    '10,0.5,1.0,-3.5,,,'
    """

    method: str
    rows: list[Step] = field(default_factory=list)
    stopped: str = ""
    steps: int = 0
    seconds: float = 0.0
    best_nats: float | None = None
    best_step: int | None = None
    set_aside: int = 0
    batch: int | None = None
    weight_decay: float | None = None
    prior: str | None = None
    epochs: float = 0.0
    starts: list[Start] = field(default_factory=list)
    kept_start: int | None = None
    log_evidence: float | None = None
    evidence_claim: str | None = None

    @property
    def interrupted(self) -> bool:
        return self.stopped == "interrupted"

    def to_csv(self) -> str:
        out = io.StringIO()
        names = list(Step.__dataclass_fields__)
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in asdict(row).items()} for row in self.rows)
        return out.getvalue()

    def to_json(self) -> Record:
        return asdict(self)

    def summary(self) -> Record:
        """How it went, without the single rows."""
        return {name: value for name, value in asdict(self).items() if name != "rows"}

    @classmethod
    def from_json(cls, fields: Record) -> "History":
        starts = [Start(**start) for start in fields.get("starts", [])]
        return cls(**{**fields, "rows": [Step(**row) for row in fields["rows"]], "starts": starts})

    @classmethod
    def rows_from_csv(cls, text: str) -> list[Step]:
        """The inverse of `to_csv`."""
        lines = csv.DictReader(io.StringIO(text, newline=""))
        told: list[Record] = [{name: float(value) for name, value in line.items() if value} for line in lines]
        return [Step(**{**values, "step": int(values["step"])}) for values in told]

    def after(self, rows: list[Step], steps: int, epochs: float, seconds: float) -> "History":
        """This fit as the continuation of another, which had these rows and took so many steps, epochs and seconds."""
        later = [replace(row, step=row.step + steps, seconds=row.seconds + seconds) for row in self.rows]
        best = None if self.best_step is None else self.best_step + steps
        return replace(
            self, rows=rows + later, steps=self.steps + steps, epochs=self.epochs + epochs,
            seconds=self.seconds + seconds, best_step=best,
        )  # fmt: skip

    def __str__(self) -> str:
        text = f"{self.method}: {self.steps} step{'s' * (self.steps != 1)} in {self.seconds:.1f} s, {self.stopped}"
        if self.best_nats is not None:
            text += f"; best validation {self.best_nats:.4f} nats per event at step {self.best_step}"
        if self.log_evidence is not None:
            text += f"; {evidence_in_words(self.log_evidence, str(self.evidence_claim))}"
        return text + (f"; {self.starts_in_words()}" if self.starts else "")

    def starts_in_words(self) -> str:
        """Which of the starts was kept, and how far below it the others ended; nothing of a single one."""
        if self.kept_start is None:
            return ""
        best = self.starts[self.kept_start - 1].nats
        others = [start.nats for place, start in enumerate(self.starts, 1) if place != self.kept_start]
        text = f"start {self.kept_start} of {len(self.starts)} kept, {best:.4f} nats per event"
        if not others:
            return text
        low, high = min(others), max(others)
        return f"{text}; the others ended " + (f"at {low:.4f}" if low == high else f"between {low:.4f} and {high:.4f}")


def evidence_in_words(log_evidence: float, claim: str) -> str:
    """ "log p(X) = -310.128 nats (exact)": of all rows that a model was fitted to."""
    sign = {str(Claim.EXACT): "=", str(Claim.LOWER_BOUND): ">="}.get(claim, "~")
    return f"log p(X) {sign} {log_evidence:.3f} nats ({claim})"


def evidence_of(model: Model) -> str:
    """The same of a fitted model; empty where it has no evidence."""
    return evidence_in_words(float(model.log_evidence()), str(model.evidence_claim)) if model.has_evidence else ""
