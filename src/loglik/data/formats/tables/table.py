"""Named numeric columns, streamed: a table's rows as events, whatever file or frame they come from.

Only plain numbers for now; a table of mixed columns will be another source over the same `ColumnReader`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from loglik.arguments.memory import check_memory
from loglik.data.checks import (
    EXACT_IN_FLOAT64,
    Array,
    Origin,
    check_finite,
    check_not_infinite,
    conform,
    whole_with_a_gap,
)
from loglik.data.formats.tables.columns import Numbers, as_matrix, check_types, merged
from loglik.data.formats.tables.reader import ColumnReader
from loglik.data.infer import Evidence, stated_space
from loglik.data.source import Batch, Memory, Source, rebatched
from loglik.data.weights import check_weights
from loglik.errors import ContextError, EmptyData, ShapeMismatch, UnreadableData
from loglik.ops import missing_in_words
from loglik.spaces import Real, Space

if TYPE_CHECKING:
    import pyarrow as pa

VALUES_AT_ONCE = 1 << 21  # about so many values are read together: 16 MB in float64


class TableSource(Source):
    """Rows of chosen columns as events (D,), and of others as contexts (k,), in bounded memory.

    Args:
        context: the names of the context columns, a Real((k,)).
        space: the space of the events; inferred if None, which reads the file once more if its types are whole numbers.
        columns: the names of the event columns in order; all but the context and the weights if None.
        weights: the name of the column that says how many times each row counts.

    Raises:
        EmptyData, NotNumeric, ShapeMismatch, ContextError: at once. NotFinite, OutsideSpace: at the batch concerned.
    """

    def __init__(
        self,
        reader: ColumnReader,
        context: Sequence[str] = (),
        space: Space | str | None = None,
        columns: Sequence[str] | None = None,
        weights: str | None = None,
    ) -> None:
        events, self._contexts = _choose(reader, context, columns, weights)
        self.weights_column = weights
        self._reader, self._names = reader, [*events, *self._contexts, *([] if weights is None else [weights])]
        known = {*self._names, *reader.labels}
        self._unread = [name for name in reader.schema.names if name not in known]
        self.rows = reader.rows
        self.columns = tuple(events) if reader.named else None
        self._origin = Origin(reader.name, self.columns)
        check_types(reader, self._names)
        types = dict(zip(reader.schema.names, reader.schema.types, strict=True))
        self._types = [types[name] for name in self._names]
        self._exact: set[str] = set()  # columns of large numbers whose digits are all kept
        self._dtype: Numbers = np.float32 if all(str(t) in ("float", "halffloat") for t in self._types) else np.float64
        shape = (len(events),)
        self.context_space = Real((len(self._contexts),)) if self._contexts else None
        self.context_columns = tuple(self._contexts) or None
        if next(self._matrices(1), None) is None:
            raise EmptyData(f"Expected at least one row; got none in {reader.name}. Add rows, or name another file.")
        self.space = self._inferred(shape) if space is None else stated_space(space, shape, reader.name)
        self._tell(self, self.rows)

    def read(self) -> Memory:
        rows = self.rows or self._reader.about or 0
        size = self.space.dtype.itemsize
        held = 2 * rows * len(self._names) * size  # in parts, and then in one piece
        what = f"{self._reader.name}, {'' if self.rows else 'about '}{rows} rows of {len(self._names)} columns,"
        check_memory(held, what, "Take fewer rows or columns.")
        whole = super().read()
        self._tell(whole, whole.rows)
        return whole

    def _tell(self, source: Source, rows: int | None) -> None:
        """Write into a source how the data were understood."""
        source.read_as = self._read_as(rows) + missing_in_words(source.gaps)
        source.remark = "" if self._reader.plain else f"read as: {source.read_as}"

    def _read_as(self, rows: int | None) -> str:
        size = _counted(len(self._names) - (self.weights_column is not None), "column")
        if rows is not None:
            size = f"{_counted(rows, 'row')} of {size}"
        unread = [f"{_columns(self._unread)} left out"] if self._unread else []
        weights = [] if self.weights_column is None else [f"weights in column {self.weights_column!r}"]
        return ", ".join([*self._reader.notes, size, *weights, *self._reader.left_out, *unread])

    def batches(self, size: int) -> Iterator[Batch]:
        for x, c, _ in self.weighted_batches(size):
            yield x, c

    def weighted_batches(self, size: int) -> Iterator[tuple[Tensor, Tensor | None, Tensor | None]]:
        first_row, dims, end = 0, self.space.dims, self.space.dims + len(self._contexts)
        context_origin = Origin(self._reader.name, tuple(self._contexts))
        weights_origin = Origin(self._reader.name, tuple(self._names[end:]))
        for matrix in self._matrices(size):
            x = conform(matrix[:, :dims], self.space, self._origin, first_row)
            c = matrix[:, dims:end] if self._contexts else None
            if c is not None:
                check_finite(c, context_origin, first_row)
            w = matrix[:, end:] if self.weights_column is not None else None
            if w is not None:
                check_weights(w, weights_origin, first_row)
            yield x, c, None if w is None else w[:, 0].double()
            first_row += len(matrix)

    def _matrices(self, size: int) -> Iterator[Tensor]:
        """All rows as float matrices (size, D + k), the last one as short as it comes."""
        for matrix, _ in rebatched(((values, None) for values in self._parts(size)), size):
            yield matrix

    def _parts(self, size: int) -> Iterator[Tensor]:
        """All rows as float matrices, as they come from the reader."""
        at_once = max(1, min(VALUES_AT_ONCE // len(self._names), max(size, 4096)))
        for batch in self._reader.read(self._names, at_once):
            values = as_matrix(batch, self._names, self._types, self._dtype)
            if self._reader.reals_from_text:
                self._check_digits(values)
            yield torch.from_numpy(values)

    def _check_digits(self, values: Array) -> None:
        """Raises OutsideSpace where identifiers of many digits have become reals."""
        if values.max(initial=0.0) < EXACT_IN_FLOAT64 and values.min(initial=0.0) > -EXACT_IN_FLOAT64:
            return  # not so where a value is missing
        for j in np.flatnonzero((np.abs(values) >= EXACT_IN_FLOAT64).any(axis=0)):
            name = self._names[int(j)]
            if name not in self._exact and (text := self._reader.digits_lost(name)) is not None:
                raise merged(name, text)
            self._exact.add(name)

    def _inferred(self, shape: tuple[int, ...]) -> Space:
        """The space by types and values. A column of reals that are whole, some of them missing, may be one of whole
        numbers: no type of many libraries has both. Where all columns may be, the user says what they are."""
        evidence, whole = Evidence(), torch.tensor([_is_whole(kind) for kind in self._types[: shape[0]]])
        missing, place, first_row = torch.zeros(shape, dtype=torch.bool), "", 0
        for matrix in self._matrices(4096):
            x = matrix[:, : shape[0]]
            check_not_infinite(x, self._origin, first_row)
            gaps = x.isnan()
            if not place and bool(gaps.any()):
                row, column = (int(i) for i in gaps.nonzero()[0])
                place = self._origin.place(first_row + row, column, shape)
            missing |= gaps.any(0)
            seen = x.nan_to_num(nan=0.0)
            # A CSV's type is that of its first rows; a fraction may come later.
            evidence.update(seen.long() if bool((seen == seen.floor()).all()) else seen)
            if not evidence.whole:
                return Real(shape)
            first_row += len(matrix)
        if not bool((whole | missing).all()):
            return Real(shape)
        if place:
            raise whole_with_a_gap(place)
        return evidence.space(shape)


def _choose(
    reader: ColumnReader, context: Sequence[str], columns: Sequence[str] | None, weights: str | None
) -> tuple[list[str], list[str]]:
    """The names of the event and of the context columns, all of which are there."""
    names = list(reader.schema.names)
    known = Counter(names)
    if twice := sorted(name for name, count in known.items() if count > 1):
        raise UnreadableData(f"Expected distinct column names; got {twice[0]!r} twice in {reader.name}. Rename it.")
    for name in context:
        if name not in known:
            raise ContextError(f"Expected a context column {name!r}; {reader.name} has {_listed(names)}.")
    if weights is not None and (weights not in known or weights in {*context, *(columns or ())}):
        what = "it is a column of the events or the context" if weights in known else f"{reader.name} has none"
        raise ShapeMismatch(
            f"Expected a column of its own for the weights; got {weights!r}, and {what}. It has {_listed(names)}."
        )
    events = _events(reader, {*context, *reader.labels, *([] if weights is None else [weights])}, columns)
    for name in events:
        if name not in known:
            raise ShapeMismatch(f"Expected a column {name!r}; {reader.name} has {_listed(names)}. Rename or add it.")
    if not events and context:
        raise ShapeMismatch(
            f"Expected at least one column for the event; got all of {reader.name} for the context (--context). Leave "
            "one out of it."
        )
    if not events:
        raise ShapeMismatch(f"Expected at least one column of events; got none in {reader.name}.")
    return events, list(context)


def _events(reader: ColumnReader, aside: set[str], columns: Sequence[str] | None) -> list[str]:
    """The names of the event columns: those asked for, or all that are not set `aside`."""
    names = list(reader.schema.names)
    by_position = columns is not None and not reader.named and len(columns) == len(names)
    if columns is None or by_position:
        return [name for name in names if name not in aside]
    return list(columns)


def _listed(names: list[str], most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "") if names else "no columns"


def _columns(names: list[str]) -> str:
    return f"column{'s' * (len(names) > 1)} {_listed(names)}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _is_whole(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind))
