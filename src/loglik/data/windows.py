"""A stream: one long sequence, a text or a recording, as rows that are windows of T values following each other.

Several streams are made of one: block b of the rows is read in order by stream b, side by side with the others.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

LEAST_OF_A_STREAM = 64  # windows when scored: forgetting at its beginning then costs little
MOST_STREAMS = 16


def windows(x: Tensor, T: int) -> Tensor:
    """(n,) -> (n // T, T): consecutive windows from the start; the last n mod T values fill none and are left out."""
    count = len(x) // T
    return x[: count * T].reshape(count, T)


def side_by_side(rows: int, streams: int, first: int = 0) -> Iterator[Tensor]:
    """Row numbers (S,) of windows 0, 1, ... of all streams, from window `first` on; every row comes exactly once.

    The blocks are as equal as can be, longer ones first; so the streams that still go on are always the first ones.
    """
    short, longer = divmod(rows, min(streams, rows))
    blocks = torch.arange(min(streams, rows))
    starts = blocks * short + blocks.clamp(max=longer)
    for window in range(first, short):
        yield starts + window
    if longer and first <= short:
        yield starts[:longer] + short


def streams_to_score(rows: int) -> int:
    """How many streams a sequence of so many windows is cut into for scoring; fewer remember more, more are faster."""
    return max(1, min(MOST_STREAMS, rows // LEAST_OF_A_STREAM))
