"""A path as rows of events: the format follows from the name, and what is wrong is said in one line."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from loglik.data.source import Source
from loglik.errors import DataNotFound, EmptyData, ShapeMismatch, UnreadableData
from loglik.spaces import Space

CSV = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PARQUET = (".parquet", ".pq")
KNOWN = (*CSV, *PARQUET, ".npy", ".npz")


def open_file(
    path: str | os.PathLike[str],
    *,
    context: Sequence[str] = (),
    space: Space | str | None = None,
    columns: Sequence[str] | None = None,
) -> Source:
    """The rows of a CSV, TSV, Parquet, NPY or NPZ file, streamed; `file.npz:key` chooses an array.

    Raises:
        DataNotFound: no such file. EmptyData: an empty one. UnreadableData: a folder, an unknown or damaged format.
        NotNumeric, NotFinite, OutsideSpace: what the file holds, by row and column. ShapeMismatch: a missing column.
    """
    text, key = _without_key(os.fspath(path))
    check_file(text)
    name = os.path.basename(text)
    lower = name.lower()
    if lower.endswith(CSV):
        from loglik.data.csv_reader import CsvReader
        from loglik.data.tables import TableSource

        return TableSource(CsvReader(text, name), context, space, columns)
    if lower.endswith(PARQUET):
        from loglik.data.parquet_reader import ParquetReader
        from loglik.data.tables import TableSource

        return TableSource(ParquetReader(text, name), context, space, columns)
    if lower.endswith((".npy", ".npz")):
        from loglik.data.npy import open_npy, open_npz

        if lower.endswith(".npy"):
            array = open_npy(text, name, context=context, space=space)
        else:
            array = open_npz(text, name, key, context=context, space=space)
        check_columns(array, columns, name)
        return array
    raise UnreadableData(f"Expected a file ending in {', '.join(KNOWN)}; got {name}. Convert it to one of these.")


def check_file(path: str) -> None:
    """Raises DataNotFound, UnreadableData or EmptyData unless `path` is a file that can be read and holds something."""
    if not os.path.exists(path):
        raise DataNotFound(f"Expected a file at {path}; there is none.{_near(path)}")
    if os.path.isdir(path):
        raise UnreadableData(f"Expected a file; got the folder {path}. Name a file inside it.")
    if not os.access(path, os.R_OK):
        raise UnreadableData(f"Expected a file that can be read; got {path}, which this user may not read.")
    if os.path.getsize(path) == 0:
        raise EmptyData(f"Expected rows of numbers; got an empty file, {path}.")


def check_columns(source: Source, columns: Sequence[str] | None, name: str) -> None:
    """Raises ShapeMismatch unless the source has these columns; one without names is read by position."""
    if columns is None:
        return
    wanted = tuple(columns)
    if source.columns is not None and source.columns != wanted:
        raise ShapeMismatch(f"Expected the columns {', '.join(wanted)}; {name} has {', '.join(source.columns)}.")
    if source.space.dims != len(wanted):
        raise ShapeMismatch(f"Expected {len(wanted)} columns ({', '.join(wanted)}); got {source.space.dims} in {name}.")


def _near(path: str) -> str:
    """Files of nearly this name in the same folder, or the folder that is missing."""
    folder = Path(path).parent
    if not folder.is_dir():
        return f" The folder {folder} does not exist."
    names = [entry.name for entry in folder.iterdir()]
    near = difflib.get_close_matches(Path(path).name, names, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else " Check the path."


def _without_key(path: str) -> tuple[str, str]:
    """The path and the key of "data.npz:key"; other paths have no key."""
    head, colon, key = path.rpartition(":")
    return (head, key) if colon and head.lower().endswith(".npz") and not os.path.exists(path) else (path, "")
