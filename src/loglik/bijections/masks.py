"""Which values pass a coupling unchanged: every second one, or every second pixel."""

import torch
from torch import Tensor


def alternate(dims: int, layer: int) -> Tensor:
    """(D,) bool: True at every second place; the first layer passes places 0, 2, 4, ..., the next 1, 3, 5, ..."""
    return torch.arange(dims) % 2 == layer % 2


def checkerboard(height: int, width: int, layer: int = 0) -> Tensor:
    """(1, H, W): 1 where row + column is even in the first layer, where it is odd in the next."""
    return ((torch.arange(height)[:, None] + torch.arange(width) + layer) % 2 == 0).float()[None]
