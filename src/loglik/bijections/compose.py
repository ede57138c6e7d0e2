"""Bijections made of bijections."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from loglik.contract import Bijection, Claim

Direction = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]


class Chain(Bijection):
    """z = f_n(... f_1(x)), so log|det dz/dx| is the sum of the parts' log-determinants, in float64."""

    def __init__(self, parts: Sequence[Bijection]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    @property
    def bijections(self) -> list[Bijection]:
        """The parts, in the order of `forward`."""
        return [cast(Bijection, part) for part in self.parts]

    @property
    def claim(self) -> Claim:
        return max((part.claim for part in self.bijections), default=Claim.EXACT)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return _composed(self.bijections, x, context)

    def training_forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return _composed([part.training_forward for part in self.bijections], x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return _composed([part.inverse for part in reversed(self.bijections)], z, context)

    def preimage(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        for part in reversed(self.bijections):
            z = part.preimage(z, context)
        return z

    @property
    def by_value(self) -> bool:
        return all(part.by_value for part in self.bijections)

    def forward_by_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = torch.zeros_like(x, dtype=torch.float64)
        for part in self.bijections:
            x, log_slope = part.forward_by_value(x)
            total = total + log_slope
        return x, total

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        for part in self.bijections:
            x = part.initialize(x, context)
        return x


def _composed(maps: Sequence[Direction], x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    total = x.new_zeros(len(x), dtype=torch.float64)
    for direction in maps:
        x, log_det = direction(x, context)
        total = total + log_det
    return x, total


class Reshape(Bijection):
    """The same values in another shape: (B, *shape) -> (B, *into). log_det = 0."""

    def __init__(self, shape: tuple[int, ...], into: tuple[int, ...]) -> None:
        super().__init__()
        self.shape, self.into = shape, into

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x.reshape(len(x), *self.into), x.new_zeros(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z.reshape(len(z), *self.shape), z.new_zeros(len(z))


class Inverse(Bijection):
    """A bijection taken the other way round."""

    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    @property
    def claim(self) -> Claim:
        return self.bijection.claim

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.bijection.inverse(x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.bijection(z, context)
