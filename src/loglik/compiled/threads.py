"""Compiled loops in several threads: they leave the interpreter, so plain threads share the processors."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor


def in_threads(work: Callable[[int], None], items: Sequence[int], threads: int) -> None:
    """work(item) for all items, shared out to the threads."""
    if threads == 1 or len(items) == 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        list(pool.map(work, items))
