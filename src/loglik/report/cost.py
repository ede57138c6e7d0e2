"""Score against cost: the chart to choose a model by."""

import math
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from loglik.contract import Claim
from loglik.report.drawing import panel, seconds_axis, styled, to_svg
from loglik.report.exhibits import Exhibit
from loglik.report.palette import light
from loglik.report.wording import Unit
from loglik.score import Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_SECONDS = 0.01  # where a fit that took less stands on the logarithmic axis
Box = tuple[float, float, float, float]  # left, bottom, right, top in pixels
# Where a name may stand beside its dot, best first: points to the right and up, alignment across.
SIDES = (
    (9, 0, "left"), (-9, 0, "right"), (0, 12, "center"), (0, -12, "center"),
    (9, 11, "left"), (9, -11, "left"), (-9, 11, "right"), (-9, -11, "right"),
)  # fmt: skip


def cost(exhibits: list[Exhibit], unit: Unit) -> Markup:
    """Score against the seconds of fitting; an arrow leads from a bound to where the truth may be."""
    shown = [(e, e.score) for e in exhibits if e.score is not None and math.isfinite(e.score.nats)]
    if not shown:
        return Markup()
    with styled():
        figure, axes = panel(520, 380)
        places = [(max(e.seconds, LEAST_SECONDS), score.nats * unit.per_nat) for e, score in shown]
        for place, (exhibit, score) in zip(places, shown, strict=True):
            mark(axes, place, score, light(exhibit.colour), unit)
        axes.set_ylabel(f"{unit.name}, {unit.better}")
        axes.set_xscale("log")
        axes.margins(x=0.16, y=0.12)
        seconds_axis(axes, "seconds to fit")
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        _name(axes, places, [e.name for e, _ in shown])
        return to_svg(figure, "cost", f"{unit.name} of every model against the seconds it took to fit")


def mark(
    axes: "Axes", place: tuple[float, float], score: Score, colour: str, unit: Unit, *, across: bool = False
) -> None:
    """A dot with its standard error: filled if exact, open with an arrow if a bound, a diamond if an estimate.

    across: scores lie on the horizontal axis.
    """
    bound = score.claim is Claim.LOWER_BOUND
    error = score.stderr * abs(unit.per_nat)
    bar = {"xerr" if across else "yerr": [error if math.isfinite(error) else 0.0]}
    axes.errorbar([place[0]], [place[1]], **bar, fmt="none", ecolor=colour, elinewidth=1.4)  # type: ignore[arg-type]
    if bound:
        length = -16 if unit.less_is_better else 16
        arrow: dict[str, Any] = {"arrowstyle": "<-", "color": colour, "shrinkA": 0, "shrinkB": 4, "linewidth": 1.2}
        tip = (length, 0) if across else (0, length)
        axes.annotate("", place, tip, textcoords="offset points", arrowprops=arrow)
    face = light("paper") if bound else colour
    shape = "D" if score.claim is Claim.ESTIMATE else "o"
    axes.plot([place[0]], [place[1]], shape, ms=6.5, mfc=face, mec=colour, mew=1.6, zorder=3)


def _name(axes: "Axes", places: list[tuple[float, float]], names: list[str]) -> None:
    """Each name beside its dot, on the first side where it covers no dot and no other name."""
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    scale = axes.figure.dpi / 72.0
    centres = [(float(x), float(y)) for x, y in axes.transData.transform(places)]
    taken: list[Box] = [(x - 7, y - 7, x + 7, y + 7) for x, y in centres]
    for name, centre, place in zip(names, centres, places, strict=True):
        boxes = [_box(name, centre, side, scale) for side in SIDES]
        free = [i for i, box in enumerate(boxes) if not any(_overlap(box, other) for other in taken)]
        chosen = free[0] if free else 0
        taken.append(boxes[chosen])
        right, up, across = SIDES[chosen]
        axes.annotate(name, place, (right, up), textcoords="offset points", ha=across, va="center")


def _box(name: str, centre: tuple[float, float], side: tuple[int, int, str], scale: float) -> Box:
    width, height = 5.8 * len(name) * scale, 11.0 * scale
    right, up, across = side
    left = centre[0] + right * scale - {"left": 0.0, "center": width / 2.0, "right": width}[across]
    bottom = centre[1] + up * scale - height / 2.0
    return left, bottom, left + width, bottom + height


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
