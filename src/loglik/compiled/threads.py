"""Compiled loops in several threads: they leave the interpreter, so plain threads share the processors."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

import torch

Share = tuple[int, int]  # of many items, those from the first to before the second


def shares(items: int, most: int) -> list[Share]:
    """Equal shares of the items, for as many threads as torch uses and as are worth starting."""
    parts = max(1, min(torch.get_num_threads(), most))
    return list(pairwise(items * i // parts for i in range(parts + 1)))


def in_threads(work: Callable[[int, int], object], parts: Sequence[Share]) -> None:
    """work(first, stop) for all parts, in as many threads as torch uses, the caller's among them."""
    threads = min(torch.get_num_threads(), len(parts))

    def some(k: int) -> None:
        for part in parts[k::threads]:
            work(*part)

    others = [_pool(os.getpid(), threads - 1).submit(some, k) for k in range(1, threads)]
    some(0)
    for other in others:
        other.result()


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)  # of this very process: a fork has none of its parent's threads
