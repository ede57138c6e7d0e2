"""How the score spreads over the held-out rows; and whether a model finds its own samples as likely as the data."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from markupsafe import Markup

from loglik.report.drawing import canvas, styled, to_svg
from loglik.report.exhibits import Exhibit
from loglik.report.palette import light
from loglik.report.wording import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BINS = 120


def spread(exhibits: list[Exhibit], unit: Unit) -> Markup:
    """One histogram per model of the scores of single rows; an outline for the model's own samples, where scored."""
    shown = [e for e in exhibits if e.score is not None and bool(torch.isfinite(e.score.values).all())]
    if not shown:
        return Markup()
    low, high = _range([_values(e, unit) for e in shown])
    with styled():
        figure = canvas(1080, 50 + 42 * len(shown))
        stack = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for axes, exhibit in zip(stack, shown, strict=True):
            _ridge(axes, exhibit, unit, low, high)
        stack[-1].spines["bottom"].set_visible(True)
        stack[-1].tick_params(bottom=True, labelbottom=True)
        stack[-1].set_xlabel(f"{unit.name} of one row, {unit.better}")
        return to_svg(figure, "spread", f"how {unit.name} spread over the held-out rows, for every model")


def _ridge(axes: "Axes", exhibit: Exhibit, unit: Unit, low: float, high: float) -> None:
    colour, values = light(exhibit.colour), _values(exhibit, unit)
    _histogram(axes, values, (low, high), histtype="stepfilled", color=colour, alpha=0.45)
    if exhibit.own is not None:
        own = exhibit.own.values * unit.per_nat
        _histogram(axes, own, (low, high), histtype="step", color=light("ink"), linewidth=0.9)
    axes.axvline(float(values.mean()), color=colour, linewidth=1.6)
    axes.set_ylabel(exhibit.name, rotation=0, ha="right", va="center", color=light("ink"))
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(left=False, labelleft=False, bottom=False, labelbottom=False)
    axes.set_xlim(low, high)


def _histogram(axes: "Axes", values: torch.Tensor, over: tuple[float, float], **style: Any) -> None:
    bins = int(min(MOST_BINS, max(24, 3.0 * len(values) ** 0.5)))
    axes.hist(values.clamp(*over).numpy(), bins=bins, range=over, density=True, **style)


def _values(exhibit: Exhibit, unit: Unit) -> torch.Tensor:
    assert exhibit.score is not None
    return exhibit.score.values * unit.per_nat


def _range(values: list[torch.Tensor]) -> tuple[float, float]:
    """From the lowest 0.5th to the highest 99.5th percentile of any model; what lies outside is piled at the ends."""
    low = min(float(np.quantile(v.numpy(), 0.005)) for v in values)
    high = max(float(np.quantile(v.numpy(), 0.995)) for v in values)
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin
