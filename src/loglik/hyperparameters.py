"""Hyperparameters are a builder's keyword-only arguments: read from its signature, checked against its annotations."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

from loglik.errors import UnknownName, UsageError
from loglik.spaces import Space, space_from_json

NUMBERS = "whole numbers separated by commas, such as 128,128"


def hyperparameters(builder: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """name -> parameter (annotation and default), in the order of the signature."""
    parameters = inspect.signature(builder).parameters
    return {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def with_defaults(builder: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given hyperparameters and, for a record, the defaults of the others that JSON can hold.

    None stands for a default that the builder makes from the space.
    """
    defaults = {name: p.default for name, p in hyperparameters(builder).items()}
    plain = (int, float, str, tuple, type(None))
    return {name: value for name, value in {**defaults, **given}.items() if name in given or isinstance(value, plain)}


def checked(builder: Callable[..., Any], model: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given hyperparameters with the types the builder states; text, as from a command line, is converted.

    Raises:
        UnknownName: the builder has no such hyperparameter.
        UsageError: a value of the wrong type.
    """
    known = hyperparameters(builder)
    hints = typing.get_type_hints(builder)
    values = {}
    for name, value in given.items():
        if name not in known:
            raise UnknownName(f"hyperparameter of {model}", name, known)
        try:
            values[name] = _convert(value, hints[name])
        except (TypeError, ValueError):
            raise UsageError(f"Expected {name} of {model} to be {_describe(hints[name])}; got {value!r}.") from None
    return values


def _convert(value: Any, hint: Any) -> Any:
    options = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    if type(None) in options and (value is None or value in ("None", "none", "")):
        return None
    kind = next(option for option in options if option is not type(None))
    origin = typing.get_origin(kind) or kind
    if origin is Sequence:
        parts = value.strip("()[] ").split(",") if isinstance(value, str) else value
        parts = [parts] if isinstance(parts, int | float) else parts
        return tuple(_convert(part, typing.get_args(kind)[0]) for part in parts if part != "")
    if origin is Space:
        if not isinstance(value, Space | dict):
            raise TypeError
        return value if isinstance(value, Space) else space_from_json(value)
    if origin is bool:
        return _truth(value)
    if origin is int:
        if isinstance(value, bool) or int(value) != float(value):
            raise TypeError
        return int(value)
    if origin is float:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    if not isinstance(value, str):
        raise TypeError
    return value


def _truth(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise ValueError
    return words[str(value).lower()]


def _describe(hint: Any) -> str:
    options = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", Space: "a space"}
    said = [names.get(option, NUMBERS) for option in options if option is not type(None)]
    return " or ".join(said) + (" or none" if type(None) in options else "")
