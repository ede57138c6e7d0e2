"""A stream's rows, taken as several streams side by side: block b of the rows is read in order by stream b."""

from collections.abc import Iterator

import torch
from torch import Tensor

LEAST_WINDOWS = 64  # a stream has at least so many windows when scored: forgetting at its beginning then costs little
MOST_STREAMS = 16


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
    return max(1, min(MOST_STREAMS, rows // LEAST_WINDOWS))
