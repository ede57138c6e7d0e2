"""CSV and TSV, plain or gzipped, streamed through pyarrow; what cannot be read is named by row and column.

The separator is the one that the first line uses most (comma, semicolon or tab). The first line is the header if any
of its cells is a word; a line of numbers, blanks and marks such as "?" is data, and the file has no names.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from loglik.data.checks import is_number, one_line
from loglik.data.tables import ColumnReader, not_numeric
from loglik.errors import EmptyData, UnreadableData

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 4 << 20  # a row must fit in a block: 4 MB hold some 200 000 values
RAGGED = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)  # as pyarrow says it


class CsvReader(ColumnReader):
    """The columns of a CSV file. Types are those of its first block; numbers are read as float64 throughout.

    Raises:
        EmptyData: no header. UnreadableData: rows of different lengths, not UTF-8, a damaged gzip.
    """

    def __init__(self, path: str, name: str) -> None:
        import pyarrow as pa

        self.path, self.name = path, name
        cells, self._separator = _first_line(path, name)
        self.named = any(re.search("[^\\W\\d_]", cell) and not is_number(cell) for cell in cells)
        self._names = cells if self.named else [str(i + 1) for i in range(len(cells))]
        # Without types pyarrow infers them from the first block.
        declared = {field.name: field.type for field in self._open(None, {}).schema}
        if len(declared) < len(self._names):
            raise self._twice()
        self.schema = pa.schema([(n, declared[n]) for n in self._names])

    def read(self, columns: Sequence[str], size: int) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa

        types = {name: self._read_type(self.schema.field(name).type) for name in columns}
        try:
            stream = self._open(columns, types)
            for batch in self._guarded(stream):
                for start in range(0, batch.num_rows, size):
                    yield batch.slice(start, size)
        except pa.ArrowInvalid as error:
            texts = _Texts(self)
            raise not_numeric(texts, list(columns), reason=f"got a value that cannot be converted ({error})") from None

    def read_text(self, columns: Sequence[str]) -> Iterator["pa.RecordBatch"]:
        """The columns as they stand in the file."""
        import pyarrow as pa

        return self._guarded(self._open(columns, dict.fromkeys(columns, pa.string())))

    @staticmethod
    def _read_type(kind: Any) -> Any:
        import pyarrow as pa

        number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)
        return pa.float64() if number else kind if pa.types.is_boolean(kind) else pa.string()

    def _open(self, columns: Sequence[str] | None, types: dict[str, Any]) -> Any:
        import pyarrow as pa
        from pyarrow import csv as pa_csv

        read = pa_csv.ReadOptions(
            use_threads=False, block_size=BLOCK_BYTES, column_names=None if self.named else self._names
        )
        # In a single column an empty line is a missing value, which must not vanish. No `invalid_row_handler`: one of
        # pyarrow's own threads may be the last to hold it, and one that wants the interpreter while it ends aborts.
        parse = pa_csv.ParseOptions(delimiter=self._separator, ignore_empty_lines=len(self._names) > 1)
        convert = pa_csv.ConvertOptions(column_types=types, include_columns=None if columns is None else list(columns))
        try:
            return pa_csv.open_csv(self.path, read, parse, convert)
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                raise EmptyData(f"Expected rows of numbers; got an empty file, {self.name}.") from None
            if "conversion error" in str(error) and types:
                raise
            raise self._unreadable(error) from None
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from None

    def _guarded(self, stream: Any) -> Iterator[Any]:
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

    def _unreadable(self, error: Exception) -> UnreadableData:
        if ragged := RAGGED.search(str(error)):
            row, expected, got, text = ragged.groups()
            number = "" if row is None else f" in row {int(row) - int(self.named)}"
            return UnreadableData(
                f"Expected {expected} values in every row; got {got}{number} of {self.name}: {text[:60]!r}. "
                "Correct the row."
            )
        return UnreadableData(
            f"Expected a CSV file in UTF-8; got {self.name}, which cannot be read as one ({one_line(error)})."
        )

    def _twice(self) -> UnreadableData:
        twice = next(name for name in self._names if self._names.count(name) > 1)
        return UnreadableData(f"Expected distinct column names; got {twice!r} twice in {self.name}. Rename it.")


class _Texts(ColumnReader):
    """The same file with every value left as text, to find the one that is no number."""

    def __init__(self, reader: CsvReader) -> None:
        self._reader, self.name, self.schema = reader, reader.name, reader.schema

    def read(self, columns: Sequence[str], size: int) -> Iterator["pa.RecordBatch"]:
        return self._reader.read_text(columns)


def _first_line(path: str, name: str) -> tuple[list[str], str]:
    """The cells of the first line that is not blank, and the separator."""
    opened = gzip.open if path.endswith(".gz") else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline=None) as file:
            line = next((line for line in file if line.strip()), "")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableData(f"Expected a gzipped CSV; got {name}, which is damaged ({error}).") from None
    except UnicodeDecodeError as error:
        raise UnreadableData(f"Expected a CSV file in UTF-8; got {name} ({error}). Convert it.") from None
    if not line:
        raise EmptyData(f"Expected rows of numbers; got only blank lines in {name}.")
    separator = "\t" if ".tsv" in path.rsplit("/", 1)[-1] else max(",;\t", key=line.count)
    return next(csv.reader([line.rstrip("\r\n")], delimiter=separator)), separator
