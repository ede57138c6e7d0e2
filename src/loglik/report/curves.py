"""Learning curves: what validation said, against the seconds of fitting."""

import math

from markupsafe import Markup

from loglik.report.drawing import panel, seconds_axis, styled, to_svg
from loglik.report.palette import light
from loglik.report.wording import Unit
from loglik.training.history import History

LEAST = 1e-3  # seconds; what took less stands here
Line = tuple[list[float], list[float]]  # seconds, values


def curves(histories: dict[str, tuple[str, History]], unit: Unit, width: float = 520) -> Markup:
    """name -> (colour, history). A fit without validation shows its training score, dashed. Empty if there is none."""
    lines = {name: (colour, *curve(history, unit)) for name, (colour, history) in histories.items()}
    lines = {name: line for name, line in lines.items() if len(line[1][0]) > 1}
    if not lines:
        return Markup()
    with styled():
        figure, axes = panel(width, 380)
        for colour, (seconds, values), validated in lines.values():
            axes.plot(seconds, values, linestyle="-" if validated else (0, (3, 1.5)), color=light(colour))
        bottom, top = _window([values for _, (_, values), _ in lines.values()], unit)
        ends = {name: line[1][1][-1] for name, line in lines.items()}
        for name, height in _apart(ends, 0.05 * (top - bottom)).items():
            colour, (seconds, values), _ = lines[name]
            axes.annotate(
                name, (seconds[-1], height), (7, 0), textcoords="offset points", va="center", annotation_clip=False
            )
            axes.plot(seconds[-1:], values[-1:], "o", ms=3.5, color=light(colour))
        axes.set_xscale("log")
        axes.margins(x=0.12)
        seconds_axis(axes, "seconds of fitting")
        axes.set_ylim(bottom, top)
        axes.set_ylabel(f"validation {unit.name}, {unit.better}")
        axes.grid(axis="y")
        return to_svg(figure, "curves", f"validation {unit.name} against seconds of fitting")


def curve(history: History, unit: Unit) -> tuple[Line, bool]:
    """Seconds and values, and whether these are of validation rows."""
    validated = [(row.seconds, row.valid_nats) for row in history.rows if row.valid_nats is not None]
    pairs = validated or [(row.seconds, row.nats) for row in history.rows]
    pairs = [(max(s, LEAST), v * unit.per_nat) for s, v in pairs if math.isfinite(v)]
    return ([s for s, _ in pairs], [v for _, v in pairs]), bool(validated)


def _window(curves: list[list[float]], unit: Unit) -> tuple[float, float]:
    """All of the best part, and as much of the steep beginnings as leaves the ends apart."""
    ends = [values[-1] for values in curves]
    low, high = min(map(min, curves)), max(map(max, curves))
    spread = max(ends) - min(ends) or (high - low) / 4.0 or 1.0
    if unit.less_is_better:
        return low - 0.1 * spread, min(high, max(ends) + 0.6 * spread) + 0.05 * spread
    return max(low, min(ends) - 0.6 * spread) - 0.05 * spread, high + 0.1 * spread


def _apart(heights: dict[str, float], least: float) -> dict[str, float]:
    """The heights of the names, moved up where two would overlap."""
    placed: dict[str, float] = {}
    below = -math.inf
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        placed[name] = below = max(height, below + least)
    return placed
