"""What a table is to its source: named columns of a file or frame, which a reader gives in batches."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


class ColumnReader(ABC):
    """The columns of a file or frame, read in batches as often as asked.

    `schema` holds the arrow type of each column by name, as the data declares it; `rows` is None where only reading
    tells, and `about` is what the size of the file suggests. `named` is False where the data has no names and the
    schema's are made up. `labels` are the columns that name rows and are read only if asked for by name. `notes` and
    `left_out` are what was understood of the data, in words; `plain` that it is as expected. `decimal` is the mark of
    texts, and `reals_from_text` says that a float64 may stand for a whole number of more digits.
    """

    name: str
    schema: "pa.Schema"
    rows: int | None = None
    about: int | None = None
    named: bool = True
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    plain: bool = True
    decimal: str = "."
    reals_from_text: bool = False

    @abstractmethod
    def read(self, columns: Sequence[str], size: int) -> Iterator["pa.RecordBatch"]:
        """Batches with these columns, of about `size` rows."""

    def digits_lost(self, column: str) -> str | None:
        """The first text of whole digits in a column that float64 does not hold."""
        return None
