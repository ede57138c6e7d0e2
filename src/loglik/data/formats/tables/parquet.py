"""Parquet, streamed: batches come page by page, so memory is bounded whatever the size of the row groups."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from loglik.data.formats.signatures import described, remedy
from loglik.data.formats.tables.columns import index_columns, labels_left_out
from loglik.data.formats.tables.reader import ColumnReader
from loglik.errors import UnreadableData

if TYPE_CHECKING:
    import pyarrow as pa

BUFFER_BYTES = 1 << 20  # read from each column at a time; without it a whole column chunk is held


class ParquetReader(ColumnReader):
    """The columns of a Parquet file.

    Raises:
        UnreadableData: not Parquet, truncated or damaged.
    """

    def __init__(self, path: str, name: str) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self.name = name
        try:
            # Pre-buffering would hold all row groups of a pass in memory.
            self._file = parquet.ParquetFile(pa.OSFile(os.fsencode(path)), pre_buffer=False, buffer_size=BUFFER_BYTES)
        except (pa.ArrowException, OSError):
            kind = described(path)
            if kind == "Parquet":
                raise self._damaged("cut short, or damaged at its end") from None
            if not kind:
                raise self._damaged("damaged, or of another format") from None
            raise UnreadableData(
                f"Expected a Parquet file; got {name}, which is {kind}. {remedy(kind, 'Convert it to Parquet or CSV.')}"
            ) from None
        self.schema = self._file.schema_arrow
        self.labels = index_columns(self.schema)
        self.left_out, self.plain = labels_left_out(self.labels), not self.labels
        self.rows = self._file.metadata.num_rows

    def read(self, columns: Sequence[str], size: int) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa

        stream = self._file.iter_batches(batch_size=size, columns=list(columns), use_threads=False)
        while True:
            try:
                batch = next(stream, None)
            except (pa.ArrowException, OSError):
                raise self._damaged("damaged within") from None
            if batch is None:
                return
            yield batch.select(list(columns))  # the file's order may differ from the one asked for

    def _damaged(self, how: str) -> UnreadableData:
        return UnreadableData(f"Expected a Parquet file; got {self.name}, which is {how}. Copy or write it again.")
