"""Vectors, one value at a time: the data and samples of the best model."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from loglik.data import Memory
from loglik.report.drawing import canvas, styled, to_svg
from loglik.report.exhibits import Exhibit
from loglik.report.palette import light
from loglik.report.sections import Section
from loglik.spaces import Discrete, Space

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]
MOST = 12  # dimensions shown
ACROSS = 4
BINS = 30


def marginals(space: Space, data: Memory | None, exhibits: list[Exhibit]) -> Section:
    """A histogram for each of the first dimensions: data filled, samples of the first model that has some outlined."""
    best = next((e for e in exhibits if e.samples is not None), None)
    if best is None or best.samples is None:
        return Section("Data and samples")
    samples = best.samples.reshape(len(best.samples), -1)
    x = None if data is None else data.x.reshape(data.rows, -1)
    shown = min(space.dims, MOST)
    names = list((data.columns if data is not None else None) or [f"x{i + 1}" for i in range(shown)])
    lines, across = -(-shown // ACROSS), min(shown, ACROSS)
    with styled():
        figure = canvas(1080 if across == ACROSS else 270 * across, 20 + 165 * lines)
        grid = figure.subplots(lines, across, squeeze=False).flatten()
        for i, axes in enumerate(grid):
            if i >= shown:
                axes.set_axis_off()
                continue
            _marginal(axes, None if x is None else x[:, i], samples[:, i], light(best.colour), space)
            axes.set_title(names[i] if i < len(names) else f"x{i + 1}", fontsize=9.0, loc="left")
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.06)  # type: ignore[union-attr, call-arg]
        svg = to_svg(figure, "marginals", f"marginal histograms of the data and of samples of {best.name}")
    some = f"The first {shown} of {space.dims} values" if space.dims > shown else "Each value by itself"
    real = "grey the held-out rows, " if x is not None else ""
    caption = f"{some}: {real}outlined {len(samples)} samples of {best.name}, the best model that was sampled."
    return Section("Data and samples", caption, svg)


def _marginal(axes: "Axes", data: Tensor | None, samples: Tensor, colour: str, space: Space) -> None:
    bins = _bins(samples if data is None else data, space)
    if data is not None:
        values, weights = _weighted(data)
        axes.hist(values, bins, weights=weights, color=light("stone"), alpha=0.5)
    values, weights = _weighted(samples)
    axes.hist(values, bins, weights=weights, histtype="step", color=colour, linewidth=1.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _weighted(x: Tensor) -> tuple[Numbers, Numbers]:
    """The values, each weighing 1/n, so that those outside all bins do not lift the others."""
    values = x.double().numpy()
    return values, np.full(len(values), 1.0 / len(values))


def _bins(x: Tensor, space: Space) -> list[float]:
    """Edges: one bin for each level where there are few; else from the 0.5th to the 99.5th percentile."""
    if isinstance(space, Discrete) and space.levels <= 2 * BINS:
        return [level - 0.5 for level in range(space.levels + 1)]
    low, high = (float(q) for q in np.quantile(x.double().numpy(), (0.005, 0.995)))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    margin = 0.08 * (high - low)
    return [float(edge) for edge in np.linspace(low - margin, high + margin, BINS + 1)]
