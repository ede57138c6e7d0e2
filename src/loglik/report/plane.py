"""Two dimensions, where a density can be seen whole: a map for each model, beside the truth where it is known."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loglik.data import Memory
from loglik.inference.evaluate import evaluate
from loglik.report import wording
from loglik.report.exhibits import Exhibit
from loglik.report.pictures import dots, heat, png
from loglik.report.sections import Card, Section
from loglik.report.wording import Unit

Density = Callable[[Tensor], Tensor]
Window = tuple[float, float, float, float]  # left, right, bottom, top
Map = NDArray[np.float64]
SIDE = 128  # cells of a map, in each direction
COARSE = 32  # of the histogram that stands in for an unknown truth
POINTS = 500
SHARP = 3.0  # times the median of the models' highest densities


def plane(data: Memory | None, exhibits: list[Exhibit], unit: Unit, density: Density | None, samples: int) -> Section:
    """Above the density, below draws from it; all maps have one scale."""
    drawn = [e.samples for e in exhibits if e.samples is not None]
    if data is None and not drawn:
        return Section("Data and samples")
    window = around(data.x if data is not None else drawn[0])
    grid = cells(window)
    maps = {e.name: _map(e, grid, samples) for e in exhibits}
    truth = None if density is None else density(grid).double().exp().reshape(SIDE, SIDE).numpy()
    top = _top(truth, maps)
    cards = [] if data is None else [_data_card(data, window, truth, top)]
    cards += [_model_card(exhibit, maps[exhibit.name], window, top, unit) for exhibit in exhibits]
    left, right, bottom, upper = window
    area = f"{left:.3g} to {right:.3g} across, {bottom:.3g} to {upper:.3g} up"
    message = "" if data is None else "The data are held-out rows. "
    caption = (
        f"{message}Above p(x), on one scale: paper is 0, the strongest blue is {top:.3g} and more. "
        f"Below up to {POINTS} unselected samples; the number outside is given. The window is {area}. "
        "Maps of bounds show the bound."
    )
    return Section("Densities and samples", caption, cards=cards)


def _model_card(exhibit: Exhibit, density: Map, window: Window, top: float, unit: Unit) -> Card:
    pictures = [png(heat(density, top), "map", f"density of {exhibit.name}")]
    notes = [exhibit.note or exhibit.summary(unit)]
    if exhibit.samples is not None:
        points = exhibit.samples[:POINTS]
        pictures.append(dots(points, window, exhibit.colour, f"samples of {exhibit.name}"))
        notes.append(outside(points, window))
    lost = int(np.isnan(density).sum())
    notes.append(f"p(x) is not a number in {wording.grouped(lost)} of {density.size} cells" if lost else "")
    return Card(exhibit.name, exhibit.colour, "; ".join(note for note in notes if note), pictures)


def outside(points: Tensor, window: Window) -> str:
    """How many points the window does not show; empty where it shows all."""
    left, right, bottom, top = window
    inside = (points >= torch.tensor([left, bottom])) & (points <= torch.tensor([right, top]))
    n = len(points) - int(inside.all(dim=1).sum())
    return f"{n} of {len(points)} outside" if n else ""


def around(x: Tensor) -> Window:
    """A window that holds nearly all points; square in the units of the data, unless their scales differ much."""
    x = x[torch.isfinite(x).all(dim=1)].double()
    if len(x) == 0:
        return -1.0, 1.0, -1.0, 1.0
    low, high = torch.from_numpy(np.quantile(x.numpy(), (0.001, 0.999), axis=0))
    centre, half = (low + high) / 2.0, (high - low).clamp_min(1e-9) * 0.58
    if float(half.max()) < 2.0 * float(half.min()):
        half = half.max().expand(2)
    (left, bottom), (right, top) = (centre - half).tolist(), (centre + half).tolist()
    return left, right, bottom, top


def cells(window: Window) -> Tensor:
    """The centres of the cells of a map, (SIDE^2, 2), line by line from the top."""
    left, right, bottom, top = window
    share = (torch.arange(SIDE, dtype=torch.float64) + 0.5) / SIDE
    across, down = left + share * (right - left), top - share * (top - bottom)
    y, x = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


def _map(exhibit: Exhibit, grid: Tensor, samples: int) -> Map:
    assert exhibit.model is not None
    values = evaluate(exhibit.model, grid.to(exhibit.model.dtype), samples=samples).values
    density: Map = values.exp().reshape(SIDE, SIDE).numpy()
    return density


def _top(truth: Map | None, maps: dict[str, Map]) -> float:
    """The darkest value: a little above the truth's own highest; without it, what hardly any cell of most maps exceeds.

    A map with a peak far above those of the others is cut, and does not make them pale.
    """
    if truth is not None:
        return float(truth.max()) * 1.1
    finite = [values[np.isfinite(values)] for values in maps.values()]
    peaks = [float(np.quantile(values, 0.998)) for values in finite if len(values)]
    return min(max(peaks), SHARP * float(np.median(peaks))) if peaks else 0.0


def _data_card(data: Memory, window: Window, truth: Map | None, top: float) -> Card:
    whole = data.x[~data.x.isnan().any(dim=1)]
    rows = whole[:POINTS]
    shown = f"first {len(rows)} of {wording.grouped(len(whole))}" if len(whole) > len(rows) else f"{len(rows)}"
    lost = data.rows - len(whole)
    notes = [f"the {shown} rows", outside(rows, window)]
    notes += [f"{wording.grouped(lost)} with missing values left out"] if lost else []
    points = dots(rows, window, "ink", "held-out rows")
    if truth is not None:
        notes.insert(0, "p(x)")
        return Card("the truth", "ink", "; ".join(filter(None, notes)), [png(heat(truth, top), "map", "p(x)"), points])
    left, right, bottom, upper = window
    x = whole.double().numpy()
    area = (right - left) * (upper - bottom) / COARSE**2
    counts = np.histogram2d(x[:, 1], x[:, 0], COARSE, ((bottom, upper), (left, right)))[0][::-1]
    share = counts / (max(len(x), 1) * area)
    picture = png(heat(share, top or float(share.max())), "map pixels", "histogram of the held-out rows")
    return Card("data", "ink", "; ".join(filter(None, ["all rows", *notes])), [picture, points])
