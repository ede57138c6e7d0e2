"""The dynamics of a continuous flow: a vector field, and the change of volume along its trajectories."""

import math
from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor


class Dynamics(ABC):
    """(dz/dt, d log_det/dt) = (f(t, z), tr df/dz), for a state of z (B, *event) and log_det (B,), one after the other.

    The trace is taken along K directions that are pushed through the layers of f beside z.
    """

    @abstractmethod
    def select(self, rows: Tensor) -> Self:
        """The dynamics of these of the B rows alone."""

    @property
    @abstractmethod
    def event(self) -> tuple[int, ...]:
        """The shape of what moves."""

    @property
    @abstractmethod
    def tensors(self) -> tuple[Tensor, ...]:
        """All that f depends on and that may carry gradients, for the adjoint."""

    @abstractmethod
    def value_and_tangents(self, t: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """f (B, *event) and the directions pushed forward through its layers (K, B, ...)."""

    @abstractmethod
    def trace(self, tangents: Tensor) -> Tensor:
        """(B,): tr df/dz, exactly or estimated, from what `value_and_tangents` gives."""

    @abstractmethod
    def frobenius(self, tangents: Tensor) -> Tensor:
        """(B,): |df/dz|_F^2, exactly where the directions are the axes of z, else estimated."""

    def __call__(self, t: Tensor, state: Tensor) -> Tensor:
        f, tangents = self.value_and_tangents(t, self.parts(state)[0])
        return torch.cat([f.reshape(-1), self.trace(tangents)])

    @staticmethod
    def select_directions(rows: Tensor, directions: Tensor) -> Tensor:
        """Of directions (K, 1 or B, ...) those of these rows."""
        return directions if directions.shape[1] == 1 else directions.index_select(1, rows)

    @property
    def dims(self) -> int:
        return math.prod(self.event)

    def start(self, x: Tensor) -> Tensor:
        """The state at x, with log_det 0."""
        return torch.cat([x.reshape(-1), x.new_zeros(len(x))])

    def parts(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, *event), log_det (B,)"""
        B = state.shape[0] // (self.dims + 1)
        return state[: B * self.dims].view(B, *self.event), state[B * self.dims :]
