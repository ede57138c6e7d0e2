"""The leaderboard in plain text: every number says what it is. `print(comparison)` and the command show it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loglik.contract import Claim
from loglik.data.splits import in_words
from loglik.output.visible import visible
from loglik.score import Score
from loglik.spaces import Measure
from loglik.tasks.ranking import Standing
from loglik.tasks.unseen import repeats_in_words

if TYPE_CHECKING:
    from loglik.tasks.compare import Comparison

LEGEND = """\
=  exact    <=  at most: the likelihood is a lower bound, its K-sample form    ~  an estimate
place 3?: a bound may stand higher in truth    behind: paired over the same rows, +- one standard error
verdicts: by Student's t on paired means, "on 98 % of rows" by signs; that any in the table is wrong: 5 % at most"""


def leaderboard(comparison: "Comparison") -> str:
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


def _remarks(comparison: "Comparison") -> str:
    """What the standard errors come from, where it is not single rows, and whose mean few rows carry."""
    scores = {e.name: e.score for e in comparison.entrants if e.score is not None}
    lines = [f"errors {score.error.source}" for score in scores.values() if score.error.source][:1]
    lines += [f"{name}: {score.carried}" for name, score in scores.items() if score.carried]
    return "".join(f"\n{line}" for line in lines)


def _row(comparison: "Comparison", standing: Standing, mass: bool, truth: Score | None) -> list[str]:
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


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Aligned columns in plain text; `right` names the columns that hold numbers."""
    cells = [[visible(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = []
    for row in cells:
        padded = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)
