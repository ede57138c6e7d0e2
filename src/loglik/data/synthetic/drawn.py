"""Parts drawn from a source whose log p is known: independent rows, each part with its own seed."""

from collections.abc import Callable

import torch
from torch import Tensor

from loglik.data.source import Dataset, Memory
from loglik.spaces import Space

ROWS = {"train": 20_000, "valid": 2_000, "test": 10_000}
SEEDS = {"train": 0, "valid": 1, "test": 2}


def drawn(
    name: str,
    space: Space,
    *,
    sample: Callable[[int, torch.Generator], Tensor],
    log_density: Callable[[Tensor], Tensor],
    entropy: float | None = None,
    train: int = ROWS["train"],
) -> Dataset:
    """Independent draws from a source whose log p is known, `train` of them to train on; each part has its own seed."""
    part, count = {}, {**ROWS, "train": train}
    for key, rows in count.items():
        x = sample(rows, torch.Generator().manual_seed(SEEDS[key]))
        part[key] = Memory(space, x.float() if x.is_floating_point() else x)
    split = {"how": "drawn with torch's generator, one seed per part", "seeds": SEEDS, **count}
    return Dataset(name, part["train"], part["valid"], part["test"], split, log_density=log_density, entropy=entropy)
