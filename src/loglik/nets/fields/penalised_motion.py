"""Motion with a price: long ways and fields that bend cost, so that what is learned is easy to follow."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from loglik.nets.fields.motion import Motion


@dataclass(frozen=True)
class PenalisedMotion:
    """`Motion`, whose state carries one more number for each row:

        int kinetic |f|^2 + jacobian |df/dz|_F^2 dt,      |df/dz|_F^2 = scale sum_k |(df/dz) eps_k|^2,

    over the motion's own directions: exact along the axes of z, in expectation along probes.
    Finlay, Jacobsen, Nurbekyan, Oberman 2020, How to train your neural ODE, arXiv:2002.02798.
    """

    motion: Motion
    kinetic: float
    jacobian: float

    def of(self, rows: Tensor) -> "PenalisedMotion":
        return replace(self, motion=self.motion.of(rows))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.motion.tensors

    def start(self, x: Tensor) -> Tensor:
        return torch.cat([self.motion.start(x), x.new_zeros(len(x))])

    def parts(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z (B, *event), log_det (B,), penalty (B,)"""
        B = len(state) // (self.motion.dims + 2)
        return *self.motion.parts(state[:-B]), state[-B:]

    def __call__(self, t: Tensor, state: Tensor) -> Tensor:
        f, tangents = self.motion.in_torch(t, self.parts(state)[0])
        price = self.kinetic * f.square().flatten(1).sum(1)
        if self.jacobian:
            price = price + self.jacobian * self.motion.squares(tangents)
        return torch.cat([f.reshape(-1), self.motion.trace(tangents), price])
