"""Real data beside samples, in the form that suits the space: images, maps of the plane, marginals, rows of symbols."""

import string
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from markupsafe import Markup
from torch import Tensor

from loglik.data import Memory
from loglik.report.exhibits import Exhibit
from loglik.report.marginals import marginals
from loglik.report.pictures import png, tiles
from loglik.report.plane import Density, plane
from loglik.report.sections import Card, Section
from loglik.report.wording import Unit, grouped
from loglik.spaces import Space

ROWS = 12  # of symbols
CHARACTERS = 145  # of symbols, in the width of the page
LARGE = 48  # pixels; larger images are shown 4 x 4, smaller ones 8 x 8
LETTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits
MARKS = {"\n": "\u21b5", "\t": "\u21e5"}  # line ends and tabs within a line


@dataclass(frozen=True)
class Names:
    """What the values of an event are called, and what their levels stand for."""

    columns: Sequence[str] | None = None
    vocabulary: Sequence[str] | None = None


def gallery(
    space: Space,
    data: Memory | None,
    exhibits: list[Exhibit],
    unit: Unit,
    *,
    density: Density | None = None,
    samples: int = 1,
    names: Names | None = None,
) -> Section:
    """Data, if available, beside samples of every model; `density` is that of the source, if known.

    names: what a run remembers of its data; by default what the data say themselves.
    """
    if names is None:
        names = Names() if data is None else Names(data.columns, data.vocabulary)
    if space.pictured:
        return images(space, data, exhibits, unit)
    if not space.ordered:
        return symbols(space, data, exhibits, unit, names.vocabulary)
    if space.limits is None and space.shape == (2,):
        return plane(data, exhibits, unit, density, samples)
    return marginals(space, data, exhibits, names.columns)


def images(space: Space, data: Memory | None, exhibits: list[Exhibit], unit: Unit) -> Section:
    side = 4 if max(space.shape[-2:]) > LARGE else 8
    shown = [e.samples[: side * side] for e in exhibits if e.samples is not None]
    real = [data.x[: side * side]] if data is not None else []
    scale = _extremes([*real, *shown])
    cards = [Card("data", "ink", _some(data, len(x)), [_sheet(x, space, scale, side, "data")]) for x in real]
    for exhibit in exhibits:
        if exhibit.samples is None:
            cards.append(Card(exhibit.name, exhibit.colour, exhibit.note))
            continue
        sheet = _sheet(exhibit.samples[: side * side], space, scale, side, f"samples of {exhibit.name}")
        cards.append(Card(exhibit.name, exhibit.colour, exhibit.summary(unit), [sheet]))
    return Section("Data and samples", _images_caption(space, scale, data), cards=cards)


def _images_caption(space: Space, scale: tuple[float, float], data: Memory | None) -> str:
    caption = "Unselected samples from each model."
    caption += "" if data is None else " The data are held-out rows."
    if len(space.shape) == 3 and space.shape[0] not in (1, 3):
        caption += f" Of {space.shape[0]} channels the first is shown."
    if data is not None and data.gaps:
        caption += " Missing values are black."
    if space.limits is None:
        caption += f" Black is {scale[0]:.3g} and less, white {scale[1]:.3g} and more."
    return caption


def _some(data: Memory | None, shown: int) -> str:
    """Which of the held-out rows are shown."""
    if data is None or shown == data.rows:
        return "held-out rows"
    return f"the first {shown} of {grouped(data.rows)}"


def _sheet(x: Tensor, space: Space, scale: tuple[float, float], side: int, label: str) -> Markup:
    return png(tiles(x, space, scale, min(side, len(x))), "pixels", label)


def _extremes(parts: list[Tensor]) -> tuple[float, float]:
    """The darkest and lightest value of real-valued images, from the data where there are any."""
    if not parts or not parts[0].is_floating_point():
        return 0.0, 1.0
    there = parts[0][~parts[0].isnan()]
    return (float(torch.amin(there)), float(torch.amax(there))) if len(there) else (0.0, 1.0)


def symbols(
    space: Space, data: Memory | None, exhibits: list[Exhibit], unit: Unit, vocabulary: Sequence[str] | None
) -> Section:
    assert space.limits is not None
    count = space.limits[1] + 1
    letters = _letters(count, vocabulary)
    cards = [] if data is None else [Card("data", "ink", _some(data, min(ROWS, data.rows)), [_lines(data.x, letters)])]
    for exhibit in exhibits:
        lines = [] if exhibit.samples is None else [_lines(exhibit.samples, letters)]
        cards.append(Card(exhibit.name, exhibit.colour, exhibit.note or exhibit.summary(unit), lines))
    alphabet = "their characters" if vocabulary is not None else "letters" if letters else "numbers"
    caption = f"One event in a line; the {count} symbols are shown as {alphabet}."
    caption += " The samples are unselected." + ("" if data is None else " The data are held-out rows.")
    length = space.dims if letters else 4 * space.dims
    return Section("Data and samples", caption, cards=cards, most=max(1, min(5, CHARACTERS // (length + 3))))


def _letters(count: int, vocabulary: Sequence[str] | None) -> Sequence[str] | None:
    """What each level is shown as: its own character, of text, or a letter; None where letters do not suffice."""
    if vocabulary is not None:
        return [symbol if symbol.isprintable() else MARKS.get(symbol, "\u00b7") for symbol in vocabulary]
    return LETTERS if count <= len(LETTERS) else None


def _lines(x: Tensor, letters: Sequence[str] | None) -> Markup:
    """A few events, each as a line of letters, or of numbers where there are none."""
    rows = x[:ROWS].reshape(min(len(x), ROWS), -1).long().tolist()
    if letters is not None:
        text = "\n".join("".join(letters[v] for v in row) for row in rows)
    else:
        text = "\n".join(" ".join(map(str, row)) for row in rows)
    return Markup('<pre class="symbols">{}</pre>').format(text)
