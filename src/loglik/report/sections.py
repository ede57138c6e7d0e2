"""What the template lays out: sections, each one figure or a row of cards."""

from collections.abc import Callable
from dataclasses import dataclass, field

from markupsafe import Markup

LEAST = 3  # columns, so that one or two cards do not fill the page
NARROW = 358  # pixels: the width of a figure on a telephone

Drawing = Callable[[float], Markup]  # a figure of so many pixels


@dataclass(frozen=True)
class Card:
    """A small multiple: a title in the model's colour, pictures one below the other, and a note."""

    title: str
    colour: str = "ink"
    note: str = ""
    pictures: list[Markup] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """A titled part of the page, with a caption that says how to read it; a figure, or cards in so many columns.

    notes: what the figure does not show, one sentence each. narrow: the figure again, as drawn for narrow pages, where
    text scaled down with the wide one could not be read.
    """

    title: str
    caption: str = ""
    figure: Markup | None = None
    narrow: Markup | None = None
    cards: list[Card] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    half: bool = False  # two of these stand side by side
    most: int = 5  # cards in a row

    @property
    def columns(self) -> int:
        """Rows of cards as even as they can be, at most `most` in a row."""
        rows = -(-len(self.cards) // self.most) or 1
        return max(-(-len(self.cards) // rows), min(LEAST, self.most))

    @property
    def empty(self) -> bool:
        return not (self.figure or self.cards)


def charted(
    title: str, caption: str, drawing: Drawing, width: float, notes: list[str] | None = None, *, half: bool = False
) -> Section:
    """A section of one figure, drawn for wide pages and for narrow ones."""
    return Section(title, caption, drawing(width), drawing(NARROW), notes=notes or [], half=half)
