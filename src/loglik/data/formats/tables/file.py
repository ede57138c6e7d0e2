"""A table or array in a file as rows of events: the reader follows from the name."""

import os
from collections.abc import Sequence

from loglik.data.source import Source
from loglik.errors import ShapeMismatch, UsageError
from loglik.spaces import Space

CSV = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PARQUET = (".parquet", ".pq")
TABLES = (*CSV, *PARQUET, ".npy", ".npz")


def open_table(
    path: str,
    context: Sequence[str],
    space: Space | str | None,
    columns: Sequence[str] | None,
    weights: str | None = None,
) -> Source:
    """The rows of a CSV, TSV, Parquet, NPY or NPZ file, streamed; `file.npz:key` chooses an array."""
    text, key = without_key(path)
    name = os.path.basename(text)
    lower = name.lower()
    if lower.endswith(CSV):
        from loglik.data.formats.tables.csv import CsvReader
        from loglik.data.formats.tables.table import TableSource

        return TableSource(CsvReader(text, name, columns), context, space, columns, weights)
    if lower.endswith(PARQUET):
        from loglik.data.formats.tables.parquet import ParquetReader
        from loglik.data.formats.tables.table import TableSource

        return TableSource(ParquetReader(text, name), context, space, columns, weights)
    if weights is not None:
        raise UsageError(f"An array has no named columns; got weights {weights!r} for {name}. Give them as an array.")
    from loglik.data.formats.npy import open_npy, open_npz

    if lower.endswith(".npy"):
        array = open_npy(text, name, context=context, space=space)
    else:
        array = open_npz(text, name, key, context=context, space=space)
    check_columns(array, columns, name)
    return array


def check_columns(source: Source, columns: Sequence[str] | None, name: str) -> None:
    """Raises ShapeMismatch unless the source has these columns; one without names is read by position."""
    if columns is None:
        return
    wanted = tuple(columns)
    if source.columns is not None and source.columns != wanted:
        raise ShapeMismatch(f"Expected the columns {', '.join(wanted)}; {name} has {', '.join(source.columns)}.")
    if source.space.dims != len(wanted):
        raise ShapeMismatch(f"Expected {len(wanted)} columns ({', '.join(wanted)}); got {source.space.dims} in {name}.")


def without_key(path: str) -> tuple[str, str]:
    """The path and the key of "data.npz:key"; other paths have no key."""
    head, colon, key = path.rpartition(":")
    return (head, key) if colon and head.lower().endswith(".npz") and not os.path.exists(path) else (path, "")
