"""Learning curves: validation scores while fitting, and the step whose weights were kept."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from loglik.report.drawing import panel, seconds_axis, short, styled, to_svg
from loglik.report.limits import DOWN, UP, Limits, told_apart
from loglik.report.palette import light
from loglik.report.wording import Unit, number
from loglik.training.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST = 1e-3  # seconds; what took less stands here
DASHED = (0, (3, 1.5))
CAPTION = (
    "Solid: the score of the validation rows while fitting; of a bound, with one sample. The dot is the step whose "
    "weights were kept; what came after it is pale."
)
DASHES = " Dashed: the training rows, not comparable with the solid lines"
TESTED = {False: "", True: "; the square is the score of the test rows"}
FAR = 20.0  # times the median distance of the fits from the best; curves may be further apart than scores
MOST = 14  # characters of a name


@dataclass(frozen=True)
class Learned:
    """What is drawn of one fit. tested: the score of the test rows in nats, where known."""

    colour: str
    history: History
    tested: float | None = None


@dataclass(frozen=True)
class Line:
    """Seconds and values of the looks; `kept` is the place of the weights that were kept.

    It is -1 if those from before the first look were, and None where that is not known.

    validated: the values are of validation rows, else of training rows; then `tested` may be the score of the test
    rows. lost: so many looks were not finite.
    """

    name: str
    colour: str
    seconds: list[float]
    values: list[float]
    validated: bool
    kept: int | None
    tested: float | None
    lost: int

    @property
    def ends(self) -> list[float]:
        """The values that an axis should hold: of what was kept, and the last."""
        kept = [] if self.kept is None or self.kept < 0 else [self.values[self.kept]]
        return [*kept, self.values[-1], *([] if self.tested is None else [self.tested])]

    @property
    def held_out(self) -> list[float]:
        """The values that are not of training rows."""
        return self.values if self.validated else [] if self.tested is None else [self.tested]


def lines(fits: dict[str, Learned], unit: Unit) -> list[Line]:
    """The curves of the fits that looked more than once, or at validation rows."""
    found = [curve(name, fit, unit) for name, fit in fits.items()]
    return [line for line in found if len(line.values) > 1 or (line.values and line.validated)]


def curve(name: str, fit: Learned, unit: Unit) -> Line:
    """The looks at validation rows, where there were any; else the scores of the training rows."""
    rows = [row for row in fit.history.rows if row.valid_nats is not None]
    validated = bool(rows)
    rows = rows or fit.history.rows
    told = [(row, row.nats if row.valid_nats is None else row.valid_nats) for row in rows]
    finite = [(row, nats) for row, nats in told if math.isfinite(nats)]
    steps = [row.step for row, _ in finite]
    tested = None if validated or fit.tested is None or not math.isfinite(fit.tested) else fit.tested * unit.per_nat
    return Line(
        name,
        fit.colour,
        [max(row.seconds, LEAST) for row, _ in finite],
        [nats * unit.per_nat for _, nats in finite],
        validated,
        _kept(steps, fit.history.best_step) if validated else None,
        tested,
        len(told) - len(finite),
    )


def _kept(steps: list[int], best: int | None) -> int | None:
    """The place of the step whose weights were kept."""
    if best is None or not steps:
        return None
    return -1 if best < steps[0] else steps.index(best) if best in steps else None


def caption(drawn: list[Line]) -> str:
    """How to read the figure; only what is in it."""
    trained = [line for line in drawn if not line.validated]
    if not trained:
        return CAPTION
    return CAPTION + DASHES + TESTED[any(line.tested is not None for line in trained)] + "."


def notes(fits: dict[str, Learned], drawn: list[Line]) -> list[str]:
    """What the figure leaves out."""
    told = [f"{line.name}: {line.lost} looks were not finite, and are not drawn." for line in drawn if line.lost]
    told += [f"{line.name}: the weights from before the first look were kept." for line in drawn if line.kept == -1]
    without = [name for name in fits if name not in {line.name for line in drawn}]
    return told + ([f"Fitted without a curve: {', '.join(without)}."] if without else [])


def curves(drawn: list[Line], unit: Unit, width: float = 520) -> Markup:
    """The lines, each with its name at its end."""
    if not drawn:
        return Markup()
    with styled():
        figure, axes = panel(width, 380)
        window = _window(drawn, unit)
        for line in drawn:
            _draw(axes, line, window)
        _name(axes, drawn, window)
        seconds_axis(axes, "seconds of fitting", [s for line in drawn for s in line.seconds], 0.12, LEAST)
        axes.set_ylim(window.low, window.high)
        axes.set_ylabel(f"{_rows(drawn)} {unit.name}, {unit.better}")
        axes.grid(axis="y")
        return to_svg(figure, f"curves-{width:g}", f"{_rows(drawn)} {unit.name} against seconds of fitting")


def _rows(drawn: list[Line]) -> str:
    """Whose scores the axis shows."""
    kinds = {line.validated for line in drawn}
    return "validation (dashed: training)" if len(kinds) == 2 else "validation" if True in kinds else "training"


def _draw(axes: "Axes", line: Line, window: Limits) -> None:
    colour = light(line.colour)
    if not line.validated:
        axes.plot(line.seconds, line.values, linestyle=DASHED, linewidth=1.1, color=colour)
        if line.tested is not None:
            place = window.clamp(line.tested)
            axes.plot([line.seconds[-1]] * 2, [window.clamp(line.values[-1]), place], color=colour, linewidth=0.8)
            shape = {0: "s", -1: "v", 1: "^"}[window.side(line.tested)]
            axes.plot(line.seconds[-1:], [place], shape, ms=5, color=colour, clip_on=False, zorder=3)
        return
    kept = len(line.values) - 1 if line.kept is None else line.kept
    axes.plot(line.seconds[: kept + 1], line.values[: kept + 1], color=colour)
    after = max(kept, 0)
    axes.plot(line.seconds[after:], line.values[after:], color=colour, alpha=0.4, linewidth=1.2)
    if line.kept is not None and kept >= 0:
        side = window.side(line.values[kept])
        shape = {0: "o", -1: "v", 1: "^"}[side]
        axes.plot(
            [line.seconds[kept]], [window.clamp(line.values[kept])], shape, ms=5, color=colour, clip_on=False, zorder=3
        )


def _name(axes: "Axes", drawn: list[Line], window: Limits) -> None:
    """The names at the ends of the lines; of an end outside, at the rim with its value."""
    heights: dict[str, float] = {}
    words: dict[str, str] = {}
    for line in drawn:
        kind, end = ("", line.values[-1]) if line.validated else (", training", line.values[-1])
        if line.tested is not None:
            kind, end = ", test", line.tested
        words[line.name] = short(line.name, MOST) + kind + _beyond(end, window)
        heights[line.name] = window.clamp(end)
    for name, height in _apart(heights, 0.05 * (window.high - window.low), window).items():
        line = next(line for line in drawn if line.name == name)
        axes.annotate(
            words[name], (line.seconds[-1], height), (7, 0), textcoords="offset points", va="center",
            annotation_clip=False,
        )  # fmt: skip


def _beyond(value: float, window: Limits) -> str:
    side = window.side(value)
    return f" {UP if side > 0 else DOWN} {number(value, 2 if abs(value) < 1000.0 else 0)}" if side else ""


def _window(drawn: list[Line], unit: Unit) -> Limits:
    """The window that separates the ends of the lines, with as much of their steep beginnings as fits.

    Training scores are inside where they are near, but no axis follows them.
    """
    better = min if unit.less_is_better else max
    held_out = [value for line in drawn for value in line.held_out] or [line.values[-1] for line in drawn]
    every = [value for line in drawn for value in line.values]
    ends = [value for line in drawn for value in line.ends]
    # One value of each line says what is near; of a line alone, which there is none to tell from, all its looks.
    of_each = [better(line.held_out or line.ends) for line in drawn] if len(drawn) > 1 else every
    limits = told_apart(of_each, better(held_out), far=FAR, also=ends)
    span = limits.high - limits.low or (max(every) - min(every)) / 4.0 or 1.0
    low, high = limits.low - 0.1 * span, limits.high + 0.1 * span
    if unit.less_is_better:
        return Limits(low, max(high, min(max(every), limits.high + 0.6 * span) + 0.05 * span))
    return Limits(min(low, max(min(every), limits.low - 0.6 * span) - 0.05 * span), high)


def _apart(heights: dict[str, float], least: float, window: Limits) -> dict[str, float]:
    """The heights of the names, moved up where two would overlap, and down again where they leave the window."""
    placed: dict[str, float] = {}
    below = -math.inf
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        placed[name] = below = max(height, below + least)
    above = window.high + least
    for name in reversed(placed):
        placed[name] = above = min(placed[name], above - least)
    return placed
