"""Bounded time: how many events a model is asked for, and loops that end when their time is over.

Time is the processor's, so that a busy machine judges as an idle one does. It is measured, and not counted in
operations, of which compiled loops count none; a slow model may be judged on more events on a faster processor, and how
many they were is part of each finding.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.laws.subject import draws, given, in_turn, log_weights, scores
from loglik.laws.verdict import Undecided

T = TypeVar("T")

SECONDS = 1.0  # of the processor, that one part of one law takes, about
SAMPLES, FEWEST = 30_000, 100
VALUES = 4_000_000  # of samples times dims

_pools: WeakKeyDictionary[Model, dict[bytes, Tensor]] = WeakKeyDictionary()


def pool(model: Model, context: Tensor | None, at_least: int) -> Tensor:
    """Samples given the rows of the context in turn, drawn once for all laws: as many as their time allows.

    Raises:
        Undecided: fewer than `at_least`.
    """
    pools = _pools.setdefault(model, {})
    key = b"" if context is None else context.double().cpu().numpy().tobytes()
    if key not in pools:
        most = max(1_000, min(SAMPLES, VALUES // model.space.dims))
        n = affordable(lambda n: draws(model, n, in_turn(context, n)), most)
        few = n < FEWEST  # too few for any law: not even drawn
        pools[key] = torch.empty(n, 0) if few else draws(model, n, in_turn(context, n), seed=2)
    return enough(pools[key], at_least, "drawn")


def scored(
    model: Model, row: Tensor | None, x: Tensor, at_least: int, *, weights: bool = False
) -> tuple[Tensor, Tensor]:
    """As many of x as can be scored in their time, and their scores, or log weights, in float64.

    Raises:
        Undecided: fewer than `at_least`.
    """
    score = log_weights if weights else scores
    n = affordable(lambda k: score(model, x[:k], given(row, k)), len(x))
    x = enough(x[:n], at_least, "scored")
    return x, score(model, x, given(row, len(x))).double()


def enough(x: Tensor, at_least: int, done: str) -> Tensor:
    """x, if they are so many; `done` says what was done with them in time."""
    if len(x) < at_least:
        raise Undecided(f"In {SECONDS} seconds {len(x)} events are {done}; it takes {at_least}.")
    return x


def affordable(work: Callable[[int], object], most: int) -> int:
    """How many events `work` manages in SECONDS, at least one; measured in batches that grow."""
    if most <= 1:
        return most
    first = _seconds(work, 1)  # with what is compiled, or set up, at the first call
    size, took = 1, first if first > 4.0 * SECONDS else _seconds(work, 1)
    while size < most and took < 0.4 * SECONDS:
        size = min(4 * size, most)
        took = _seconds(work, size)
    return max(1, min(most, int(size * SECONDS / took)))


def in_time(items: Iterable[T], *, seconds: float = SECONDS, fewest: int = 4) -> Iterator[T]:
    """The items until the time is over, but at least `fewest` of them."""
    end = time.process_time() + seconds
    for i, item in enumerate(items):
        if i >= fewest and time.process_time() > end:
            return
        yield item


def _seconds(work: Callable[[int], object], n: int) -> float:
    start = time.process_time()
    work(n)
    return time.process_time() - start
