"""The rows of the leaderboard, as text: every number with its claim, its error and its distance from the leader."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from loglik.contract import Claim, Model
from loglik.report import wording
from loglik.report.limits import Limits, reach
from loglik.report.palette import builder_name
from loglik.report.wording import Unit
from loglik.score import Score, incomparable
from loglik.tasks.comparison import Comparison, Entrant
from loglik.tasks.ranking import Standing
from loglik.zoo import ZOO

WIDTH, HEIGHT, MARGIN = 150.0, 22.0, 12.0  # of the strip in each row, in pixels


@dataclass(frozen=True)
class Row:
    """One scored model. place: "3", "3?" where the true place may be better, a dash where it is not ranked."""

    name: str
    colour: str
    place: str
    verdict: str
    sign: str
    value: str
    claim: str
    strip: Markup
    behind: str = ""
    regret: str = ""
    fit: str = ""
    stopped: str = ""  # where a fit did not come to its end
    parameters: str = ""
    to_score: str = ""
    to_sample: str = ""


def rows(comparison: Comparison, colours: dict[str, str], unit: Unit) -> list[Row]:
    """Best first; then the scored models that could not be ranked."""
    truth = source_score(comparison)
    standings = comparison.standings
    scale = Scale.over([s.score for s in standings if s.place] + ([truth] if truth else []), unit)
    return [
        _row(standing, comparison.entrant(standing.name), colours[standing.name], scale, truth)
        for standing in standings
    ]


def source_row(comparison: Comparison, unit: Unit) -> Row | None:
    """The source of the data as a model of them, where its density is known: no model can do better on average."""
    truth = source_score(comparison)
    if truth is None:
        return None
    scale = Scale.over([*(s.score for s in comparison.standings if s.place), truth], unit)
    value = unit.measured(truth.nats, truth.stderr)
    verdict = "its density is known; nothing does better on average"
    return Row("the source itself", "ink", "", verdict, "=", value, "exact", scale.strip(truth, "ink"))


def source_score(comparison: Comparison) -> Score | None:
    return comparison.truth if any(e.score is not None for e in comparison.entrants) else None


def _row(standing: Standing, entrant: Entrant, colour: str, scale: "Scale", truth: Score | None) -> Row:
    score = standing.score
    to_score, to_sample = passes(standing.name, entrant.model)
    return Row(
        standing.name,
        colour,
        f"{standing.place}{'?' if standing.open else ''}" if standing.place else "\u2013",
        standing.verdict.replace("+-", "\u00b1"),
        scale.unit.sign(score.claim),
        scale.unit.measured(score.nats, score.stderr),
        wording.claim(score),
        scale.strip(score, colour) if standing.place else Markup(),
        wording.difference(standing.behind),
        _regret(score, truth),
        wording.duration(entrant.seconds) if entrant.history is not None else "given",
        entrant.history.stopped if entrant.history is not None and entrant.history.interrupted else "",
        wording.count(entrant.parameters),
        to_score,
        to_sample,
    )


def _regret(score: Score, truth: Score | None) -> str:
    """log p(x) - log p_model(x) on the same rows, in nats per event; of a bound, at most that."""
    if truth is None or incomparable(truth, score):
        return ""
    sign = {Claim.EXACT: "", Claim.LOWER_BOUND: "\u2264 ", Claim.ESTIMATE: "~ "}[score.claim]
    return sign + wording.difference(truth - score)


def passes(name: str, model: Model | None) -> tuple[str, str]:
    """What scoring and sampling one event cost, in passes of the net; empty for a model that does not say."""
    entry = ZOO.get(builder_name(name, model))
    return (str(entry.scoring), str(entry.sampling)) if entry else ("", "")


@dataclass(frozen=True)
class Scale:
    """The common axis of the strips: a dot with its standard error; an arrow from a bound to where the truth may be.

    It follows the models that can be told apart; a score outside is an arrow at the rim, and its number stands beside.
    """

    limits: Limits
    unit: Unit

    @classmethod
    def over(cls, scores: Sequence[Score], unit: Unit) -> "Scale":
        finite = [score for score in scores if math.isfinite(score.nats)]
        best = max(finite, key=lambda score: score.nats, default=None)
        limits = reach(finite, best, unit)
        return cls(limits if limits.high > limits.low else limits.wider(0.0), unit)

    def place(self, value: float) -> float:
        share = (self.limits.clamp(value) - self.limits.low) / (self.limits.high - self.limits.low)
        return MARGIN + share * (WIDTH - 2.0 * MARGIN)

    def strip(self, score: Score, colour: str) -> Markup:
        value, error = score.nats * self.unit.per_nat, score.stderr * abs(self.unit.per_nat)
        if not math.isfinite(value):
            return Markup()
        x, y = self.place(value), HEIGHT / 2.0
        side = self.limits.side(value)
        inner = _pointer(x, y, side) if side else self._dot(score, x, y, value, error)
        return Markup(
            f'<svg class="strip" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" style="--c: var(--{colour})" aria-hidden="true">'
            f'<path class="axis" d="M{MARGIN} {y}H{WIDTH - MARGIN}"/>{inner}</svg>'
        )

    def _dot(self, score: Score, x: float, y: float, value: float, error: float) -> str:
        left, right = self.place(value - error), self.place(value + error)
        way = -1.0 if self.unit.less_is_better else 1.0
        tip = x + way * 11.0
        arrow = f'<path d="M{x + way * 4:.1f} {y}H{tip:.1f}m{-3 * way} -3l{3 * way} 3l{-3 * way} 3"/>'
        shape = f'<circle cx="{x:.1f}" cy="{y}" r="4"/>'
        if score.claim is Claim.ESTIMATE:
            shape = f'<path d="M{x:.1f} {y - 5}l5 5l-5 5l-5 -5z"/>'
        bound = score.claim is Claim.LOWER_BOUND
        return (
            f'<path d="M{left:.1f} {y}H{right:.1f}"/>{arrow if bound else ""}'
            f'<g class="{"open" if bound else "full"}">{shape}</g>'
        )


def _pointer(x: float, y: float, side: int) -> str:
    """Two chevrons at the rim: the score lies further that way."""
    chevron = f"l{4 * side} 4l{-4 * side} 4"
    return f'<path class="beyond" d="M{x - 4 * side:.1f} {y - 4}{chevron}M{x + side:.1f} {y - 4}{chevron}"/>'
