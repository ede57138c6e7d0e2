"""Hyperparameters are a builder's keyword-only arguments: read from its signature, checked against its annotations."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Union

from loglik.arguments.ranges import Range, is_number, real, shown, whole
from loglik.errors import UnknownName, UsageError
from loglik.records import Record
from loglik.spaces import Space, space_from_json

NUMBERS: dict[object, str] = {
    int: "whole numbers separated by commas, such as 128,128",
    float: "numbers separated by commas, such as 0,2.5",
}
MOST_PARTS = 100  # widths of one net


def hyperparameters(builder: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """name -> parameter (annotation and default), in the order of the signature."""
    parameters = inspect.signature(builder).parameters
    return {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def with_defaults(builder: Callable[..., object], given: Mapping[str, object]) -> Record:
    """The given hyperparameters and, for a record, the defaults of the others that JSON can hold.

    None stands for a default that the builder makes from the space.
    """
    defaults = {name: p.default for name, p in hyperparameters(builder).items()}
    plain = (int, float, str, tuple, type(None))
    return {name: value for name, value in {**defaults, **given}.items() if name in given or isinstance(value, plain)}


def checked(builder: Callable[..., object], model: str, given: Mapping[str, object]) -> Record:
    """The given hyperparameters with the types and within the ranges that the builder states.

    Text, as from a command line, is converted.

    Raises:
        UnknownName: the builder has no such hyperparameter.
        UsageError: a value of the wrong type, or outside the range.
    """
    known = hyperparameters(builder)
    hints = typing.get_type_hints(builder, include_extras=True) if given else {}
    values = {}
    for name, value in given.items():
        if name not in known:
            raise UnknownName(f"hyperparameter of {model}", str(name), known)
        if name not in hints:  # a builder of the user's own need not say
            values[name] = value
            continue
        try:
            values[name] = _convert(value, hints[name])
        except (TypeError, ValueError, OverflowError, KeyError):
            described = description(hints[name])
            raise UsageError(f"Expected {name} of {model} to be {described}; got {shown(value)}.") from None
    return values


def _convert(value: object, hint: object) -> object:
    """The value as the annotation has it; any of the errors that `checked` catches where it cannot be."""
    options = _options(hint)
    if type(None) in options and (value is None or (isinstance(value, str) and value in ("None", "none", ""))):
        return None
    kind, within = _range_of(next(option for option in options if option is not type(None)))
    origin = typing.get_origin(kind) or kind
    if origin is Sequence:
        return tuple(_convert(part, typing.get_args(kind)[0]) for part in _parts(value))
    if origin in (int, float):
        return _number(value, origin is int, within)
    if origin is Space:
        return _space(value)
    if origin is bool:
        return _truth(value)
    if origin is str and not isinstance(value, str):
        raise TypeError
    return value


def _number(value: object, is_whole: bool, within: Range) -> float:
    if isinstance(value, str):
        value = int(value) if is_whole else float(value)
    return whole("", value, within) if is_whole else real("", value, within)


def _space(value: object) -> Space:
    if isinstance(value, Space):
        return value
    if not isinstance(value, Mapping):
        raise TypeError
    return space_from_json(dict(value))


def _parts(value: object) -> Sequence[object]:
    """(128, 128), "128,128", an array or a single number as parts."""
    if isinstance(value, str):
        parts = value.strip("()[] ").split(",")
        return parts[:-1] if parts[-1].strip() == "" else parts
    value = value.tolist() if hasattr(value, "tolist") else value
    if is_number(value):
        return [value]
    if not isinstance(value, list | tuple | range) or len(value) > MOST_PARTS:
        raise TypeError
    return value


def _truth(value: object) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise ValueError
    return words[str(value).lower()]


def _options(hint: object) -> tuple[object, ...]:
    """int | None as (int, NoneType), int as (int,)."""
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)


def _range_of(kind: object) -> tuple[object, Range]:
    """Annotated[int, Range(1, 9)] as int and its range; a kind without one takes all numbers."""
    if typing.get_origin(kind) is not typing.Annotated:
        return kind, Range()
    kind, *about = typing.get_args(kind)
    return kind, next((found for found in about if isinstance(found, Range)), Range())


def description(hint: object) -> str:
    """What a hyperparameter of this annotation may be, in words: "a whole number, 1 to 1000"."""
    names: dict[object, str] = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a word",
        Space: "a space",
    }
    words = []
    for option in _options(hint):
        kind, within = _range_of(option)
        each = typing.get_origin(kind) is Sequence
        if each:
            kind, within = _range_of(typing.get_args(kind)[0])
        limits = "" if within == Range() else f", each {within}" if each else f", {within}"
        if kind is not type(None):
            known = NUMBERS if each else names
            words.append(known.get(kind, getattr(kind, "__name__", str(kind))) + limits)
    return " or ".join(words) + (", or none" if type(None) in _options(hint) else "")
