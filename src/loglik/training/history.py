"""What happened during a fit."""

import csv
import io
from dataclasses import asdict, dataclass, field
from typing import Any


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


@dataclass
class History:
    """The recorded steps of a fit (validations, or EM passes), and how it ended.

    stopped: "converged", "budget used", "no better on validation", "interrupted".
    best_nats: mean log p of the validation rows, under the weights that were kept; without the `set_aside` rows that no
        weights explain (see `training.looks`). batch: rows in a step.
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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """How it went, without the single rows."""
        return {name: value for name, value in asdict(self).items() if name != "rows"}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "History":
        return cls(**{**fields, "rows": [Step(**row) for row in fields["rows"]]})

    def __str__(self) -> str:
        text = f"{self.method}: {self.steps} steps in {self.seconds:.1f} s, {self.stopped}"
        if self.best_nats is not None:
            text += f"; best validation {self.best_nats:.4f} nats per event at step {self.best_step}"
        return text
