"""Whether the first row of a table names its columns, and which columns are not data: as a person would decide.

A row of names stands apart from all rows below it: words over numbers, or years over measurements.
"""

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from loglik.data.checks import MARKS, is_number

UNNAMED = re.compile(r"|Unnamed: \d+(\.\d+)?")  # as pandas writes, or reads, an index without a name
WHOLE = re.compile(r"\s*[+-]?\d+\s*")
YEARS = (1800, 2100)
APART = 3.0  # ranges of a column that a year lies beyond it


def is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the cells of the first row are names; `rows` are those below it, as wide."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(first)
    if not any(map(str.strip, first)):
        return False
    if not first[0].strip() and len(first) > 1 and _consecutive(columns[0]):
        return True  # the corner above numbered rows
    if any(map(_word, first)):
        return _words_name(first, columns)
    if not all(map(_number_or_mark, first)):
        return bool(rows) and all(map(_all_numbers, columns))
    return len(rows) > 2 and (_apart(first, columns) or _counts(first, columns))


def _words_name(first: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Whether words in the first row are names.

    They are not if each stands over a column of words, and others are numbers: rows of labelled data, without names.
    """
    words = [_word(cell) for cell in first]
    return all(words) or any(w and not (c and all(map(_word, c))) for w, c in zip(words, columns, strict=True))


def _number_or_mark(cell: str) -> bool:
    return cell.strip() in MARKS or is_number(cell)


def _all_numbers(cells: Sequence[str]) -> bool:
    return all(map(is_number, cells))


def _consecutive(cells: Sequence[str]) -> bool:
    """0, 1, 2, ... or 1, 2, 3, ..."""
    return len(cells) > 1 and cells[0] in ("0", "1") and all(c == str(int(cells[0]) + i) for i, c in enumerate(cells))


def _word(cell: str) -> bool:
    return re.search(r"[^\W\d_]", cell) is not None and not is_number(cell)


def _apart(first: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Years or wavelengths: each lies far outside its column, or is whole where all below it are fractions."""
    if len(first) < 2 or len(set(first)) < len(first) or not (all(map(str.strip, first)) and _all_numbers(first)):
        return False
    in_order = _monotone([_number(cell) for cell in first])
    return (in_order or all(map(WHOLE.fullmatch, first))) and all(map(_beside, first, columns))


def _monotone(numbers: Sequence[float]) -> bool:
    """Whether each is above the one before, or each below."""
    steps = [b - a for a, b in pairwise(numbers)]
    return all(step > 0 for step in steps) or all(step < 0 for step in steps)


def _beside(cell: str, column: Sequence[str], ranges: float = APART) -> bool:
    """Whether a cell is no value of its column: whole above fractions, or some ranges of the column away from it."""
    there = [value for value in column if value.strip() not in MARKS]
    if len(there) < 3 or not _all_numbers(there):
        return False
    if WHOLE.fullmatch(cell) and not any(map(WHOLE.fullmatch, there)):
        return True
    numbers = [_number(value) for value in there]
    low, high = min(numbers), max(numbers)
    return max(low - _number(cell), _number(cell) - high) > ranges * (high - low) > -1.0 and (high > low or not ranges)


def _counts(first: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """0, 1, 2, ... as pandas numbers columns without names, half of them no values of their columns; or years."""
    if len(first) < 3 or not all(cell.isdecimal() for cell in first):
        return False
    begin = int(first[0])
    if list(first) != [str(begin + i) for i in range(len(first))]:
        return False
    outside = sum(_beside(cell, column, 0.0) for cell, column in zip(first, columns, strict=True))
    return YEARS[0] <= begin <= YEARS[1] or (begin <= 1 and 2 * outside >= len(first))


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:  # true, NA
        return math.nan


def row_labels(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """How many first columns are row labels: unnamed beside named ones, of different whole numbers or of words."""
    count = 0
    while count < len(names) - 1 and UNNAMED.fullmatch(names[count]):
        cells = [row[count].strip() for row in rows]
        whole = all(map(WHOLE.fullmatch, cells)) and len(set(cells)) == len(cells)
        if not rows or not (whole or not any(map(is_number, cells))):
            break
        count += 1
    return count if any(names[count:]) else 0


def empty_ends(names: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> int:
    """How many last columns have neither name nor values, as each line ends in separators."""
    width, count = len(rows[0]) if rows else 0, 0
    while count < width - 1:
        last = -1 - count
        if (names is not None and names[last].strip()) or any(row[last].strip() for row in rows):
            break
        count += 1
    return count
