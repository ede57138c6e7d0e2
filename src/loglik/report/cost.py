"""Score against cost: the chart to choose a model by."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from loglik.contract import Claim
from loglik.report.drawing import panel, seconds_axis, short, styled, to_svg
from loglik.report.exhibits import Exhibit, leading
from loglik.report.labels import place_labels
from loglik.report.limits import DOWN, UP, Limits, reach
from loglik.report.palette import light
from loglik.report.wording import Unit
from loglik.score import Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_SECONDS = 0.01  # where a fit that took less stands on the logarithmic axis
MARGIN = 0.12  # of the height, above and below the dots


@dataclass(frozen=True)
class Dot:
    """A model in the chart: where it stands, and the words beside it. side: -1 or 1 where its score is outside."""

    exhibit: Exhibit
    score: Score
    seconds: float
    value: float
    side: int
    words: str


def cost(exhibits: list[Exhibit], unit: Unit, width: float = 520) -> Markup:
    """Score against the seconds of fitting; an arrow leads from a bound to where the truth may be.

    The axis follows the models that can be told apart; the others stand at its rim, with their number.
    """
    limits = reach([e.score for e in exhibits if e.score is not None], leading(exhibits), unit)
    dots = _dots(exhibits, unit, limits)
    if not dots:
        return Markup()
    with styled():
        figure, axes = panel(width, 380)
        rims, ends = limits.wider(MARGIN / 2.0), limits.wider(MARGIN)
        axes.set_ylim(ends.low, ends.high)
        for dot in dots:
            place = (dot.seconds, rims.clamp(dot.value))
            if dot.side:
                at_rim(axes, place, dot.side, light(dot.exhibit.colour))
            else:
                mark(axes, place, dot.score, light(dot.exhibit.colour), unit)
        axes.set_ylabel(f"{unit.name}, {unit.better}")
        seconds_axis(axes, "seconds to fit", [dot.seconds for dot in dots], 0.16, LEAST_SECONDS)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        place_labels(axes, [(dot.seconds, rims.clamp(dot.value)) for dot in dots], [dot.words for dot in dots])
        return to_svg(figure, f"cost-{width:g}", f"{unit.name} of every model against the seconds it took to fit")


def _dots(exhibits: list[Exhibit], unit: Unit, limits: Limits) -> list[Dot]:
    dots = []
    for exhibit in exhibits:
        score = exhibit.score
        if score is None or not math.isfinite(score.nats):
            continue
        value = score.nats * unit.per_nat
        side = limits.side(value)
        words = short(exhibit.name) + (", given" if exhibit.history is None else "")
        if side:
            words += f" {UP if side > 0 else DOWN} {unit.measured(score.nats, score.stderr)}"
        dots.append(Dot(exhibit, score, max(exhibit.seconds, LEAST_SECONDS), value, side, words))
    return dots


def at_rim(axes: "Axes", place: tuple[float, float], side: int, colour: str, *, across: bool = False) -> None:
    """A triangle that points to where the value is."""
    shape = {(1, False): "^", (-1, False): "v", (1, True): ">", (-1, True): "<"}[side, across]
    axes.plot([place[0]], [place[1]], shape, ms=7, color=colour, zorder=3, clip_on=False)


def mark(
    axes: "Axes", place: tuple[float, float], score: Score, colour: str, unit: Unit, *, across: bool = False
) -> None:
    """A dot with its standard error: filled if exact, open with an arrow if a bound, a diamond if an estimate.

    across: scores lie on the horizontal axis, whose limits are set. A bar that meets them goes on, as that of a
    standard error that is not known, from one row, does.
    """
    bound = score.claim is Claim.LOWER_BOUND
    low, high = sorted(axes.get_xlim() if across else axes.get_ylim())
    error = score.stderr * abs(unit.per_nat)
    error = error if math.isfinite(error) else high - low
    xerr, yerr = ([error], None) if across else (None, [error])
    axes.errorbar([place[0]], [place[1]], yerr, xerr, fmt="none", ecolor=colour, elinewidth=1.4)
    if bound:
        length = -16 if unit.less_is_better else 16
        arrow: dict[str, object] = {"arrowstyle": "<-", "color": colour, "shrinkA": 0, "shrinkB": 4, "linewidth": 1.2}
        tip = (length, 0) if across else (0, length)
        axes.annotate("", place, tip, textcoords="offset points", arrowprops=arrow)
    face = light("paper") if bound else colour
    shape = "D" if score.claim is Claim.ESTIMATE else "o"
    axes.plot([place[0]], [place[1]], shape, ms=6.5, mfc=face, mec=colour, mew=1.6, zorder=3)


def not_shown(exhibits: list[Exhibit]) -> list[str]:
    """The models without a dot, and why."""
    names = [e.name for e in exhibits if e.score is not None and not math.isfinite(e.score.nats)]
    return [f"Without a finite score, so not drawn: {', '.join(names)}."] if names else []
