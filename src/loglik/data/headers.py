"""What a person sees at the head of a table: whether its first row names the columns, and which columns are no data.

A row of names stands apart from all rows below it: words over numbers, or years over measurements.
"""

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from loglik.data.checks import is_number

MISSING = {"", "?", "-", "--", ".", "*"}  # marks of what is missing, beside NA and NaN
UNNAMED = re.compile(r"|Unnamed: \d+(\.\d+)?")  # as pandas writes, or reads, an index without a name
WHOLE = re.compile(r"\s*[+-]?\d+\s*")
APART = 3.0  # ranges of a column that a year lies beyond it


def is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the cells of the first row are names; `rows` are those below it, as wide."""
    if not any(cell.strip() for cell in first):
        return False
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(first)
    if not first[0].strip() and len(first) > 1 and _consecutive(columns[0]):
        return True  # the corner above numbered rows
    words = [_word(cell) for cell in first]
    if any(words):
        # A column of words below its first one, beside numbers below a number: rows of labelled data, without names.
        return any(w and not (c and all(map(_word, c))) for w, c in zip(words, columns, strict=True)) or all(words)
    if any(cell.strip() not in MISSING and not is_number(cell) for cell in first):
        return bool(rows) and all(is_number(cell) for c in columns for cell in c)
    return len(rows) > 2 and (_apart(first, columns) or _counts(first, rows))


def _consecutive(cells: Sequence[str]) -> bool:
    """0, 1, 2, ... or 1, 2, 3, ..."""
    return len(cells) > 1 and cells[0] in "01" and all(c == str(int(cells[0]) + i) for i, c in enumerate(cells))


def _word(cell: str) -> bool:
    return re.search(r"[^\W\d_]", cell) is not None and not is_number(cell)


def _apart(first: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Years or wavelengths: each lies far outside its column, or is whole where all below it are fractions."""
    if len(first) < 2 or len(set(first)) < len(first) or not all(cell.strip() and is_number(cell) for cell in first):
        return False
    numbers = [_number(cell) for cell in first]
    steps = [b - a for a, b in pairwise(numbers)]
    if not (all(map(WHOLE.fullmatch, first)) or all(s > 0 for s in steps) or all(s < 0 for s in steps)):
        return False
    return all(_beside(cell, column) for cell, column in zip(first, columns, strict=True))


def _beside(cell: str, column: Sequence[str]) -> bool:
    there = [value for value in column if value.strip() not in MISSING]
    if len(there) < 3 or not all(map(is_number, there)):
        return False
    if WHOLE.fullmatch(cell) and not any(map(WHOLE.fullmatch, there)):
        return True
    numbers = [_number(value) for value in there]
    low, high = min(numbers), max(numbers)
    return max(low - _number(cell), _number(cell) - high) > APART * (high - low) > 0.0


def _counts(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """0, 1, 2, ... as pandas numbers columns without names; rows that are orders of the same numbers are data."""
    if len(first) < 3 or list(first) not in ([str(i + begin) for i in range(len(first))] for begin in (0, 1)):
        return False
    return any(set(row) != set(first) for row in rows)


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


def is_empty_last(names: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> bool:
    """Whether each line ends in a separator, so that a last column is there without name and values."""
    return (names is None or not names[-1].strip()) and bool(rows) and not any(row[-1].strip() for row in rows)
