"""The space of a user's data: inferred from type and values, or stated, as a Space or in words."""

from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.errors import ShapeMismatch, UnknownName, UsageError
from loglik.spaces import Category, Integer, Real, Space

PIXEL_MAX = 255  # integers beyond a byte are counts or codes: their space is stated by the user, not guessed
KINDS = ("real", "integer", "category")


@dataclass
class Evidence:
    """What decides the space, gathered batch by batch.

    Whole, non-negative values up to 255 of an integer type are Integer with max + 1 levels; all else is Real. The type
    counts, not the value: floats that happen to be whole stay Real, or a subset of the rows could change the measure.
    """

    whole: bool = True
    high: int = 0

    def update(self, x: Tensor) -> None:
        if x.is_floating_point():
            self.whole = False
        if self.whole and x.numel():
            low, high = (int(v) for v in torch.aminmax(x))
            self.whole = low >= 0 and high <= PIXEL_MAX
            self.high = max(self.high, high)

    def space(self, shape: tuple[int, ...]) -> Space:
        """The inferred space; a constant 0 still has two levels."""
        return Integer(shape, max(2, self.high + 1)) if self.whole else Real(shape)


def parse_space(text: str, shape: tuple[int, ...]) -> Space:
    """The space that "real", "integer:17" or "category:5" states for events of `shape`; the number is of levels."""
    kind, colon, levels = text.strip().lower().partition(":")
    if kind not in KINDS:
        raise UnknownName("space", kind, KINDS, "Write real, integer:LEVELS or category:LEVELS.")
    if kind == "real" and not colon:
        return Real(shape)
    if kind == "real" or not levels.isdecimal():
        raise UsageError(
            f"Expected a space as real, integer:LEVELS or category:LEVELS; got {text!r}. LEVELS is a whole number, "
            "such as integer:256."
        )
    return {"integer": Integer, "category": Category}[kind](shape, int(levels))


def stated_space(space: Space | str, shape: tuple[int, ...], name: str) -> Space:
    """The space that the caller states, for data whose rows have `shape`.

    Flat rows (D,) may be laid out as any shape of D values, and (H, W) as (1, H, W); other layouts are refused, for
    reordering axes (channels last to channels first) is not ours to guess.
    """
    if isinstance(space, str):
        return parse_space(space, shape)
    same_values = shape == (space.dims,) or (1, *shape) == space.shape
    if shape != space.shape and not same_values:
        raise ShapeMismatch(
            f"Expected events of shape {space.shape}; got rows of shape {shape} in {name}. Give rows of that shape."
        )
    return space
