"""Dynamics with a penalty: long trajectories and steep fields cost, so that what is learned is easy to solve."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from loglik.nets.fields.dynamics import Dynamics


@dataclass(frozen=True)
class PenalisedDynamics:
    """`Dynamics`, whose state carries one more number for each row:

        int kinetic |f|^2 + jacobian |df/dz|_F^2 dt,      |df/dz|_F^2 = scale sum_k |(df/dz) eps_k|^2,

    over the directions of the dynamics: exact along the axes of z, in expectation along probes.
    Finlay, Jacobsen, Nurbekyan, Oberman 2020, How to train your neural ODE, arXiv:2002.02798.
    """

    dynamics: Dynamics
    kinetic: float
    jacobian: float

    def select(self, rows: Tensor) -> "PenalisedDynamics":
        return replace(self, dynamics=self.dynamics.select(rows))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.dynamics.tensors

    def start(self, x: Tensor) -> Tensor:
        return torch.cat([self.dynamics.start(x), x.new_zeros(len(x))])

    def parts(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z (B, *event), log_det (B,), penalty (B,)"""
        B = len(state) // (self.dynamics.dims + 2)
        return *self.dynamics.parts(state[:-B]), state[-B:]

    def __call__(self, t: Tensor, state: Tensor) -> Tensor:
        f, tangents = self.dynamics.value_and_tangents(t, self.parts(state)[0])
        penalty = self.kinetic * f.square().flatten(1).sum(1)
        if self.jacobian:
            penalty = penalty + self.jacobian * self.dynamics.frobenius(tangents)
        return torch.cat([f.reshape(-1), self.dynamics.trace(tangents), penalty])
