"""Schemas of our JSON files: small checks, combined to one check of a whole file.

A check takes a value and its place in the file, such as `model.space.shape`, and raises `Wrong` where the value cannot
be. The message names the first error and the value found.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping

from loglik.errors import CorruptRun

if typing.TYPE_CHECKING:
    from _typeshed import DataclassInstance

Check = Callable[[object, str], None]

LARGEST = 1 << 63  # of whole numbers, which tensors count in
LONGEST = 1 << 20  # characters of a text, entries of a list that are not numbers
SHOWN = 60  # characters of a value in a message


class Wrong(ValueError):
    """A value that cannot be: where it stands, what was expected, what came."""

    def __init__(self, place: str, expected: str, value: object) -> None:
        super().__init__(f"expected {place or 'the whole'} to be {expected}; got {shown(value)}")


def check(value: object, against: Check, file: str) -> None:
    """Refuse a value read from a file.

    Raises:
        CorruptRun: with the first thing that is wrong.
    """
    try:
        against(value, "")
    except Wrong as error:
        raise CorruptRun(f"{file} is not as loglik writes it: {error}. Restore it, or fit again.") from None


def shown(value: object) -> str:
    """A value in few characters."""
    if isinstance(value, dict | list) and len(value) > 8:
        return f"{'a table' if isinstance(value, dict) else 'a list'} of {len(value)} entries"
    if isinstance(value, int) and abs(value) >= LARGEST:
        return f"a whole number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def whole(low: int = -LARGEST, high: int = LARGEST) -> Check:
    def look(value: object, place: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            limits = "" if (low, high) == (-LARGEST, LARGEST) else f" from {low} to {high}"
            raise Wrong(place, f"a whole number{limits}", value)

    return look


def number(low: float = -math.inf, high: float = math.inf, *, finite: bool = True) -> Check:
    """finite: NaN and the infinities, which JSON has not but Python writes, are none."""

    def look(value: object, place: str) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            is_finite = math.isfinite(float_of(value))
            if (is_finite and low <= value <= high) or (not is_finite and not finite):
                return
        limits = "" if (low, high) == (-math.inf, math.inf) else f" from {low:g} to {high:g}"
        raise Wrong(place, f"a {'finite ' if finite else ''}number{limits}", value)

    return look


def float_of(value: float) -> float:
    """A whole number beyond all floats is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def text(longest: int = LONGEST) -> Check:
    def look(value: object, place: str) -> None:
        if not isinstance(value, str) or len(value) > longest:
            raise Wrong(place, f"a text of at most {longest} characters", value)

    return look


def truth(value: object, place: str) -> None:
    if not isinstance(value, bool):
        raise Wrong(place, "true or false", value)


def one_of(*values: str) -> Check:
    def look(value: object, place: str) -> None:
        if not isinstance(value, str) or value not in values:
            raise Wrong(place, f"one of {', '.join(values)}", value)

    return look


def none_or(other: Check) -> Check:
    def look(value: object, place: str) -> None:
        if value is not None:
            other(value, place)

    return look


def listed(each: Check, least: int = 0, most: int = LONGEST) -> Check:
    def look(value: object, place: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise Wrong(place, f"a list of {least} to {most} entries", value)
        for i, entry in enumerate(value):
            each(entry, f"{place}[{i}]")

    return look


def table(
    needed: Mapping[str, Check] | None = None,
    maybe: Mapping[str, Check] | None = None,
    *,
    others: Check | None = None,
) -> Check:
    """Entries that must be there, entries that may be, and the check of all others; without one there are none."""
    needed, maybe = needed or {}, maybe or {}

    def look(value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise Wrong(place, "a table", value)
        for name in needed:
            if name not in value:
                raise Wrong(_within(place, name), "there", None)
        for name, entry in value.items():
            against = needed.get(name) or maybe.get(name) or others
            if against is None:
                raise Wrong(_within(place, name), "absent, as nothing of this name is known", entry)
            against(entry, _within(place, name))

    return look


def plain(depth: int = 6) -> Check:
    """Any value, nested so deep at most."""

    def look(value: object, place: str) -> None:
        if isinstance(value, dict | list):
            if not depth:
                raise Wrong(place, "nested less deep", value)
            inner = plain(depth - 1)
            for name, entry in value.items() if isinstance(value, dict) else enumerate(value):
                inner(entry, _within(place, str(name)))

    return look


def fields_of(kind: "type[DataclassInstance]", *, finite: bool = True, **special: Check) -> Check:
    """The fields of a dataclass of numbers, texts and truths by their annotations; those with a default may be absent.

    special: checks of fields by name, in place of those that follow from the annotation.
    """
    hints = typing.get_type_hints(kind)
    needed: dict[str, Check] = {}
    maybe: dict[str, Check] = {}
    for field in dataclasses.fields(kind):
        defaults = (field.default, field.default_factory)
        part = needed if all(default is dataclasses.MISSING for default in defaults) else maybe
        part[field.name] = special[field.name] if field.name in special else _annotated(hints[field.name], finite)
    return table(needed, maybe)


def _annotated(hint: object, finite: bool) -> Check:
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if type(None) in options:
        return none_or(_annotated(next(option for option in options if option is not type(None)), finite))
    checks: dict[object, Check] = {int: whole(), float: number(finite=finite), str: text(), bool: truth}
    return checks[hint]


def _within(place: str, name: str) -> str:
    name = name if len(name) <= SHOWN else f"{name[:SHOWN]}..."
    return f"{place}.{name}" if place else name
