"""The separator and the decimal mark of a table of text: those with which its first lines become rows of numbers."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from loglik.data.checks import SWAPPED, is_number
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

    @property
    def body(self) -> list[list[str]]:
        """All rows but the first, which may hold names; the first if it is the only one."""
        return self.cells[1:] or self.cells

    @cached_property
    def width(self) -> int:
        """How many cells most rows have; the first may be a title."""
        widths = Counter(len(row) for row in self.body)
        return max(widths, key=lambda width: (widths[width], width))

    def with_points(self, decimal: str) -> "Rows":
        """The same rows with decimal points, if `decimal` is a comma."""
        if decimal != ",":
            return self
        return replace(self, cells=[[cell.translate(SWAPPED) for cell in row] for row in self.cells])

    def below(self, first: int) -> list[list[str]]:
        return [row for row in self.cells[first + 1 :] if len(row) == self.width]

    @cached_property
    def score(self) -> float:
        """How much this looks like a table: the share of rows of one length, times that of numbers in them.

        Of rows of one cell, or of none, it is 0.
        """
        if not self.cells or self.width < 2:
            return 0.0
        rows = [row for row in self.body if len(row) == self.width]
        cells = [cell for row in rows[:100] for cell in row][:10_000]
        numbers = sum(is_number(cell) or LIKE_A_NUMBER.fullmatch(cell) is not None for cell in cells)
        headed = 1.0 if len(self.cells[0]) == self.width else 0.9
        return round(headed * len(rows) / max(1, len(self.cells) - 1) * (0.05 + numbers / len(cells)), 6)


def cut_rows(lines: Sequence[str], name: str, *, before: int, stated: str | None, tabs: bool) -> tuple[str, Rows]:
    """The separator that makes a table of the lines, and its rows.

    Args:
        before: how many lines come before the table.
        stated: the separator that the file itself states.
        tabs: whether tabs are expected; then they separate if there are any.
    """
    text = lines[before:]
    if stated or (tabs and _any_has("\t", text)):
        separator = stated or "\t"
        return separator, _cut(text, separator, before, name)
    found = {s: _cut(text, s, before, name) for s in SEPARATORS if _any_has(s, text)}
    best = max(found, key=lambda s: found[s].score, default=",")
    if best in found and found[best].score > 0.0:
        return best, found[best]
    _check_other_separator(text, name)
    return ",", _cut(text, ",", before, name)


def _any_has(separator: str, lines: Sequence[str]) -> bool:
    return any(separator in line for line in lines)


def _check_other_separator(lines: Sequence[str], name: str) -> None:
    """Raises UnreadableData where another mark cuts names, and as many numbers in each line below them."""
    first, *below = [line.strip() for line in lines if line.strip()][:100] or [""]
    for mark in sorted(set(re.findall(r"[^\w\s.,+\-'\"]", first))):
        cells = [line.split(mark) for line in below]
        names = first.split(mark)
        named = all(re.search(r"[^\W\d_]", cell) for cell in names)
        if named and cells and all(len(row) == len(names) and all(map(LIKE_A_NUMBER.fullmatch, row)) for row in cells):
            raise UnreadableData(
                f"Expected a separator such as ',' ';' tab '|' or space; got {mark!r} in {name}, whose first line is "
                f"{first[:40]!r}. Write one of these in its place."
            )


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
    """The decimal mark: a comma if cells read so and none has a point, or few have: those are the ones to correct."""
    cells = [cell for row in rows for cell in row]
    commas = list(filter(DECIMAL_COMMA.fullmatch, (cell for cell in cells if "," in cell)))
    points = len(list(filter(DECIMAL_POINT.fullmatch, (cell for cell in cells if "." in cell))))
    if points and sum(THOUSANDS.fullmatch(cell) is None for cell in commas) > points:
        return ","
    if not commas or points:
        return "."
    if all(map(THOUSANDS.fullmatch, commas)):
        cell = commas[0].strip()
        raise NotNumeric(
            f"Expected numbers without thousands separators; got {cell!r} in {name}, which may be "
            f"{cell.replace(',', '.')} or {cell.replace(',', '')}. Write it in one of these ways."
        )
    return ","
