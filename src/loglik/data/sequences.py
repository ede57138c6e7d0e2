"""One long sequence, a text or a recording, as rows: windows of T values that follow each other, and parts in order.

Rows shuffled before they are cut into parts would put neighbours of every test window into the training part. So a
sequence is cut in order, each part is a stream, and only then is each cut into windows.
"""

from torch import Tensor

HOW = "in order: the first 90 % to train, the next 5 % to validate, the last 5 % to test"


def in_order(length: int) -> dict[str, slice]:
    """The first 90 % of a sequence to train, the next 5 % to validate, the last 5 % to test."""
    first, second = length * 90 // 100, length * 95 // 100
    return {"train": slice(0, first), "valid": slice(first, second), "test": slice(second, length)}


def windows(x: Tensor, T: int) -> Tensor:
    """(n,) -> (n // T, T): consecutive windows from the start; the last n mod T values fill none and are left out."""
    count = len(x) // T
    return x[: count * T].reshape(count, T)


def longest_window(length: int) -> int:
    """The longest T of which each part `in_order` still holds a window; 0 if there is none."""
    return min(len(range(length)[part]) for part in in_order(length).values())
