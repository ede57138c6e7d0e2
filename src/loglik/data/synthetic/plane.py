"""What a toy density in the plane is, the one that most toys are made of, and the little geometry they share."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor

LOG_TAU = math.log(2.0 * math.pi)
ROWS_AT_ONCE = 4096  # rows x centres are held in memory together


class Toy(ABC):
    """A density p(x) on the plane that can be sampled and evaluated."""

    entropy: float | None = None  # in nats, where it has a closed form

    @abstractmethod
    def sample(self, n: int, generator: Generator) -> Tensor:
        """n draws, (n, 2) in float64."""

    @abstractmethod
    def log_density(self, x: Tensor) -> Tensor:
        """(n, 2) -> (n,): log p(x) in nats, computed and returned in float64 whatever the type of x."""


class Blurred(Toy):
    """M points of the plane, each as likely, moved by a normal:  p(x) = 1/M sum_m N(x; c_m, sigma^2 I).

    With points along a curve, no further apart than sigma, this is the blurred curve: its ripple is below
    2 exp(-2 pi^2) = 5e-9 of the density. Unlike a quadrature of the blurred curve it is exact as it stands, everywhere.
    """

    def __init__(self, centres: Tensor, sigma: float) -> None:
        self.centres, self.sigma = centres.double(), sigma  # (M, 2)

    def sample(self, n: int, generator: Generator) -> Tensor:
        chosen = torch.randint(len(self.centres), (n,), generator=generator)
        return self.centres[chosen] + self.sigma * normal(n, generator)

    def log_density(self, x: Tensor) -> Tensor:
        parts = torch.split(x.double(), ROWS_AT_ONCE)
        log_p = torch.cat([self._log_normal(part).logsumexp(dim=1) for part in parts])
        return log_p - math.log(len(self.centres))

    def _log_normal(self, x: Tensor) -> Tensor:
        """(n, 2) -> (n, M)."""
        square = (x[:, None] - self.centres).square().sum(dim=-1)
        return -0.5 * square / self.sigma**2 - LOG_TAU - 2.0 * math.log(self.sigma)


def direction(angle: Tensor) -> Tensor:
    """(...) -> (..., 2): the unit vectors at these angles."""
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


def rotate(y: Tensor, angle: Tensor) -> Tensor:
    """(..., 2), (...) -> (..., 2): anticlockwise."""
    c, s = angle.cos(), angle.sin()
    return torch.stack([c * y[..., 0] - s * y[..., 1], s * y[..., 0] + c * y[..., 1]], dim=-1)


def normal(n: int, generator: Generator) -> Tensor:
    """(n, 2) standard normal draws."""
    return torch.randn(n, 2, dtype=torch.float64, generator=generator)
