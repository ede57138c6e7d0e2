"""The leaderboard as a picture for a README: a dot for every score, and beside it what the model draws."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from loglik.contract import Claim
from loglik.data import Dataset
from loglik.report.cost import at_rim, mark
from loglik.report.drawing import INCH, canvas, short, styled
from loglik.report.exhibits import Exhibit, exhibits, leading
from loglik.report.limits import Limits, reach
from loglik.report.palette import assign, light
from loglik.report.pictures import tiles
from loglik.report.wording import Unit, claim
from loglik.score import Score
from loglik.tasks.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TILES = 10  # samples beside each model
ROW, HEAD = 34, 64  # heights, in pixels
SHARPER = 2.0  # pixels of the file for one on the page


def leaderboard_picture(comparison: Comparison, path: Path) -> Path:
    """Draw the leaderboard into a PNG or SVG file, on white paper; for images with a strip of samples of each model."""
    data = comparison.data
    colours = assign([(e.name, e.model) for e in comparison.entrants])
    shown = [e for e in exhibits(comparison, colours) if e.score is not None]
    unit = Unit.of(data.space, [e.score.stderr for e in shown if e.score is not None])
    pictured = data.space.pictured
    with styled():
        lines = max(len(shown) + pictured, 1)
        figure = canvas(860 if pictured else 620, HEAD + ROW * lines)
        figure.set_facecolor(light("paper"))
        grid = figure.add_gridspec(lines, 2 if pictured else 1, width_ratios=(1.6, 1.0) if pictured else (1.0,))
        axes = figure.add_subplot(grid[:, 0])
        _dots(axes, comparison, shown, unit, pictured)
        if pictured:
            _strip(figure.add_subplot(grid[0, 1]), data, None)
            for line, exhibit in enumerate(shown, start=1):
                _strip(figure.add_subplot(grid[line, 1]), data, exhibit)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(
            path, dpi=INCH * SHARPER, metadata={"Software": None} if path.suffix.lower() == ".png" else {"Date": None}
        )
    return path


def _dots(axes: "Axes", comparison: Comparison, shown: list[Exhibit], unit: Unit, pictured: bool) -> None:
    """One line for each model, best on top; the number stands at the right of the panel."""
    scores = [e.score for e in shown if e.score is not None]
    limits = reach(scores, leading(shown), unit)
    ends = limits.wider(0.08)
    axes.set_xlim(ends.low, ends.high)
    places = {s.name: f"{s.place or ''}{'?' if s.open else ''}" for s in comparison.standings}
    for line, exhibit in enumerate(shown):
        _dot(axes, line, exhibit, unit, limits)
        axes.annotate(
            places[exhibit.name], (0, line), (-20, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
            va="center", color=light("muted"),
        )  # fmt: skip
    axes.set_yticks(range(len(shown)), [short(e.name) for e in shown], color=light("ink"), fontsize=10)
    axes.tick_params(axis="y", pad=24, left=False)
    axes.set_ylim(max(len(shown), 1) - 0.5, -1.5 if pictured else -0.5)
    axes.set_xlabel(f"{unit.name} of held-out {short(comparison.data.name)}, {unit.better}")
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    title = "\n".join(_notes(scores, limits, unit)) if shown else "No model was scored."
    axes.set_title(title, fontsize=8, loc="left", color=light("muted"))


def _dot(axes: "Axes", line: int, exhibit: Exhibit, unit: Unit, limits: Limits) -> None:
    """The score of one model: its dot, or a triangle at the rim, and its number."""
    assert exhibit.score is not None
    value, colour = exhibit.score.nats * unit.per_nat, light(exhibit.colour)
    if math.isfinite(value) and limits.side(value) == 0:
        mark(axes, (value, line), exhibit.score, colour, unit, across=True)
    elif not math.isnan(value):
        at_rim(axes, (limits.wider(0.04).clamp(value), line), limits.side(value), colour, across=True)
    text = f"{unit.sign(exhibit.score.claim)} {unit.measured(exhibit.score.nats, exhibit.score.stderr)}"
    beside = axes.get_yaxis_transform()
    axes.text(1.03, line - 0.13, text, transform=beside, va="center")
    axes.text(
        1.03, line + 0.24, claim(exhibit.score), transform=beside, va="center", fontsize=7, color=light("muted")
    )  # fmt: skip


def _notes(scores: list[Score], limits: Limits, unit: Unit) -> list[str]:
    notes = []
    if any(score.claim is Claim.LOWER_BOUND for score in scores):
        notes.append("An open dot is a bound: its arrow points to where the truth may be.")
    if any(limits.side(score.nats * unit.per_nat) for score in scores):
        notes.append("A triangle at the rim: the number lies outside.")
    return notes


def _strip(axes: "Axes", data: Dataset, exhibit: Exhibit | None) -> None:
    """A row of samples, or of the data where there is no exhibit."""
    axes.set_axis_off()
    x = data.test.x if exhibit is None else exhibit.samples
    if x is None:
        return
    low, high = data.test.x.aminmax()
    axes.imshow(tiles(x[:TILES], data.space, (float(low), float(high)), TILES), interpolation="nearest")
    if exhibit is None:
        axes.text(-0.02, 0.5, "data", transform=axes.transAxes, ha="right", va="center", color=light("muted"))
