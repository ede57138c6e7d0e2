"""Equations with known solutions, and a net as a field."""

import math

import torch
from torch import Tensor, nn


def oscillator(t: Tensor, y: Tensor) -> Tensor:
    """x'' = -x + cos 2t: from x = 1, x' = 0.3 on, x = 4/3 cos t + 0.3 sin t - 1/3 cos 2t."""
    return torch.stack([y[1], torch.cos(2.0 * t) - y[0]])


def oscillator_at(t: float) -> Tensor:
    x = 4.0 / 3.0 * math.cos(t) + 0.3 * math.sin(t) - math.cos(2.0 * t) / 3.0
    v = -4.0 / 3.0 * math.sin(t) + 0.3 * math.cos(t) + 2.0 / 3.0 * math.sin(2.0 * t)
    return torch.tensor([x, v], dtype=torch.float64)


START = [1.0, 0.3]


class Net(nn.Module):
    """f(t, y): tanh(W [y, t] + b) and a linear layer on top."""

    def __init__(self, dims: int = 3, width: int = 12) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dims + 1, width), nn.Tanh(), nn.Linear(width, dims))

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return self.layers(torch.cat([y, t.expand(len(y), 1)], dim=1))  # type: ignore[no-any-return]


class Linear(nn.Module):
    """f(t, y) = A y, for rows y."""

    def __init__(self, dims: int = 3) -> None:
        super().__init__()
        self.a = nn.Parameter(0.7 * torch.randn(dims, dims))

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return y @ self.a.T
