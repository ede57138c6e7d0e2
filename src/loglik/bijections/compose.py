"""Bijections made of bijections."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from loglik.contract import Bijection, Claim


class Chain(Bijection):
    """z = f_n(... f_1(x)), so log|det dz/dx| is the sum of the parts' log-determinants, in float64."""

    def __init__(self, parts: Sequence[Bijection]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    @property
    def claim(self) -> Claim:
        return max((part.claim for part in self.parts), default=Claim.EXACT)  # type: ignore[type-var, return-value]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._through(list(self.parts), x, context)

    def follow(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._through([part.follow for part in self.parts], x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._through([part.inverse for part in reversed(self.parts)], z, context)

    def preimage(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        for part in reversed(self.parts):
            z = part.preimage(z, context)  # type: ignore[operator]
        return z

    @staticmethod
    def _through(maps: Sequence[Any], x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(len(x), dtype=torch.float64)
        for map_on in maps:
            x, log_det = map_on(x, context)
            total = total + log_det
        return x, total

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        for part in self.parts:
            x = part.initialize(x, context)  # type: ignore[operator]
        return x


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
        return self.bijection(z, context)  # type: ignore[no-any-return]
