"""CSV and TSV, plain or gzipped, streamed through pyarrow. Errors name the row and the column.

How the file is written (separator, decimal mark, header, row labels) is decided in `dialect` from its first rows.
pyarrow infers types alone, the standard library's `csv.Sniffer` knows neither decimal marks nor row labels.
"""

import gzip
import io
import os
import re
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from loglik.data.checks import one_line
from loglik.data.formats.tables.columns import digits_lost, not_numeric
from loglik.data.formats.tables.dialect import dialect_of, end_too_many
from loglik.data.formats.tables.lines import FirstLines, read_beginning
from loglik.data.formats.tables.reader import ColumnReader
from loglik.errors import EmptyData, UnreadableData

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 4 << 20  # a row must fit in a block; of long ones a block holds some more
MOST_BYTES = 1 << 26
RAGGED = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)  # as pyarrow says it
HALVES = re.compile(r"\s*[+-]?\d+,\d+,")  # a number with a decimal comma, cut in two
BEYOND = re.compile(r"Row #(\d+): CSV conversion error to null: invalid value ('.*')", re.DOTALL)


class CsvReader(ColumnReader):
    """The columns of a CSV file. Types are those of its first block; numbers are read as float64 throughout.

    Args:
        columns: names that a header, if there is one, is expected to hold.
        named: whether there is a header, where that is known.

    Raises:
        EmptyData: no header. UnreadableData: rows of different lengths, an unknown encoding, a damaged gzip.
    """

    reals_from_text = True

    def __init__(self, path: str, name: str, columns: Sequence[str] | None = None, named: bool | None = None) -> None:
        import pyarrow as pa

        self.path, self.name = path, name
        beginning = read_beginning(path, name)
        self._dialect = dialect_of(beginning, name, columns, named)
        self._recoded = None if beginning.recoded is None else pa.py_buffer(beginning.recoded)
        self.named, self.decimal = self._dialect.named, self._dialect.decimal
        self.notes, self.left_out, self.plain = self._dialect.notes, self._dialect.left_out, self._dialect.plain
        names = self._dialect.names
        # Without types pyarrow infers them from the first block.
        declared = {field.name: field.type for field in self._open(None, {}).schema}
        binary = [name for name in names if pa.types.is_binary(declared[name])]
        if binary:
            raise UnreadableData(
                f"Expected a CSV file in UTF-8; got {name}, with bytes in column {binary[0]!r} that are not. Recode it."
            )
        last = len(names) - self._dialect.empty
        self.labels = names[: self._dialect.labels]
        self.schema = pa.schema([(n, declared[n]) for n in names[:last]])
        self.about = _rows_about(path, beginning)

    def read(self, columns: Sequence[str], size: int) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa

        known = dict(zip(self.schema.names, self.schema.types, strict=True))
        types = {name: self._read_type(known[name]) for name in columns}
        try:
            stream = self._open(columns, types)
            for batch in self._guarded(stream):
                for start in range(0, batch.num_rows, size):
                    yield batch.slice(start, size)
        except pa.ArrowInvalid as error:
            if beyond := BEYOND.search(str(error)):
                row, text = int(beyond[1]) - self._dialect.skip, beyond[2]
                raise UnreadableData(
                    f"Expected nothing after the last separator of a row; got {text} in row {row} of {self.name}, in a "
                    "column without a name. Name it, or correct the row."
                ) from None
            texts = _Texts(self)
            raise not_numeric(texts, list(columns), reason=f"got a value that cannot be converted ({error})") from None

    def read_text(self, columns: Sequence[str]) -> Iterator["pa.RecordBatch"]:
        """The columns as they stand in the file."""
        import pyarrow as pa

        return self._guarded(self._open(columns, dict.fromkeys(columns, pa.string()), as_text=True))

    def digits_lost(self, column: str) -> str | None:
        found = (digits_lost(batch.column(0)) for batch in self.read_text([column]))
        return next((text for text in found if text is not None), None)

    @staticmethod
    def _read_type(kind: "pa.DataType") -> "pa.DataType":
        import pyarrow as pa

        number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)
        return pa.float64() if number else kind if pa.types.is_boolean(kind) else pa.string()

    def _open(
        self, columns: Sequence[str] | None, types: dict[str, "pa.DataType"], as_text: bool = False
    ) -> "pa.RecordBatchReader":
        import pyarrow as pa
        from pyarrow import csv as pa_csv

        how = self._dialect
        read = pa_csv.ReadOptions(
            use_threads=False, block_size=min(MOST_BYTES, max(BLOCK_BYTES, 64 * how.longest)),
            column_names=how.names, skip_rows=how.skip,
        )  # fmt: skip
        # In a single column an empty line is a missing value, which must not vanish. No `invalid_row_handler`: one of
        # pyarrow's own threads may be the last to hold it, and one that wants the interpreter while it ends aborts.
        parse = pa_csv.ParseOptions(delimiter=how.separator, ignore_empty_lines=len(how.names) > 1)
        chosen = None if columns is None else [*columns]
        if chosen is not None and how.empty and not as_text:  # a value there is an error
            ends = how.names[-how.empty :]
            chosen, types = [*chosen, *ends], {**types, **dict.fromkeys(ends, pa.null())}
        convert = pa_csv.ConvertOptions(column_types=types, include_columns=chosen, decimal_point=how.decimal)
        try:
            return pa_csv.open_csv(self._bytes(), read, parse, convert)
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                raise EmptyData(f"Expected rows of numbers; got none in {self.name}. Add rows.") from None
            if "conversion error" in str(error) and types:
                raise
            raise self._unreadable(error) from None
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from None

    def _bytes(self) -> "pa.NativeFile":
        """The file, unpacked; by its name in bytes, for it need not be one in UTF-8."""
        import pyarrow as pa

        if self._recoded is not None:
            return pa.BufferReader(self._recoded)
        file = pa.OSFile(os.fsencode(self.path))
        return pa.CompressedInputStream(file, "gzip") if self.path.lower().endswith(".gz") else file

    def _guarded(self, stream: "pa.RecordBatchReader") -> Iterator["pa.RecordBatch"]:
        """The stream's batches; whatever is no conversion error says how the file is damaged."""
        import pyarrow as pa

        while True:
            try:
                batch = stream.read_next_batch()
            except StopIteration:
                return
            except pa.ArrowInvalid as error:
                if "conversion error" in str(error) and "UTF8" not in str(error):
                    raise
                raise self._unreadable(error) from None
            except OSError as error:
                raise self._unreadable(error) from None
            yield batch

    def _ends_in_separator(self, shown: str) -> bool:
        """Whether the row that begins as pyarrow shows it, cut after some characters, ends in a separator."""
        begin = shown.removesuffix(" ...")
        with self._lines() as lines:
            row = next((line for line in lines if line.startswith(begin)), "")
        return row.rstrip("\r\n").endswith(self._dialect.separator)

    def _lines(self) -> IO[str]:
        if self._recoded is not None:
            return io.StringIO(self._recoded.to_pybytes().decode())
        if self.path.lower().endswith(".gz"):
            return gzip.open(self.path, "rt", encoding="utf-8", errors="replace")
        return open(self.path, encoding="utf-8", errors="replace")

    def _unreadable(self, error: Exception) -> UnreadableData:
        if ragged := RAGGED.search(str(error)):
            row, expected, got, text = ragged.groups()
            number = "" if row is None else f" in row {int(row) - self._dialect.skip}"
            advice = "Correct the row."
            if (expected, got) == ("1", "2"):
                advice = "Name both columns; or, if the comma is a decimal mark, write points."
            elif int(got) == 2 * int(expected) and self._dialect.separator == "," and HALVES.match(text):
                advice = "If commas are decimal marks too, write points, or separate the values by ';'."
            elif self._dialect.separator == " ":
                advice = "Put one separator between two values, such as a comma."
            elif int(got) == int(expected) + 1 and self._ends_in_separator(text):
                advice = end_too_many(self._dialect.separator)
            values = "1 value" if expected == "1" else f"{expected} values"
            return UnreadableData(
                f"Expected {values} in every row; got {got}{number} of {self.name}: {text[:40]!r}. {advice}"
            )
        if "straddling" in str(error):
            return UnreadableData(
                f"Expected rows of at most {BLOCK_BYTES >> 20} MB; got a longer one in {self.name}. "
                "Close its quotation, or write the table as Parquet."
            )
        return UnreadableData(
            f"Expected a CSV file in UTF-8; got {self.name}, which cannot be read as one ({one_line(error)}). "
            "Export it again."
        )


class _Texts(ColumnReader):
    """The same file with every value left as text, to find the one that is no number."""

    def __init__(self, reader: CsvReader) -> None:
        self._reader, self.name, self.schema = reader, reader.name, reader.schema
        self.decimal = reader.decimal

    def read(self, columns: Sequence[str], size: int) -> Iterator["pa.RecordBatch"]:
        return self._reader.read_text(columns)


def _rows_about(path: str, beginning: FirstLines) -> int:
    """How many rows the size of the file suggests; of a gzip, what its end says of its size, which is below 4 GB."""
    size = os.path.getsize(path) if beginning.recoded is None else len(beginning.recoded)
    if path.lower().endswith(".gz") and beginning.recoded is None:
        with open(path, "rb") as file:
            file.seek(-4, os.SEEK_END)
            size = int.from_bytes(file.read(4), "little")
    lines = beginning.lines()
    return round(size / max(1, len(beginning.text.encode())) * len(lines))
