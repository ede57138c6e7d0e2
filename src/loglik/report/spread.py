"""How the score spreads over the held-out rows; and whether a model finds its own samples as likely as the data."""

import math
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from markupsafe import Markup
from torch import Tensor

from loglik.report.drawing import canvas, short, styled, to_svg
from loglik.report.exhibits import Exhibit
from loglik.report.limits import LEFT, RIGHT, Limits, outside
from loglik.report.palette import light
from loglik.report.wording import Unit, grouped, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BINS = 120
BODY = 4.0  # quartile ranges on either side of the quartiles belong to the body of a distribution
BESIDE = 640  # pixels: on narrower figures a name stands above its histogram
CAPTION = (
    "How single held-out rows score; the line is the mean, what the leaderboard ranks. The thin outline is the model's "
    "own samples, scored by itself: where it stands apart from the data, the model expects other data than these. "
    "What lies outside is counted at its side."
)


def spread(exhibits: list[Exhibit], unit: Unit, width: float = 1080) -> Markup:
    """One histogram per model of the scores of single rows; an outline for the model's own samples, where scored."""
    shown = [e for e in exhibits if e.score is not None and bool(torch.isfinite(e.score.values).any())]
    if not shown:
        return Markup()
    limits = body([_finite(_values(e, unit)) for e in shown])
    wide = width > BESIDE
    with styled():
        figure = canvas(width, 50 + (46 if wide else 62) * len(shown))
        stack = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for axes, exhibit in zip(stack, shown, strict=True):
            _ridge(axes, exhibit, unit, limits, wide)
        stack[-1].spines["bottom"].set_visible(True)
        stack[-1].tick_params(bottom=True, labelbottom=True)
        stack[-1].set_xlabel(f"{unit.name} of one row, {unit.better}")
        return to_svg(figure, f"spread-{width:g}", f"how {unit.name} spread over the held-out rows, for every model")


def body(values: list[Tensor]) -> Limits:
    """Where the rows of most models lie: no long tail, and no model far from all others, sets the axis."""
    spans = []
    for of_one in values:
        low, first, third, high = (float(q) for q in np.quantile(of_one.numpy(), (0.005, 0.25, 0.75, 0.995)))
        far = BODY * (third - first)
        spans.append((max(low, first - far), min(high, third + far)))
    reach = 2.0 * median(high - low for low, high in spans) or 1.0
    lows, highs = [low for low, _ in spans], [high for _, high in spans]
    low = min(low for low in lows if low >= median(lows) - reach)
    high = max(high for high in highs if high <= median(highs) + reach)
    return Limits(low, max(high, low)).wider(0.03)


def _ridge(axes: "Axes", exhibit: Exhibit, unit: Unit, limits: Limits, wide: bool) -> None:
    colour, values = light(exhibit.colour), _values(exhibit, unit)
    _histogram(axes, values, limits, colour)
    own = None if exhibit.own is None else exhibit.own.values * unit.per_nat
    if own is not None:
        _histogram(axes, own, limits, light("ink"), outlined=True)
    mean = float(values.mean())
    if math.isfinite(mean) and limits.side(mean) == 0:
        axes.axvline(mean, color=colour, linewidth=1.6)
    for side, words in enumerate(beyond(values, own, limits)):
        x, across = ((0.0, "left"), (1.0, "right"))[side]
        axes.annotate(
            words, (x, 1.0), xycoords="axes fraction", va="top", ha=across, fontsize=7.5, color=light("muted")
        )
    name = short(exhibit.name)
    if wide:
        axes.set_ylabel(name, rotation=0, ha="right", va="center", color=light("ink"))
    else:
        axes.set_title(name, loc="left", fontsize=9, color=light("ink"), pad=2)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(left=False, labelleft=False, bottom=False, labelbottom=False)
    axes.set_xlim(limits.low, limits.high)
    axes.set_ylim(0.0, 1.25 * axes.get_ylim()[1])  # room for the counts


def beyond(values: Tensor, own: Tensor | None, limits: Limits) -> tuple[str, str]:
    """What is not drawn, in words for the left side and for the right one."""
    sides: tuple[list[str], list[str]] = ([], [])
    for of, word in ((values, "row"), (own, "sample")):
        if of is None:
            continue
        for words, n in zip(sides, outside(limits, of.tolist()), strict=True):
            if n:
                words.append(f"{grouped(n)} {word}{'s' * (n > 1)}")
    mean = float(values.mean())
    if side := limits.side(mean):
        sides[side > 0].append(f"mean {number(mean, 2)}")
    lost = int(torch.isnan(values).sum())
    left, right = (" \u00b7 ".join(words) for words in sides)
    right = f"{right} {RIGHT}" if right else ""
    left = f"{LEFT} {left}" if left else ""
    return left, f"{grouped(lost)} NaN  {right}".strip() if lost else right


def _histogram(axes: "Axes", values: Tensor, limits: Limits, colour: str, *, outlined: bool = False) -> None:
    """A histogram of the values inside, whose area is their share of all."""
    bins = int(min(MOST_BINS, max(24, 3.0 * len(values) ** 0.5)))
    edges = np.linspace(limits.low, limits.high, bins + 1).tolist()
    inside = values[(values >= limits.low) & (values <= limits.high)].numpy()
    if not len(inside):
        return
    weights = np.full(len(inside), bins / len(values))  # bins differ in width; with equal areas the heights compare
    if outlined:
        axes.hist(inside, edges, weights=weights, histtype="step", color=colour, linewidth=0.9)
    else:
        axes.hist(inside, edges, weights=weights, histtype="stepfilled", color=colour, alpha=0.45)


def _finite(values: Tensor) -> Tensor:
    return values[torch.isfinite(values)]


def _values(exhibit: Exhibit, unit: Unit) -> Tensor:
    assert exhibit.score is not None
    return exhibit.score.values * unit.per_nat
