"""`as_source`: whatever the caller holds in memory, or the path of a file, as rows of events."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loglik.data.checks import Origin, as_numbers, check_finite, conform
from loglik.data.files import check_columns, open_file
from loglik.data.infer import Evidence, stated_space
from loglik.data.source import Dataset, Memory, Source
from loglik.errors import ContextError, EmptyData, NotNumeric, ShapeMismatch, UsageError
from loglik.spaces import Category, Real, Space


def as_source(
    data: Any,
    context: Any = None,
    space: Space | str | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> Source:
    """Rows of events from a Source, tensor, array, list, DataFrame (pandas, polars, pyarrow) or path.

    Args:
        data: (N, *event), or (N,) for N events of one value.
        context: one context per row: an array (N, k) or (N,) beside arrays; names of columns for tables and paths.
        space: the space of the events, as a Space or in words ("integer:17"); inferred if None.
        columns: the columns to read, in this order; data without names must have as many, and is read by position.

    Raises:
        DataError: the data cannot be used; its subclasses say why. UsageError: not data at all.
    """
    if isinstance(data, Dataset):
        raise UsageError(f"Expected rows; got the data set {data.name!r}. Choose a part: .train, .valid or .test.")
    if isinstance(data, Source):
        kept = _kept_source(data, context, space)
        check_columns(kept, columns, "the source")
        return kept
    if isinstance(data, (str, os.PathLike)):
        return open_file(data, context=_names(context), space=space, columns=columns)
    if hasattr(type(data), "columns") or hasattr(type(data), "column_names"):  # what all tables have, and no array
        from loglik.data.frames import open_frame

        return open_frame(data, context=_names(context), space=space, columns=columns).read()
    memory = _memory(data, context, space)
    check_columns(memory, columns, "the data")
    return memory


def _memory(data: Any, context: Any, space: Space | str | None) -> Memory:
    x = as_tensor(data, Origin("the data"))
    shape = tuple(x.shape[1:])
    if space is None:
        evidence = Evidence()
        evidence.update(x)
        chosen = evidence.space(shape)
    else:
        chosen = stated_space(space, shape, "the data")
    x = conform(x, chosen, Origin("the data"))
    if context is None:
        return Memory(chosen, x)
    c, c_space = _context(context)
    if len(c) != len(x):
        raise ContextError(f"Expected one context per row, {len(x)}; got {len(c)}.")
    return Memory(chosen, x, c, c_space)


def as_tensor(data: Any, origin: Origin) -> Tensor:
    """Anything array-like as numbers (N, *event), N and all sizes at least 1; (N,) becomes (N, 1)."""
    if isinstance(data, Tensor):
        if data.is_complex():
            raise NotNumeric(f"Expected real numbers; got complex ones in {origin.name}. Split them into two values.")
        x = data.to(torch.uint8) if data.dtype == torch.bool else data
        x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    else:
        x = _numbers(data, origin)
    if x.ndim == 0:
        raise ShapeMismatch(f"Expected rows of events; got a single number in {origin.name}. Put it in a list.")
    if len(x) == 0:
        raise EmptyData(f"Expected at least one row; got none in {origin.name}.")
    if x.numel() == 0:
        raise ShapeMismatch(f"Expected at least one value per row; got shape {tuple(x.shape)} in {origin.name}.")
    return x.unsqueeze(1) if x.ndim == 1 else x


def _numbers(data: Any, origin: Origin) -> Tensor:
    try:
        array = np.asarray(data)
    except ValueError as error:  # rows of different lengths
        raise ShapeMismatch(f"Expected rows of one length; got different ones in {origin.name} ({error}).") from None
    if array.dtype == object and array.ndim == 0:
        raise UsageError(f"Expected a tensor, array, list, DataFrame, Source or path; got {type(data).__name__}.")
    return as_numbers(array, origin) if array.size else torch.empty(array.shape)


def _context(context: Any) -> tuple[Tensor, Space]:
    """Whole numbers (N,) are labels, a Category; anything else is Real."""
    flat = np.ndim(context) == 1
    c = as_tensor(context, Origin("the context"))
    check_finite(c, Origin("the context"))
    if flat and not c.is_floating_point() and int(c.min()) >= 0:
        labels = c[:, 0].long()
        return labels, Category((), max(2, int(labels.max()) + 1))
    c = c if c.is_floating_point() else c.double()
    return c, Real(tuple(c.shape[1:]))


def _kept_source(source: Source, context: Any, space: Space | str | None) -> Source:
    if context is not None:
        raise UsageError("A Source brings its own contexts; got another. Build the source with them.")
    wanted = source.space if space is None else stated_space(space, source.space.shape, "the source")
    if wanted == source.space:
        return source
    if not isinstance(source, Memory):
        raise UsageError(f"Expected a source of {wanted}; got one of {source.space}. Open it with space=...")
    x = conform(source.x, wanted, Origin("the source", source.columns))
    return Memory(wanted, x, source.context, source.context_space, source.columns)


def _names(context: Any) -> tuple[str, ...]:
    """Names of context columns; none is the empty tuple."""
    if context is None:
        return ()
    names = (context,) if isinstance(context, str) else context
    if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
        raise ContextError("Expected the names of context columns, for a table or file; got something else.")
    return tuple(names)
