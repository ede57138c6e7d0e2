"""The leaderboard as a picture for a README: a dot for every score, and beside it what the model draws."""

from pathlib import Path
from typing import TYPE_CHECKING

from loglik.contract import Claim
from loglik.data import Dataset
from loglik.report.cost import mark
from loglik.report.drawing import INCH, canvas, styled
from loglik.report.exhibits import Exhibit, exhibits
from loglik.report.palette import assign, light
from loglik.report.pictures import tiles
from loglik.report.wording import Unit, claim
from loglik.tasks.compare import Comparison
from loglik.zoo import is_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TILES = 10  # samples beside each model
ROW, HEAD = 34, 64  # heights, in pixels
SHARPER = 2.0  # pixels of the file for one on the page


def leaderboard_picture(comparison: Comparison, path: Path) -> Path:
    """Draw the leaderboard into a PNG or SVG file, on white paper; for images with a strip of samples of each model."""
    data = comparison.data
    colours = assign([(e.name, e.model) for e in comparison.entrants])
    shown = [e for e in exhibits(comparison, colours) if e.score is not None and e.score.not_finite == []]
    unit = Unit.of(data.space, [e.score.stderr for e in shown if e.score is not None])
    pictured = is_image(data.space)
    with styled():
        figure = canvas(860 if pictured else 620, HEAD + ROW * (len(shown) + pictured))
        figure.set_facecolor(light("paper"))
        lines = len(shown) + pictured
        grid = figure.add_gridspec(lines, 2 if pictured else 1, width_ratios=(1.6, 1.0) if pictured else (1.0,))
        axes = figure.add_subplot(grid[:, 0])
        _dots(axes, comparison, shown, unit, pictured)
        if pictured:
            _strip(figure.add_subplot(grid[0, 1]), data, None)
            for line, exhibit in enumerate(shown, start=1):
                _strip(figure.add_subplot(grid[line, 1]), data, exhibit)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(
            path, dpi=INCH * SHARPER, metadata={"Software": None} if path.suffix == ".png" else {"Date": None}
        )
    return path


def _dots(axes: "Axes", comparison: Comparison, shown: list[Exhibit], unit: Unit, pictured: bool) -> None:
    """One line for each model, best on top; the number stands at the right of the panel."""
    for line, exhibit in enumerate(shown):
        assert exhibit.score is not None
        mark(axes, (exhibit.score.nats * unit.per_nat, line), exhibit.score, light(exhibit.colour), unit, across=True)
        text = f"{unit.sign(exhibit.score.claim)} {unit.measured(exhibit.score.nats, exhibit.score.stderr)}"
        axes.text(1.03, line - 0.13, text, transform=axes.get_yaxis_transform(), va="center")
        axes.text(
            1.03, line + 0.24, claim(exhibit.score), transform=axes.get_yaxis_transform(), va="center", fontsize=7,
            color=light("muted"),
        )  # fmt: skip
    places = {s.name: f"{s.place or ''}{'?' if s.open else ''}" for s in comparison.standings}
    for line, exhibit in enumerate(shown):
        axes.annotate(
            places[exhibit.name], (0, line), (-20, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
            va="center", color=light("muted"),
        )  # fmt: skip
    axes.set_yticks(range(len(shown)), [e.name for e in shown], color=light("ink"), fontsize=10)
    axes.tick_params(axis="y", pad=24, left=False)
    axes.set_ylim(len(shown) - 0.5, -1.5 if pictured else -0.5)
    axes.set_xlabel(f"{unit.name} of held-out {comparison.data.name}, {unit.better}")
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.margins(x=0.08)
    if any(e.score is not None and e.score.claim is Claim.LOWER_BOUND for e in shown):
        note = "An open dot is a bound: its arrow points to where the truth may be."
        axes.set_title(note, fontsize=8, loc="left", color=light("muted"))


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
