"""What a comparison found, and its leaderboard in plain text: every number says what it is."""

from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from loglik.contract import Claim, Model
from loglik.data import Dataset
from loglik.data.equal_rows import repeated
from loglik.data.splits import in_words
from loglik.output.visible import visible
from loglik.records import Record
from loglik.runs.run import count_parameters
from loglik.score import Score
from loglik.spaces import Measure
from loglik.tasks.plain_table import table
from loglik.tasks.ranking import Standing, rank
from loglik.tasks.unseen import repeats_in_words, unseen_part
from loglik.training.history import History
from loglik.training.options import Options

SAMPLES = 16  # K of the K-sample bounds, where none is given
LEGEND = """\
=  exact    <=  at most: the likelihood is a lower bound, its K-sample form    ~  an estimate
place 3?: a bound may stand higher in truth    behind: paired over the same rows, +- one standard error
verdicts: by Student's t on paired means, "on 98 % of rows" by signs; that any in the table is wrong: 5 % at most"""


@dataclass
class Entrant:
    """One model in a comparison: how it was fitted and what it scored, or the error that stopped it."""

    name: str
    model: Model | None = None
    history: History | None = None
    score: Score | None = None
    to_fit: bool = False
    options: Options | None = None  # of the fit
    seconds: float = 0.0  # of fitting
    error: str = ""
    exit_code: int = 0  # that of the error

    @property
    def parameters(self) -> int:
        return 0 if self.model is None else count_parameters(self.model)


@dataclass(repr=False)
class Comparison:
    """Models scored on the same held-out rows of one data set; `print` shows the leaderboard."""

    data: Dataset
    entrants: list[Entrant] = field(default_factory=list)
    samples: int = SAMPLES
    seconds: float = 0.0
    cut_short: bool = False  # while a model was built or scored

    def __str__(self) -> str:
        return leaderboard(self)

    def __repr__(self) -> str:
        return f"Comparison({self.data.name}: {len(self.entrants)} models on {self.data.test.rows} held-out rows)"

    @property
    def standings(self) -> list[Standing]:
        """Best first; what cannot be ranked comes last, with the reason."""
        return rank({e.name: e.score for e in self.entrants if e.score is not None})

    def entrant(self, name: str) -> Entrant:
        return next(e for e in self.entrants if e.name == name)

    @cached_property
    def seen(self) -> Tensor:
        """(N,) bool: which held-out rows equal a training row."""
        return repeated(self.data)

    def unseen(self, name: str) -> Score | None:
        """A model's score on the other rows; None where all are so, or none is."""
        score = self.entrant(name).score
        return None if score is None else unseen_part(score, self.seen)

    @property
    def interrupted(self) -> bool:
        """Whether a fit or a score was interrupted; the ones after it were not begun."""
        return self.cut_short or any(e.history is not None and e.history.interrupted for e in self.entrants)

    @property
    def exit_code(self) -> int:
        """0 where a model was scored; else that of the first error."""
        if any(e.score is not None for e in self.entrants):
            return 0
        return next((e.exit_code for e in self.entrants if e.exit_code), 0)

    @property
    def truth(self) -> Score | None:
        """The score of the source itself on the held-out rows, where its density is known."""
        if self.data.log_density is None:
            return None
        test = self.data.test
        values = self.data.log_density(test.x).double()
        return Score(
            values, self.data.space, Claim.EXACT, None, test.fingerprint, groups=test.groups, stream=test.stream
        )

    def to_json(self) -> Record:
        rows = [
            {
                "name": s.name, "place": s.place, "open": s.open, "verdict": s.verdict, "score": s.score.to_json(),
                "behind": None if s.behind is None else {"nats": s.behind.nats, "stderr": s.behind.stderr},
                **({} if (unseen := self.unseen(s.name)) is None else {"unseen": unseen.to_json()}),
                "fit_seconds": self.entrant(s.name).seconds, "parameters": self.entrant(s.name).parameters,
            }
            for s in self.standings
        ]  # fmt: skip
        failed = [{"name": e.name, "error": e.error} for e in self.entrants if e.error]
        about = {"name": self.data.name, "space": self.data.space.to_json(), "split": self.data.split}
        truth = self.truth
        return {
            "data": about, "equal_rows": int(self.seen.sum()), "standings": rows, "failed": failed,
            "seconds": self.seconds, "truth": None if truth is None else truth.to_json(),
        }  # fmt: skip


def leaderboard(comparison: Comparison) -> str:
    """Best first; then what could not be ranked or fitted, with the reason."""
    mass = comparison.data.space.measure is Measure.MASS
    truth = comparison.truth
    head = [
        "",
        "model",
        "bits/dim" if mass else "nats",
        "+-",
        "claim",
        "behind (nats)",
        "verdict",
        "fit s",
        "parameters",
    ]
    if truth is not None:
        head.insert(6, "regret (nats)")
    repeats = repeats_in_words(comparison.seen)
    beside = any(comparison.unseen(standing.name) for standing in comparison.standings)
    if beside:
        head.insert(4, "unseen")
    rows = [_row(comparison, standing, mass, truth) for standing in comparison.standings]
    rows += [_failed(e.name, e.error, len(head)) for e in comparison.entrants if e.error]
    numbers = (2, 3, *([4] if beside else []), len(head) - 2, len(head) - 1)
    if beside:
        repeats += f"; `unseen` is the score of the other {int((~comparison.seen).sum())}"
    told = "".join(f"{line}\n" for line in (in_words(comparison.data), repeats) if line)
    part = f"{visible(comparison.data.name)}: {comparison.data.space}, {comparison.data.test.rows} held-out rows"
    unit = "less is better" if mass else "log density per event, more is better; it may exceed 0"
    text = f"{part}; {unit}\n{told}\n{table(head, rows, right=numbers)}\n\n{LEGEND}{_remarks(comparison)}"
    return visible(text, keep="\n")


def _remarks(comparison: Comparison) -> str:
    """What the standard errors come from, where it is not single rows, and whose mean few rows carry."""
    scores = {e.name: e.score for e in comparison.entrants if e.score is not None}
    lines = [f"errors {score.error.source}" for score in scores.values() if score.error.source][:1]
    lines += [f"{name}: {score.carried}" for name, score in scores.items() if score.carried]
    return "".join(f"\n{line}" for line in lines)


def _row(comparison: Comparison, standing: Standing, mass: bool, truth: Score | None) -> list[str]:
    score, entrant = standing.score, comparison.entrant(standing.name)
    place = "-" if standing.place is None else f"{standing.place}{'?' if standing.open else ''}"
    value, error = (score.bits_per_dim, score.bits_per_dim_stderr) if mass else (score.nats, score.stderr)
    claim = str(score.claim) + (f", K={score.samples}" if score.samples else "")
    behind = "" if standing.behind is None else f"{standing.behind.nats:.2f} +- {standing.behind.stderr:.2f}"
    row = [
        place, standing.name, f"{sign(score.claim, mass)} {value:.4f}", f"{error:.4f}", claim, behind,
        standing.verdict, f"{entrant.seconds:.1f}", f"{entrant.parameters}",
    ]  # fmt: skip
    if truth is not None:
        regret = truth - score
        row.insert(6, f"{regret.nats:.3f} +- {regret.stderr:.3f}")
    unseen = comparison.unseen(standing.name)
    if unseen is not None:
        row.insert(4, f"{unseen.bits_per_dim if mass else unseen.nats:.4f}")
    return row


def sign(claim: Claim, mass: bool) -> str:
    """A lower bound on the likelihood is an upper bound on the bits."""
    return {Claim.EXACT: "=", Claim.LOWER_BOUND: "<=" if mass else ">=", Claim.ESTIMATE: "~"}[claim]


def _failed(name: str, error: str, columns: int) -> list[str]:
    row = [""] * columns
    row[0], row[1], row[-3] = "-", name, f"failed: {error}"
    return row
