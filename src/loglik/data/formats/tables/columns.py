"""Arrow columns as numbers: which types are numbers, which columns are row labels, and errors for the rest."""

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from loglik.data.checks import APART, EXACT_IN_FLOAT64, MARKS, SWAPPED, Array, is_number
from loglik.data.formats.tables.reader import ColumnReader
from loglik.errors import NotNumeric, OutsideSpace

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = type[np.float32] | type[np.float64]
PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # an index without a name, as pandas stores it beside the data
READ_BACK = re.compile(r"Unnamed: 0(\.\d+)?")  # an index without a name, as pandas reads it from a CSV file
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}([,.' _\u00a0\u202f]\d{3})+([.,]\d+)?")


def index_columns(schema: "pa.Schema") -> tuple[str, ...]:
    """The columns that pandas restores as an index, or would have, had the index not passed through a CSV file."""
    import pyarrow as pa

    try:
        stated = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
    except (ValueError, AttributeError):
        stated = []
    index = {name for name in stated if isinstance(name, str)} if isinstance(stated, list) else set()
    for field in schema:
        read_back = READ_BACK.fullmatch(field.name) and pa.types.is_integer(field.type)
        if PANDAS_INDEX.fullmatch(field.name) or read_back:
            index.add(field.name)
    return tuple(name for name in schema.names if name in index)


def labels_left_out(labels: Sequence[str]) -> tuple[str, ...]:
    """How a user is told of row labels that are no data."""
    several = f"{len(labels)} index columns left out"
    return () if not labels else ("index column left out",) if len(labels) == 1 else (several,)


def check_types(reader: ColumnReader, names: Sequence[str]) -> None:
    """Raises NotNumeric for a column of text, dates or lists, with its first value that is no number."""
    import pyarrow as pa

    of = pa.types
    texts = (of.is_string, of.is_large_string, of.is_string_view)
    numbers = (of.is_integer, of.is_floating, of.is_decimal, of.is_boolean, of.is_null)
    types = dict(zip(reader.schema.names, reader.schema.types, strict=True))
    for name in names:
        kind = types[name].value_type if of.is_dictionary(types[name]) else types[name]
        if any(is_text(kind) for is_text in texts):
            raise not_numeric(reader, [name])
        if not any(is_one(kind) for is_one in numbers):
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
                text = column[row]
                if isinstance(text, str) and reader.decimal == ",":
                    text = text.translate(SWAPPED)
                if text is not None and not is_number(text):
                    return NotNumeric(
                        f"Expected numbers in column {name!r}; got the text {str(column[row])[:40]!r} in row "
                        f"{first_row + row + 1} of {reader.name}. {_remedy(str(column[row]), reader.decimal)}"
                    )
        first_row += batch.num_rows
    reason = reason or f"column {names[0]!r} is declared as text"
    return NotNumeric(f"Expected numbers; {reason} in {reader.name}. Convert it to a numeric type.")


def _remedy(text: str, decimal: str) -> str:
    """What to do with a cell that is no number."""
    bare = text.strip()
    swapped = bare.translate(SWAPPED)
    if is_number(swapped if decimal == "," else bare):
        return "Remove the invisible characters around it."
    if GROUPED.fullmatch(bare):
        return "Write numbers without separators between their digits."
    if "_" in bare and is_number(bare.replace("_", "")):
        return "Write numbers without underscores."
    if is_number(bare if decimal == "," else swapped):
        return f"Write all decimals with a {'comma, as in the first rows' if decimal == ',' else 'point'}."
    if is_number(bare.strip("$\u20ac\u00a3%").strip()):
        return "Write the number alone, its unit in the header."
    if bare in MARKS:
        return (
            "If it marks a missing value, empty the cell or write NA, which models such as gmm take; or remove the row."
        )
    if len(bare.split()) > 1 and all(map(is_number, bare.split())):
        return "Put one separator between two values, such as a comma."
    return "Encode it as a number, or leave the column out."


def as_matrix(
    batch: "pa.RecordBatch", names: Sequence[str], declared: Sequence["pa.DataType"], dtype: Numbers
) -> Array:
    """The columns side by side, (B, D), of the `declared` types; what is missing becomes NaN."""
    import pyarrow as pa

    out = np.empty((batch.num_rows, len(names)), dtype=dtype)
    for j in range(len(names)):
        column = batch.column(j)
        plain = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        # numpy turns decimals, and booleans with missing values, into objects.
        values = (column if plain else _as_double(column)).to_numpy(zero_copy_only=False)
        exact = pa.types.is_integer(declared[j]) or pa.types.is_decimal(declared[j])
        if exact and (far := _too_far(values)).any():
            value = values[far.argmax()]
            raise merged(names[j], f"{value:.0f} as float64" if values.dtype.kind == "f" else str(value))
        out[:, j] = values
    return out


def merged(name: str, got: str) -> OutsideSpace:
    """The error for whole numbers that float64 does not tell apart."""
    return OutsideSpace(f"Expected whole numbers within +-2^53 in column {name!r}; got {got}. {APART}")


def digits_lost(column: "pa.StringArray") -> str | None:
    """The first text of whole digits that is another number as float64; exponents and fractions are meant as reals."""
    import pyarrow.compute as pc

    long = pc.fill_null(pc.greater(pc.utf8_length(column), 15), False)
    for text in column.filter(long).to_pylist():
        bare = text.strip()
        if bare.lstrip("+-").isdecimal() and len(bare) < 400 and int(bare) != int(float(bare)):
            return str(bare)
    return None


def _too_far(values: Array) -> Array:
    """Where whole numbers may change as float64. A 2^53 that was read as float64 may have been 2^53 + 1."""
    if values.dtype.kind == "f":
        return (values >= EXACT_IN_FLOAT64) | (values <= -EXACT_IN_FLOAT64)
    return (values > EXACT_IN_FLOAT64) | (values < -EXACT_IN_FLOAT64)


def _as_double(column: "pa.Array") -> "pa.Array":
    import pyarrow as pa

    return (column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column).cast(pa.float64())
