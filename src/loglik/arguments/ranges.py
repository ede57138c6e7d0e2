"""Ranges of numbers: stated once beside the type, with one error message for values outside."""

import math
import numbers
from dataclasses import dataclass
from typing import Annotated, TypeGuard

from loglik.errors import UsageError

LARGEST_SEED = 2**64 - 1  # what torch's generators take
SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`; `above` leaves out the low end, `below` the high one. NaN is in none."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        over = value > self.low if self.above else value >= self.low
        return over and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        if not self.above and not self.below:
            return f"{number(self.low)} to {number(self.high)}"
        high = f"{'below' if self.below else 'at most'} {number(self.high)}"
        return f"{'above' if self.above else 'at least'} {number(self.low)} and {high}"


SEEDS = Range(0, LARGEST_SEED)
SAMPLES = Range(1, 10**6)  # K of a bound
TEMPERATURES = Range(0.0, 1e6, above=True)
MANY = Range(1, 10**12)
# The types of hyperparameters: `hyperparameters.checked` holds builders to them.
Layers = Annotated[int, Range(1, 1000)]
LayersOrNone = Annotated[int, Range(0, 1000)]
Dilations = Annotated[int, Range(1, 30)]  # layers whose reach doubles
Count = Annotated[int, Range(1, 10**9)]  # of what is laid out in memory, which sets the limit
Few = Annotated[int, Range(1, 10_000)]  # of what is done one after the other
Share = Annotated[float, Range(0.0, 1.0, below=True)]
Positive = Annotated[float, Range(0.0, 1e9, above=True)]
Finite = Annotated[float, Range(-1e100, 1e100)]  # in the units of the data, as are
Spread = Annotated[float, Range(0.0, 1e100, above=True)]
Tolerance = Annotated[float, Range(0.0, 1.0, above=True)]
Charge = Annotated[float, Range(0.0, 1e9)]


def whole(name: str, value: object, within: Range) -> int:
    """The value as an int, if it is a whole number (5 or 5.0) in the range.

    Raises:
        UsageError: it is something else; the message says the range and what came.
    """
    if is_number(value) and (_is_integer(value) or float(value).is_integer()):
        found = int(value)
        if found in within:
            return found
    raise UsageError(f"Expected {name} to be a whole number, {within}; got {shown(value)}.")


def real(name: str, value: object, within: Range) -> float:
    """The value as a float, if it is a number in the range; raises as `whole`."""
    if is_number(value):
        try:
            found = float(value)
        except OverflowError:  # of a whole number beyond 1.8e308
            found = math.inf
        if found in within:
            return found
    raise UsageError(f"Expected {name} to be a number, {within}; got {shown(value)}.")


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is one number, Python's or NumPy's; truth values are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return isinstance(value, numbers.Integral)


def number(value: float) -> str:
    """100000 and 1e+09, as short as is exact."""
    return str(value) if (isinstance(value, int) and value < 10**9) or value == LARGEST_SEED else f"{value:g}"


def shown(value: object) -> str:
    """A value in a message: its repr in one line, cut where it is long."""
    if is_number(value) and hasattr(value, "item"):  # NumPy's say their type
        value = value.item()
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4 * SHOWN:
        return "a number of hundreds of digits" if value > 0 else "a negative number of hundreds of digits"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an object whose repr fails is named by its type
        text = f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}\u2026"
