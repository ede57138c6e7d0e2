"""One long sequence, a text or a recording, as rows: windows of T values that follow each other, a stream."""

from pathlib import Path

from torch import Tensor

from loglik.errors import EmptyData

LEAST_WINDOWS = 5  # one for each of train, valid and test, and one between two of them


def windows(x: Tensor, T: int) -> Tensor:
    """(n,) -> (n // T, T): consecutive windows from the start; the last n mod T values fill none and are left out."""
    count = len(x) // T
    return x[: count * T].reshape(count, T)


def check_length(length: int, T: int, unit: str, path: str | Path) -> None:
    """Raises EmptyData, naming the longest window that would do, for a sequence too short to be split."""
    if length >= LEAST_WINDOWS * T:
        return
    most = length // LEAST_WINDOWS
    advice = f"Choose a window of {most} or less, or longer data." if most > 1 else "Choose longer data."
    raise EmptyData(
        f"Expected at least {LEAST_WINDOWS * T} {unit}, for a window of {T} in each part and between two; got {length} "
        f"in {path}. {advice}"
    )
