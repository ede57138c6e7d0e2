"""One seed per entry point: random numbers inside are repeatable, and the caller's generator keeps its state."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from loglik.arguments.ranges import SEEDS, whole


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws inside follow from `seed` alone, on the CPU and on every GPU.

    Raises:
        UsageError: no whole number from 0 to 2^64 - 1.
    """
    seed = whole("seed", seed, SEEDS)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if torch.cuda.is_available() else ()):
        torch.manual_seed(seed)
        yield
