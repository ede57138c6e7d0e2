"""DataFrames of any library (pandas, polars, pyarrow and more) as tables, through narwhals."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from loglik.data.checks import EXACT_IN_FLOAT64, is_number, one_line
from loglik.data.formats.tables.columns import index_columns, merged
from loglik.data.formats.tables.reader import ColumnReader
from loglik.data.formats.tables.table import TableSource
from loglik.errors import DataError, NotNumeric, UnreadableData, UsageError
from loglik.spaces import Space

if TYPE_CHECKING:
    import pyarrow as pa


class FrameReader(ColumnReader):
    """The columns of an arrow table in memory."""

    def __init__(self, table: "pa.Table", name: str) -> None:
        self._table, self.name = table, name
        self.schema, self.rows, self.labels = table.schema, table.num_rows, index_columns(table.schema)

    def read(self, columns: Sequence[str], size: int) -> Iterator["pa.RecordBatch"]:
        yield from self._table.select(list(columns)).to_batches(max_chunksize=size)


def open_frame(
    data: Any,
    *,
    context: Sequence[str] = (),
    space: Space | str | None = None,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
) -> TableSource:
    """The rows of a DataFrame; see `as_source`.

    Raises:
        NotNumeric: a column that holds text among other things. UsageError: not a DataFrame.
    """
    return TableSource(FrameReader(_arrow(data), "the table"), context, space, columns, weights)


def _arrow(data: Any) -> "pa.Table":
    import narwhals as nw
    import pyarrow as pa

    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    try:
        frame = nw.from_native(data)
    except TypeError:
        raise UsageError(
            f"Expected a tensor, array, list, DataFrame, Source or path; got {type(data).__name__}."
        ) from None
    except (nw.exceptions.NarwhalsError, ValueError) as error:
        raise UnreadableData(
            f"Expected a table of columns with distinct names; got another ({one_line(error)}). Rename them."
        ) from None
    try:
        eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    except Exception as error:  # any library's: the query is the user's
        raise UnreadableData(f"Expected a query that gives a table; it fails with: {one_line(error)}.") from None
    eager = nw.maybe_reset_index(eager)  # the numbers of rows that a selection leaves behind are no data
    if not all(isinstance(name, str) for name in eager.columns) and len({type(name) for name in eager.columns}) > 1:
        raise UnreadableData("Expected names of columns that are texts; got names of several types. Rename them.")
    try:
        return eager.to_arrow()
    except (pa.ArrowException, TypeError, ValueError, OverflowError, nw.exceptions.NarwhalsError) as error:
        raise _mixed(eager, error) from None


def _mixed(frame: Any, error: Exception) -> DataError:
    """The error for columns of Python objects, with the first one that is no number or too large for one."""
    for name in frame.columns:
        for row, value in enumerate(frame[name].to_list()):
            if isinstance(value, int) and abs(value) > EXACT_IN_FLOAT64:
                return merged(name, str(value))
            if value is not None and not is_number(value):
                return NotNumeric(
                    f"Expected numbers in column {name!r}; got {str(value)[:40]!r} in row {row + 1} of the table. "
                    "Encode it as a number, or leave the column out."
                )
    return NotNumeric(
        f"Expected numbers; the table cannot be converted ({one_line(error)}). Convert its columns to plain numbers."
    )
