"""`as_source`: whatever the caller holds in memory, or the path of a file, as rows of events."""

import os
from collections.abc import Sequence

from loglik.data.checks import Origin, conform
from loglik.data.files import open_file
from loglik.data.formats.arrays import in_memory
from loglik.data.formats.loaders import is_loader, read_loader
from loglik.data.formats.tables.file import check_columns
from loglik.data.infer import stated_space
from loglik.data.source import Dataset, Memory, Source
from loglik.data.weights import weighted
from loglik.errors import ContextError, UsageError
from loglik.spaces import Space


def as_source(
    data: object,
    context: object = None,
    space: Space | str | None = None,
    *,
    columns: Sequence[str] | None = None,
    weights: object = None,
) -> Source:
    """Rows of events from a Source, tensor, array, list, DataFrame (pandas, polars, pyarrow), DataLoader or path.

    Args:
        data: (N, *event), or (N,) for N events of one value.
        context: one context per row: an array (N, k) or (N,) beside arrays; names of columns for tables and paths; True
            for the classes that subfolders stand for.
        space: the space of the events, as a Space or in words ("integer:17"); inferred if None.
        columns: the columns to read, in this order; data without names must have as many, and is read by position.
        weights: how many times each row counts in a fit, (N,), 0 or more; of tables and paths also a column's name.

    Raises:
        DataError: the data cannot be used; its subclasses say why. UsageError: not data at all.
    """
    if weights is not None and not isinstance(weights, str):
        return weighted(as_source(data, context, space, columns=columns), weights)
    if isinstance(data, Dataset):
        raise UsageError(f"Expected rows; got the data set {data.name!r}. Choose a part: .train, .valid or .test.")
    if is_loader(data):
        data, own = read_loader(data)
        context = own if context is None else context
    if isinstance(data, Source):
        if weights is not None:
            raise UsageError(f"A Source brings its own weights; got the column {weights!r}. Give them as (N,).")
        kept = _kept_source(data, context, space)
        check_columns(kept, columns, "the source")
        return kept
    if isinstance(data, (str, os.PathLike)):
        return open_file(
            data, context=True if context is True else _names(context), space=space, columns=columns, weights=weights
        )
    if hasattr(type(data), "columns") or hasattr(type(data), "column_names"):  # what all tables have, and no array
        from loglik.data.formats.tables.frames import open_frame

        return open_frame(data, context=_names(context), space=space, columns=columns, weights=weights).read()
    if weights is not None:
        raise UsageError(f"Expected one weight for each row, (N,); got {weights!r}, for data without named columns.")
    memory = in_memory(data, context, space)
    check_columns(memory, columns, "the data")
    return memory


def _kept_source(source: Source, context: object, space: Space | str | None) -> Source:
    if context is not None:
        raise UsageError("A Source brings its own contexts; got another. Build the source with them.")
    wanted = source.space if space is None else stated_space(space, source.space.shape, "the source")
    if wanted == source.space:
        return source
    if not isinstance(source, Memory):
        raise UsageError(f"Expected a source of {wanted}; got one of {source.space}. Open it with space=...")
    x = conform(source.x, wanted, Origin("the source", source.columns))
    return source.replaced(x, source.context, stream=source.stream, space=wanted)


def _names(context: object) -> tuple[str, ...]:
    """Names of context columns; none is the empty tuple."""
    if context is None:
        return ()
    names = (context,) if isinstance(context, str) else context
    if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
        raise ContextError("Expected the names of context columns, for a table or file; got something else.")
    return tuple(names)
