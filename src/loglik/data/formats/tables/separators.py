"""The separator and the decimal mark of a table of text: those that make of its first lines rows of numbers."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from loglik.data.checks import is_number
from loglik.errors import NotNumeric, UnreadableData

SEPARATORS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'", " ": "space"}  # in order of preference
ROWS = 1000  # looked at
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")
DECIMAL_POINT = re.compile(r"\s*[+-]?\d*\.\d+([eE][+-]?\d+)?\s*")
LIKE_A_NUMBER = re.compile(r"\s*[+-]?(\d{1,3}([., ]\d{3})+|\d*)([.,]\d+)?([eE][+-]?\d+)?\s*")
THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+\s*")


@dataclass(frozen=True)
class Rows:
    """The first rows cut at one separator, and how many lines have passed before and after each."""

    cells: list[list[str]]
    starts: list[int]
    ends: list[int]

    @cached_property
    def width(self) -> int:
        """How many cells most rows have; the first may be a title."""
        widths = Counter(len(row) for row in self.cells[1:] or self.cells)
        return max(widths, key=lambda width: (widths[width], width))

    def below(self, first: int) -> list[list[str]]:
        return [row for row in self.cells[first + 1 :] if len(row) == self.width]

    @cached_property
    def table(self) -> float:
        """How much this looks like a table: the share of rows of one length, times that of numbers in them."""
        rows = [row for row in self.cells[1:] or self.cells if len(row) == self.width]
        cells = [cell for row in rows[:100] for cell in row][:10_000]
        numbers = sum(is_number(cell) or LIKE_A_NUMBER.fullmatch(cell) is not None for cell in cells)
        headed = 1.0 if len(self.cells[0]) == self.width else 0.9
        return round(headed * len(rows) / max(1, len(self.cells) - 1) * (0.05 + numbers / len(cells)), 6)


def cut_rows(lines: Sequence[str], before: int, stated: str | None, tabs: bool, name: str) -> tuple[str, Rows]:
    """The separator that makes a table of the lines, and its rows."""
    text = lines[before:]
    if stated:
        return stated, _cut(text, stated, before, name)
    if tabs and any("\t" in line for line in text):
        return "\t", _cut(text, "\t", before, name)
    found = {s: _cut(text, s, before, name) for s in SEPARATORS if any(s in line for line in text)}
    wide = {s: rows for s, rows in found.items() if rows.cells and rows.width > 1 and rows.table > 0.0}
    if not wide:
        return ",", _cut(text, ",", before, name)
    best = max(wide, key=lambda s: wide[s].table)
    return best, wide[best]


def _cut(lines: Sequence[str], separator: str, before: int, name: str) -> Rows:
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=separator != " ", strict=False)
    cells, starts, ends, passed = [], [], [], before
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                cells.append(row)
                starts.append(passed)
                ends.append(before + reader.line_num)
            passed = before + reader.line_num
            if len(cells) > ROWS:
                break
    except csv.Error:
        raise UnreadableData(
            f"Expected cells of at most {csv.field_size_limit()} characters; got a longer one that begins in line "
            f"{passed + 1} of {name}. Close the quotation, or leave the cell out."
        ) from None
    return Rows(cells, starts, ends)


def stated_separator(lines: Sequence[str]) -> str | None:
    """The character of a first line "sep=;", which is for Excel."""
    line = next((line for line in lines if line.strip()), "")
    found = re.fullmatch(r"sep=([,;\t|:^~ ])", line.strip("\r\n"), re.IGNORECASE)
    return found[1] if found else None


def decimal_mark(rows: Sequence[Sequence[str]], name: str) -> str:
    """The decimal mark: a comma if cells read so and none has a point."""
    commas = [cell for row in rows for cell in row if "," in cell and DECIMAL_COMMA.fullmatch(cell)]
    if not commas or any("." in cell and DECIMAL_POINT.fullmatch(cell) for row in rows for cell in row):
        return "."
    if all(map(THOUSANDS.fullmatch, commas)):
        cell = commas[0].strip()
        raise NotNumeric(
            f"Expected numbers without thousands separators; got {cell!r} in {name}, which may be "
            f"{cell.replace(',', '.')} or {cell.replace(',', '')}. Write it in one of these ways."
        )
    return ","
