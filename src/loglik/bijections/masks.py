"""Which values pass a coupling unchanged: every second one, or every second pixel."""

import torch
from torch import Tensor

from loglik.ops import with_numbers


def alternate(dims: int, layer: int) -> Tensor:
    """(D,) bool: True at every second place; the first layer passes places 0, 2, 4, ..., the next 1, 3, 5, ..."""
    return torch.arange(dims, device=with_numbers()) % 2 == layer % 2


def random_half(dims: int) -> Tensor:
    """(D,) bool: True at D // 2 places, drawn by torch's generator."""
    device = with_numbers()
    chosen = torch.randperm(dims, device=device)[: dims // 2]
    return torch.zeros(dims, dtype=torch.bool, device=device).index_fill(0, chosen, True)


def checkerboard(height: int, width: int, layer: int = 0) -> Tensor:
    """(1, H, W): 1 where row + column is even in the first layer, where it is odd in the next."""
    return ((torch.arange(height)[:, None] + torch.arange(width) + layer) % 2 == 0).float()[None]
