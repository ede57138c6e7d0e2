"""Figures with matplotlib, without pyplot and its global state, as SVG that takes on the colours of its page."""

import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from markupsafe import Markup

from loglik.output.visible import visible
from loglik.report.palette import COLOURS, light

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCH = 96.0  # CSS pixels
LONGEST = 22  # characters of a name in a figure
STYLE = {
    "svg.fonttype": "none",  # text stays text, in the font of the page
    "svg.hashsalt": "loglik",
    "text.parse_math": False,  # names may hold $, _, ^ and backslashes
    "font.size": 9.0,
    "axes.edgecolor": light("muted"),
    "axes.labelcolor": light("muted"),
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,  # a tick says its whole number
    "axes.formatter.limits": (-5, 7),
    "text.color": light("ink"),
    "xtick.color": light("muted"),
    "ytick.color": light("muted"),
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "xtick.minor.size": 1.5,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "grid.color": light("rule"),
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
}


@contextmanager
def styled() -> Iterator[None]:
    """The look of all figures, for as long as one is made."""
    from matplotlib import rc_context

    with rc_context(STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        # The font that measures lacks some glyphs; the fonts of the page have them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def canvas(width: float, height: float) -> "Figure":
    """An empty figure of so many CSS pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / INCH, height / INCH), layout="constrained")


def panel(width: float, height: float) -> "tuple[Figure, Axes]":
    figure = canvas(width, height)
    return figure, figure.subplots()


def seconds_axis(axes: "Axes", name: str, seconds: Sequence[float], margin: float, least: float) -> None:
    """A logarithmic axis that holds these seconds with a margin of its length, with plain numbers.

    least: where what took less than this stands, if anything does; its tick says so.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = min(seconds), max(seconds)
    aside = max((high / low) ** margin, 1.3)
    axes.set_xscale("log")
    axes.set_xlim(low / aside, high * aside)
    between = (1.0,) if high > 300.0 * low else (1.0, 2.0, 5.0)
    brief = "\u2264" if low <= least else ""
    axes.xaxis.set_major_locator(LogLocator(subs=between))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: (brief if math.isclose(x, least) else "") + f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(name)


def short(name: str, most: int = LONGEST) -> str:
    """A name that fits into a figure; a longer one keeps its beginning and its end."""
    name = visible(name)
    if len(name) <= most:
        return name
    end = (most - 1) // 2
    return f"{name[: most - 1 - end]}\u2026{name[-end:]}"


def to_svg(figure: "Figure", name: str, label: str) -> Markup:
    """The figure as an inline <svg>: colours by name, the page's font, ids of its own, no addresses of other hosts."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r"font: (?:[a-z]+ )?([\d.]+px) [^;\"]*", r"font-size: \1", text)
    for colour, (value, _) in COLOURS.items():
        text = text.replace(value, f"var(--{colour})")
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    text = re.sub(r"\n\s*", "\n", text)
    width, height = (float(value) for value in re.findall(r'(?:width|height)="([\d.]+)pt"', text)[:2])
    head = f'<svg role="img" aria-label="{Markup.escape(visible(label))}" viewBox="0 0 {width:g} {height:g}">'
    return Markup(head + text[text.index(">") + 1 :])
