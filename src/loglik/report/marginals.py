"""Vectors, one value at a time: the data and samples of the best model."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loglik.data import Memory
from loglik.report.drawing import panel, styled, to_svg
from loglik.report.exhibits import Exhibit
from loglik.report.limits import LEFT, RIGHT, Limits, outside
from loglik.report.palette import light
from loglik.report.sections import Card, Section
from loglik.report.wording import grouped
from loglik.spaces import Space

Numbers = NDArray[np.float64]
MOST = 12  # dimensions shown
ACROSS = 6  # of them in a row
BINS = 30
ENOUGH = 20  # rows that can set the bins; fewer do so together with the samples
NONE = torch.zeros(0)


def marginals(
    space: Space, data: Memory | None, exhibits: list[Exhibit], columns: Sequence[str] | None = None
) -> Section:
    """A histogram for each of the first dimensions: data filled, samples of the first model that has some outlined."""
    best = next((e for e in exhibits if e.samples is not None), None)
    if best is None and data is None:
        return Section("Data and samples")
    samples = NONE if best is None or best.samples is None else best.samples.reshape(len(best.samples), -1)
    x = NONE if data is None else data.x.reshape(data.rows, -1)
    shown = min(space.dims, MOST)
    names = list(columns or [])
    names += [f"x{i + 1}" for i in range(len(names), shown)]
    colour = "ink" if best is None else best.colour
    cards = [
        _marginal(names[i], _column(x, i), _column(samples, i), colour=colour, space=space, place=i)
        for i in range(shown)
    ]
    return Section("Data and samples", _caption(space, shown, data, best), cards=cards, most=ACROSS)


def _column(x: Tensor, place: int) -> Tensor:
    return x[:, place] if x.ndim == 2 else NONE


def _caption(space: Space, shown: int, data: Memory | None, best: Exhibit | None) -> str:
    words = []
    if data is not None:
        words.append(f"grey the {grouped(data.rows)} held-out rows")
    if best is not None and best.samples is not None:
        words.append(f"outlined {grouped(len(best.samples))} samples of {best.name}, the best model that was sampled")
    which = f"The first {shown} of {space.dims} values" if space.dims > shown else "Each value by itself"
    return f"{which}: {', '.join(words)}."


def _marginal(name: str, data: Tensor, samples: Tensor, *, colour: str, space: Space, place: int) -> Card:
    bins = _bins(data if len(data) >= ENOUGH else torch.cat([data.double(), samples.double()]), space)
    with styled():
        figure, axes = panel(200, 130)
        if len(inside := _inside(data, bins)):
            axes.hist(inside, bins, weights=_weights(inside, data), color=light("stone"), alpha=0.5)
        if len(inside := _inside(samples, bins)):
            weights = _weights(inside, samples)
            axes.hist(inside, bins, weights=weights, histtype="step", color=light(colour), linewidth=1.3)
        axes.set_xlim(bins[0], bins[-1])
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=5)
        axes.tick_params(axis="x", labelsize=8)
        axes.spines["left"].set_visible(False)
        label = f"marginal histogram of {name}: the data and samples"
        picture = to_svg(figure, f"marginals-{place}", label)
    return Card(name, "", left_out(data, samples, Limits(bins[0], bins[-1])), [picture])


def left_out(data: Tensor, samples: Tensor, limits: Limits) -> str:
    """What lies outside the bins, and at which side; empty where all is drawn."""
    words = []
    for of, name in ((data, "row"), (samples, "sample")):
        for n, arrow in zip(outside(limits, of.double().tolist()), (LEFT, RIGHT), strict=True):
            if n:
                words.append(f"{grouped(n)} {name}{'s' * (n > 1)}\N{NO-BREAK SPACE}{arrow}")
        lost = int(torch.isnan(of).sum())
        if lost:
            words.append(f"{grouped(lost)} {name}{'s' * (lost > 1)} {'missing' if name == 'row' else 'NaN'}")
    return ", ".join(words)


def _inside(x: Tensor, bins: list[float]) -> Numbers:
    values = x.double().numpy()
    return values[(values >= bins[0]) & (values <= bins[-1])]


def _weights(inside: Numbers, x: Tensor) -> Numbers:
    """Each value weighs 1/n of all, so that those outside do not lift the others."""
    return np.full(len(inside), 1.0 / max(len(x), 1))


def _bins(x: Tensor, space: Space) -> list[float]:
    """Edges of bins: from the 0.5th to the 99.5th percentile, and of whole levels, as many in each, where there are."""
    if space.limits is not None and space.limits[1] < 2 * BINS:
        return [level - 0.5 for level in range(space.limits[1] + 2)]
    finite = x[torch.isfinite(x)].double().numpy()
    low, high = (float(q) for q in np.quantile(finite, (0.005, 0.995))) if len(finite) else (0.0, 0.0)
    if space.limits is not None:
        first, last = math.floor(low), math.ceil(high)
        each = -(-(last - first + 1) // BINS)
        return [first - 0.5 + each * i for i in range(-(-(last - first + 1) // each) + 1)]
    if not high > low:
        low, high = low - 0.5, high + 0.5
    margin = 0.08 * (high - low)
    return [float(edge) for edge in np.linspace(low - margin, high + margin, BINS + 1)]
