"""Named numeric columns, streamed: a table's rows as events, whatever file or frame they come from.

Only plain numbers for now; a table of mixed columns will be another source over the same `ColumnReader`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from loglik.data.checks import APART, EXACT_IN_FLOAT64, Origin, check_finite, conform, is_number
from loglik.data.infer import Evidence, stated_space
from loglik.data.source import Batch, Source
from loglik.errors import ContextError, EmptyData, NotNumeric, OutsideSpace, ShapeMismatch, UnreadableData
from loglik.spaces import Real, Space

if TYPE_CHECKING:
    import pyarrow as pa

VALUES_AT_ONCE = 1 << 21  # about so many values are read together: 16 MB in float64


class ColumnReader(ABC):
    """The columns of a file or frame, read in batches as often as asked.

    `schema` holds the arrow type of each column by name, as the data declares it; `rows` is None where only reading
    tells. `named` is False where the data has no names and the schema's are made up.
    """

    name: str
    schema: "pa.Schema"
    rows: int | None = None
    named: bool = True

    @abstractmethod
    def read(self, columns: Sequence[str], size: int) -> Iterator["pa.RecordBatch"]:
        """Batches with these columns, of about `size` rows."""


class TableSource(Source):
    """Rows of chosen columns as events (D,), and of others as contexts (k,), in bounded memory.

    Args:
        context: the names of the context columns, a Real((k,)).
        space: the space of the events; inferred if None, which reads the file once more if its types are whole numbers.
        columns: the names of the event columns in order; all but the context if None.

    Raises:
        EmptyData, NotNumeric, ShapeMismatch, ContextError: at once. NotFinite, OutsideSpace: at the batch concerned.
    """

    def __init__(
        self,
        reader: ColumnReader,
        context: Sequence[str] = (),
        space: Space | str | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        events, self._contexts = _choose(reader, context, columns)
        self._reader, self._names = reader, [*events, *self._contexts]
        self.rows = reader.rows
        self.columns = tuple(events) if reader.named else None
        self._origin = Origin(reader.name, self.columns)
        _check_types(reader, self._names)
        self._types = [reader.schema.field(name).type for name in self._names]
        self._dtype = np.float32 if all(str(t) in ("float", "halffloat") for t in self._types) else np.float64
        shape = (len(events),)
        self.context_space = Real((len(self._contexts),)) if self._contexts else None
        self.context_columns = tuple(self._contexts) or None
        if next(self._matrices(1), None) is None:
            raise EmptyData(f"Expected at least one row; got none in {reader.name}.")
        self.space = self._inferred(shape) if space is None else stated_space(space, shape, reader.name)

    def batches(self, size: int) -> Iterator[Batch]:
        first_row, dims = 0, self.space.dims
        context_origin = Origin(self._reader.name, tuple(self._contexts))
        for matrix in self._matrices(size):
            x = conform(matrix[:, :dims], self.space, self._origin, first_row)
            c = matrix[:, dims:] if self._contexts else None
            if c is not None:
                check_finite(c, context_origin, first_row)
            yield x, c
            first_row += len(matrix)

    def _matrices(self, size: int) -> Iterator[Tensor]:
        """All rows as float matrices (size, D + k), the last one as short as it comes."""
        held: list[Tensor] = []
        at_once = max(1, min(VALUES_AT_ONCE // len(self._names), max(size, 4096)))
        for batch in self._reader.read(self._names, at_once):
            held.append(torch.from_numpy(_matrix(batch, self._names, self._types, self._dtype)))
            while sum(map(len, held)) >= size:
                rows = held[0] if len(held) == 1 else torch.cat(held)
                yield rows[:size]
                held = [rows[size:]]
        if sum(map(len, held)):
            yield torch.cat(held)

    def _inferred(self, shape: tuple[int, ...]) -> Space:
        evidence = Evidence()
        if not all(_is_whole(self._reader.schema.field(name).type) for name in self._names[: shape[0]]):
            return Real(shape)
        first_row = 0
        for matrix in self._matrices(4096):
            x = matrix[:, : shape[0]]
            check_finite(x, self._origin, first_row)
            # A CSV's type is that of its first rows; a fraction may come later.
            evidence.update(x.long() if bool((x == x.floor()).all()) else x)
            if not evidence.whole:
                break
            first_row += len(matrix)
        return evidence.space(shape)


def _choose(reader: ColumnReader, context: Sequence[str], columns: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The names of the event and of the context columns, all of which are there."""
    names = list(reader.schema.names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableData(f"Expected distinct column names; got {twice[0]!r} twice in {reader.name}. Rename it.")
    for name in context:
        if name not in names:
            raise ContextError(f"Expected a context column {name!r}; {reader.name} has {_listed(names)}.")
    if columns is not None and not reader.named and len(columns) == len(names):
        columns = None  # a file without names is read by position
    events = [name for name in names if name not in context] if columns is None else list(columns)
    for name in events:
        if name not in names:
            raise ShapeMismatch(f"Expected a column {name!r}; {reader.name} has {_listed(names)}. Rename or add it.")
    if not events:
        raise ShapeMismatch(f"Expected at least one column of events; got none in {reader.name}.")
    return events, list(context)


def _listed(names: list[str], most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "") if names else "no columns"


def _check_types(reader: ColumnReader, names: Sequence[str]) -> None:
    """Raises NotNumeric for a column of text, dates or lists, with its first value that is no number."""
    import pyarrow as pa

    for name in names:
        kind = reader.schema.field(name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            raise not_numeric(reader, [name])
        plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if not (plain or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
            raise NotNumeric(
                f"Expected numbers in column {name!r}; got {kind} in {reader.name}. Convert it, or leave it out."
            )


def not_numeric(reader: ColumnReader, names: Sequence[str], reason: str = "") -> NotNumeric:
    """The error that names the first text in these columns of a reader of strings."""
    first_row = 0
    for batch in reader.read(names, 4096):
        texts = [batch.column(i).to_pylist() for i in range(len(names))]
        for row in range(batch.num_rows):
            for name, column in zip(names, texts, strict=True):
                if column[row] is not None and not is_number(column[row]):
                    return NotNumeric(
                        f"Expected numbers in column {name!r}; got the text {str(column[row])[:40]!r} in row "
                        f"{first_row + row + 1} of {reader.name}. Encode it as a number, or leave the column out."
                    )
        first_row += batch.num_rows
    reason = reason or f"column {names[0]!r} is declared as text"
    return NotNumeric(f"Expected numbers; {reason} in {reader.name}. Convert it to a numeric type.")


def _is_whole(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _matrix(
    batch: "pa.RecordBatch", names: Sequence[str], declared: Sequence[Any], dtype: Any
) -> "np.ndarray[Any, Any]":
    """The columns side by side, (B, D), of the `declared` types; what is missing becomes NaN."""
    import pyarrow as pa

    out = np.empty((batch.num_rows, len(names)), dtype=dtype)
    for j in range(len(names)):
        column = batch.column(j)
        plain = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        # Of booleans with gaps numpy would make objects, of decimals always.
        values = (column if plain else _as_double(column)).to_numpy(zero_copy_only=False)
        if pa.types.is_integer(declared[j]) and (far := _too_far(values)).any():
            value = values[far.argmax()]
            got = f"{value:.0f} as float64" if values.dtype.kind == "f" else str(value)
            raise OutsideSpace(f"Expected whole numbers within +-2^53 in column {names[j]!r}; got {got}. {APART}")
        out[:, j] = values
    return out


def _too_far(values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Where whole numbers may be others as float64. Read as such, from a CSV, 2^53 may have been 2^53 + 1."""
    if values.dtype.kind == "f":
        return (values >= EXACT_IN_FLOAT64) | (values <= -EXACT_IN_FLOAT64)
    return (values > EXACT_IN_FLOAT64) | (values < -EXACT_IN_FLOAT64)


def _as_double(column: Any) -> Any:
    import pyarrow as pa

    return (column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column).cast(pa.float64())
