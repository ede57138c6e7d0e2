"""What the template lays out: sections, each one figure or a row of cards."""

from dataclasses import dataclass, field

from markupsafe import Markup

LEAST = 3  # columns, so that one or two cards do not fill the page


@dataclass(frozen=True)
class Card:
    """A small multiple: a title in the model's colour, pictures one below the other, and a note."""

    title: str
    colour: str = "ink"
    note: str = ""
    pictures: list[Markup] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """A titled part of the page, with a caption that says how to read it; a figure, or cards in so many columns."""

    title: str
    caption: str = ""
    figure: Markup | None = None
    cards: list[Card] = field(default_factory=list)
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
