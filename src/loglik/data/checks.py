"""Checks of all values: each must be a number of the space. Errors name the first other one by row and column.

Of reals NaN is a value that is missing. Whole numbers, labels and contexts have none missing; nothing is infinite.

Rows and columns are counted from 1, without the header.
"""

import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike
from torch import Tensor

from loglik.errors import NotFinite, NotNumeric, OutsideSpace, UnreadableData
from loglik.spaces import Space

EXACT_IN_FLOAT64 = 2**53
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE | re.ASCII)
WORDS = frozenset(("true", "false", "", "na", "n/a", "#n/a", "null"))
MARKS = frozenset(("", "?", "-", "--", ".", "*"))  # of what is missing, as people write beside NA and NaN
SWAPPED = str.maketrans(",.", ".,")  # between decimal comma and decimal point
APART = "As reals larger ones are no longer told apart; subtract a number from the column, or leave it out."


Array = np.ndarray[Any, Any]  # of any shape and type


@dataclass(frozen=True)
class Origin:
    """Where values come from, for messages: the name of the data, and of its columns if they have names."""

    name: str
    columns: tuple[str, ...] | None = None

    def place(self, row: int, flat: int, shape: tuple[int, ...]) -> str:
        """Row number `row` from 0 and the position `flat` in an event of `shape`, in words, counted from 1."""
        where = f"row {row + 1}"
        if self.columns is not None:
            return f"{where}, column {self.columns[flat]!r} of {self.name}"
        if len(shape) <= 1:
            return f"{where}, column {flat + 1} of {self.name} (counting from 1)"
        index = tuple(int(i) + 1 for i in np.unravel_index(flat, shape))
        return f"{where}, position {index} of {self.name} (counting from 1)"


def as_numbers(array: Array, origin: Origin) -> Tensor:
    """An array of any numeric type as a tensor of a type torch computes with; booleans become 0 and 1.

    Raises:
        NotNumeric: text or complex numbers. UnreadableData: Python objects, structured or date types. OutsideSpace:
        whole numbers that no type of torch holds.
    """
    kind = array.dtype.kind
    if kind in "US":
        raise _text(array, origin)
    if kind == "c":
        raise NotNumeric(f"Expected real numbers; got complex ones in {origin.name}. Split them into two values.")
    if kind == "O":
        return torch.from_numpy(_unboxed(array, origin))
    if array.dtype.names:
        raise UnreadableData(
            f"Expected an array of numbers; got one of records with the fields {', '.join(array.dtype.names)[:80]} in "
            f"{origin.name}. Convert it with numpy.lib.recfunctions.structured_to_unstructured."
        )
    if kind not in "biuf":
        raise UnreadableData(f"Expected an array of numbers; got {array.dtype} in {origin.name}. Convert it first.")
    if kind == "u" and array.dtype.itemsize == 8 and int(array.max(initial=0)) > EXACT_IN_FLOAT64:
        raise _beyond(array, origin)
    # A copy: torch refuses read-only memory (memory maps), foreign byte orders and negative strides.
    with np.errstate(over="ignore"):  # of long doubles; an infinity is refused by its place
        return torch.from_numpy(np.array(array, dtype=_torch_type(array.dtype), order="C"))


def _torch_type(dtype: np.dtype[np.generic]) -> DTypeLike:
    """The type of torch that numbers of a numpy type are kept in."""
    if dtype == np.uint8 or dtype.kind == "b":
        return np.uint8
    if dtype.kind in "iu":
        return np.int64
    return np.float64 if dtype.itemsize > 4 else np.float32


def _text(array: Array, origin: Origin) -> NotNumeric:
    """The error for an array of text, with the first that is no number."""
    if _beyond_unicode(array):
        return NotNumeric(f"Expected numbers; got text in {origin.name} that is damaged. Save numbers, not text.")
    row, flat = _first(array, lambda value: not is_number(value))
    value = array.reshape(len(array), -1)[row, flat]
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    advice = "Convert it with .astype(float)." if is_number(text) else "Encode it as numbers."
    return NotNumeric(
        f"Expected numbers; got text such as {text[:40]!r} at {origin.place(row, flat, array.shape[1:])}. {advice}"
    )


def _beyond_unicode(array: Array) -> bool:
    """Whether text holds codes that are no characters, as in a damaged file; Python cannot make strings of them."""
    if array.dtype.kind != "U" or not array.dtype.itemsize:
        return False
    codes = np.ascontiguousarray(array).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
    return int(codes.max(initial=0)) > sys.maxunicode


def _unboxed(array: Array, origin: Origin) -> Array:
    """Python's numbers as float64."""
    row, flat = _first(array, lambda value: not isinstance(value, (Real, Decimal)))
    value = array.reshape(len(array), -1)[row, flat]
    if not isinstance(value, (Real, Decimal)):
        shown = " ".join(repr(value).split())[:40]
        raise UnreadableData(
            f"Expected an array of numbers; got Python objects, such as {shown} at "
            f"{origin.place(row, flat, array.shape[1:])}. Convert them to numbers."
        )
    if any(isinstance(value, Integral) and abs(int(value)) > EXACT_IN_FLOAT64 for value in array.flat):
        raise _beyond(array, origin)
    return array.astype(np.float64)


def _beyond(array: Array, origin: Origin) -> OutsideSpace:
    """The error for the first whole number that float64 may merge with others."""
    row, flat = _first(array, lambda value: isinstance(value, Integral) and abs(int(value)) > EXACT_IN_FLOAT64)
    return OutsideSpace(
        f"Expected whole numbers within +-2^53; got {array.reshape(len(array), -1)[row, flat]} at "
        f"{origin.place(row, flat, array.shape[1:])}. {APART}"
    )


def conform(x: Tensor, space: Space, origin: Origin, first_row: int = 0) -> Tensor:
    """Rows (B, ...) as stored events (B, *shape), checked: reals as they are, discrete values in the narrowest type.

    Raises:
        NotFinite: an infinity, or NaN in a discrete space. OutsideSpace: a fraction or a level that such a space does
        not hold.
    """
    x = x.detach().reshape(len(x), *space.shape)
    if space.limits is None:
        check_not_infinite(x, origin, first_row)
        return x if x.is_floating_point() else _as_reals(x, origin, first_row)
    check_finite(x, origin, first_row)
    # A bound beyond a narrow type would wrap around: of bytes, no value is above 255.
    top = space.limits[1]
    high = top if x.is_floating_point() else min(top, torch.iinfo(x.dtype).max)
    outside = (x < 0) | (x > high)
    if x.is_floating_point():
        outside |= x != x.floor()
    if bool(outside.any()):
        row, flat = _locate(outside)
        value = x.reshape(len(x), -1)[row, flat].item()
        raise OutsideSpace(
            f"Expected whole numbers 0..{top}; got {value:g} at "
            f"{origin.place(first_row + row, flat, space.shape)}. State another space, or correct the value."
        )
    return x.to(space.dtype)


def _as_reals(x: Tensor, origin: Origin, first_row: int) -> Tensor:
    """Whole numbers as float64, which holds them exactly up to 2^53."""
    if x.element_size() == 8:
        far = (x > EXACT_IN_FLOAT64) | (x < -EXACT_IN_FLOAT64)
        if bool(far.any()):
            row, flat = _locate(far)
            raise OutsideSpace(
                f"Expected whole numbers within +-2^53; got {x.reshape(len(x), -1)[row, flat].item()} at "
                f"{origin.place(first_row + row, flat, tuple(x.shape[1:]))}. {APART}"
            )
    return x.double()


def check_finite(x: Tensor, origin: Origin, first_row: int = 0) -> None:
    """Raises NotFinite, naming the first value of (B, *event) that is NaN or infinite."""
    if x.is_floating_point():
        _refuse_first(~torch.isfinite(x), x, origin, first_row)


def check_not_infinite(x: Tensor, origin: Origin, first_row: int = 0) -> None:
    """Raises NotFinite, naming the first value of (B, *event) that is infinite."""
    if x.is_floating_point():
        _refuse_first(torch.isinf(x), x, origin, first_row)


def _refuse_first(bad: Tensor, x: Tensor, origin: Origin, first_row: int) -> None:
    if bool(bad.any()):
        row, flat = _locate(bad)
        value = x.reshape(len(x), -1)[row, flat].item()
        what = "a missing value or NaN" if math.isnan(value) else "an infinity"
        raise NotFinite(
            f"Expected finite numbers; got {what} at {origin.place(first_row + row, flat, tuple(x.shape[1:]))}. "
            "Remove the row or fill in the value."
        )


def whole_with_a_gap(place: str) -> NotFinite:
    """The error for whole numbers one of which is missing: one gap must not make a density of a probability."""
    return NotFinite(
        f"Expected whole numbers throughout; got a missing value at {place}. Remove the row, fill in the value, or "
        "state the space real, where values may be missing (--space real)."
    )


def _locate(bad: Tensor) -> tuple[int, int]:
    """The first true entry of (B, *event): its row, and its place in the flat event."""
    flat = bad.reshape(len(bad), -1)
    row = int(flat.any(dim=1).int().argmax())
    return row, int(flat[row].int().argmax())


def _first(array: Array, wrong: Callable[[object], bool]) -> tuple[int, int]:
    rows = array.reshape(len(array), -1)
    found = ((i, j) for i in range(len(rows)) for j in range(rows.shape[1]) if wrong(rows[i, j]))
    return next(found, (0, 0))


def is_number(value: Any) -> bool:
    """Whether a value of a table reads as a number; yes and no count as well, missing values too.

    A text must be written as numbers are in files: Python would also take 1_000, which elsewhere is no number.
    """
    if isinstance(value, str):
        text = value.strip(" \t")
        return NUMBER.fullmatch(text) is not None or text.lower() in WORDS
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def one_line(error: Exception) -> str:
    """Another library's message, shortened to one line, without control characters."""
    line = " ".join(str(error).split())[:160]
    return "".join(c if c.isprintable() else "?" for c in line)
