"""How a table of text is written: separator, decimal mark, lines before the header, names, row labels.

Decided on the first rows alone.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from loglik.data.checks import is_number
from loglik.data.formats.tables.columns import labels_left_out
from loglik.data.formats.tables.headers import empty_ends, is_header, row_labels
from loglik.data.formats.tables.lines import FirstLines
from loglik.data.formats.tables.separators import SEPARATORS, Rows, cut_rows, decimal_mark, stated_separator
from loglik.errors import EmptyData, UnreadableData


@dataclass(frozen=True)
class Dialect:
    """How to read a file: `skip` lines, then rows of all columns of `names`; the `labels` first ones are row labels.

    `named` says that the names are the file's own. The `empty` last ones have neither name nor values, as rows end in
    separators. `notes` and `left_out` are what was understood, for the user; `plain` that it is as expected.
    """

    separator: str
    decimal: str
    skip: int
    names: tuple[str, ...]
    named: bool
    labels: int
    empty: int
    longest: int
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    plain: bool


def dialect_of(
    beginning: FirstLines, name: str, columns: Sequence[str] | None = None, named: bool | None = None
) -> Dialect:
    """How the file with this beginning is written.

    Args:
        columns: names that the header is expected to hold; a first row with all of them is the header.
        named: whether there is a header, where that is known.

    Raises:
        EmptyData: blank cells alone. UnreadableData: two columns of one name, a quotation that does not end.
        NotNumeric: what may be thousands or decimals.
    """
    lines = beginning.lines()
    comments = _comments(lines)
    stated = stated_separator(lines[comments:])
    tabs = ".tsv" in name.lower()
    separator, rows = cut_rows(lines, name, before=comments + (stated is not None), stated=stated, tabs=tabs)
    if not rows.cells:
        raise EmptyData(f"Expected rows of numbers; got only blank cells in {name}. Export the table again.")
    _check_quotations(beginning, rows, name)
    decimal = decimal_mark(rows.body, name)
    numbers = rows.with_points(decimal)
    title, named = _top_row(rows, numbers, columns, named)
    skip = rows.ends[title] if named else rows.starts[title]
    first, below = rows.cells[title], numbers.below(title)
    commented = None if named else _names_in_comment(lines[:comments], separator, rows.width)
    if named or commented:
        named = True
        names = _widened(commented or first, separator, below, rows.width)
    else:
        _check_first(first, rows, separator, name)
        names, below = [str(i + 1) for i in range(len(first))], below or [first]
    labels, empty = _not_data(names, named, below) if len(names) == rows.width else (0, 0)
    distinct = _distinct(names, columns or (), name, labels=labels, empty=empty)
    notes = _notes(beginning.encoding, separator, decimal, named=named)
    above = sum(bool(line.strip()) for line in lines[: rows.starts[title]]) - (stated is not None)
    left_out = _left_out(above, distinct[:labels], commented is not None)
    doubtful = named and all(map(is_number, names))
    return Dialect(
        separator, decimal, skip, distinct, named=named, labels=labels, empty=empty, longest=max(map(len, lines)),
        notes=notes, left_out=left_out, plain=_is_plain(separator, notes) and not left_out and not doubtful,
    )  # fmt: skip


def _top_row(rows: Rows, numbers: Rows, columns: Sequence[str] | None, named: bool | None) -> tuple[int, bool]:
    """The first row of the table, below its title, and whether it names the columns.

    `numbers` are the same rows with decimal points; `columns` and `named` are those of `dialect_of`.
    """
    headed = columns is not None and set(columns) <= set(rows.cells[0])
    title = 0 if headed or named is not None else _titles(numbers.cells, rows.width)
    if named is None:
        first = rows.cells[title]
        below = _fitting(numbers.below(title), len(first))
        named = bool(columns and set(columns) <= set(first)) or is_header(numbers.cells[title], below)
    return title, named


def _not_data(names: list[str], named: bool, below: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many of the first columns are row labels, and how many of the last have neither name nor values."""
    return row_labels(names, below) if named else 0, empty_ends(names if named else None, below)


def _notes(encoding: str, separator: str, decimal: str, *, named: bool) -> tuple[str, ...]:
    """How the file was read, in words."""
    return (
        *((f"encoding {encoding}",) if encoding else ()),
        f"header {'yes' if named else 'no'}",
        f"separator {SEPARATORS.get(separator, repr(separator))}",
        *(("decimal comma",) if decimal == "," else ()),
    )


def _is_plain(separator: str, notes: Sequence[str]) -> bool:
    """Whether there is no more to say than that commas separate, and whether there is a header."""
    return separator == "," and len(notes) == 2


def _comments(lines: Sequence[str]) -> int:
    """How many lines come before the table: those that begin with "#", and blank ones among and before them."""
    last = 0
    for number, line in enumerate(lines):
        if line.lstrip().startswith("#"):
            last = number + 1
        elif line.strip():
            break
    return last


def _check_quotations(beginning: FirstLines, rows: Rows, name: str) -> None:
    """Raises UnreadableData for a quotation mark that swallows the rest of the file."""
    if (
        beginning.complete
        and beginning.text.count('"') % 2
        and any("\n" in cell or "\r" in cell for cell in rows.cells[-1])
    ):
        start = rows.ends[-2] + 1 if len(rows.ends) > 1 else 1
        raise UnreadableData(
            f"Expected a second quotation mark; got one alone in {name}, in or below line {start}. Add it."
        )


def _check_first(first: Sequence[str], rows: Rows, separator: str, name: str) -> None:
    """Raises UnreadableData for a first row of values that is the only one of its length."""
    widths = [len(row) for row in rows.cells]
    if len(widths) > 2 and len(first) not in (rows.width, *widths[1:]):
        advice = end_too_many(separator) if len(first) > rows.width and not first[-1].strip() else "Correct the row."
        raise UnreadableData(
            f"Expected {rows.width} values in every row; got {len(first)} in row 1 of {name}, unlike the others. "
            f"{advice}"
        )


def end_too_many(separator: str) -> str:
    """What to do with a row whose last value, which it has too many, is empty."""
    return f"Its last value is empty: remove the {SEPARATORS.get(separator, repr(separator))} at its end."


def _titles(cells: Sequence[list[str]], width: int) -> int:
    """How many rows of words, not as wide as the table or empty but for a cell, stand above its names."""
    for number, row in enumerate(cells[:20]):
        if len(row) == width and sum(bool(cell.strip()) for cell in row) > (width > 1):
            below = [row for row in cells[number + 1 :] if len(row) == width]
            return number if below and is_header(row, below) else 0
        if all(map(is_number, row)):
            break
    return 0


def _fitting(rows: Sequence[Sequence[str]], width: int) -> Sequence[Sequence[str]]:
    """Rows to compare a header with: as wide as it, or without the labels or the empty end that it does not name."""
    return [row[-width:] if len(row) > width else row for row in rows if len(row) >= width]


def _names_in_comment(comments: Sequence[str], separator: str, width: int) -> list[str] | None:
    """The names in the last comment, "# a,b", as numpy writes them."""
    last = [line.strip().lstrip("#").strip() for line in comments[-1:]]
    names = next(csv.reader(last, delimiter=separator, skipinitialspace=True), [])
    return names if len(names) == width and is_header(names, [["0"] * width]) else None


def _widened(names: list[str], separator: str, rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Names where rows have a cell more: R writes none above row names, and rows may end in a separator."""
    if not rows or len(names) != width - 1:
        return names
    if empty_ends(None, rows):
        return [*names, ""]
    return ["", *names] if separator in "\t " else names


def _distinct(names: Sequence[str], columns: Sequence[str], name: str, *, labels: int, empty: int) -> tuple[str, ...]:
    """All names, each once; columns without one are called by their number."""
    filled = [n if n.strip() or n in columns else f"column {i + 1}" for i, n in enumerate(names)]
    data = filled[labels : len(filled) - empty]
    twice = [n for n, count in Counter(data).items() if count > 1]
    if twice:
        raise UnreadableData(f"Expected distinct column names; got {twice[0]!r} twice in {name}. Rename it.")
    aside = [f"row labels {i + 1}" if n in data else n for i, n in enumerate(filled[:labels])]
    return (*aside, *data, *(f"end of line {i + 1}" for i in range(empty)))


def _left_out(lines: int, labels: Sequence[str], from_comment: bool) -> tuple[str, ...]:
    """What of the file is no data, in words."""
    before = f"{lines} line{'s' * (lines != 1)} before the table left out" if lines else ""
    if from_comment:
        before = "names from a comment"
    return (*((before,) if before else ()), *labels_left_out(labels))
