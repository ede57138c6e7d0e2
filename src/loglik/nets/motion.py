"""Moving along a tanh field: where to, and how volume changes on the way."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from loglik.nets.compiled_motion import compiled_motion, network

WIDEST = 128  # nets beyond are better off with whole batches and big matrix products


@dataclass(frozen=True)
class Motion:
    """(dz/dt, d log_det/dt) = (f(t, z), tr df/dz), for a state of z (B, D) and log_det (B,), one after the other.

    The net f is that of `Field`. Its trace goes along K directions, pushed through the layers beside h:

        T_1 = tanh'(.) e,      T_l = tanh'(.) (W_l T_{l-1}),      tr df/dz = scale sum_k v_k . T_n,k

    theta (P,) holds for each layer W^T (inputs, outputs), b and w; shift (B or 0, H_1) is what the context adds in the
    first layer. All may carry gradients; `tensors` names them, for the adjoint.
    """

    theta: Tensor
    widths: tuple[int, ...]
    shift: Tensor
    e: Tensor
    v: Tensor
    scale: float

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.theta, self.shift, self.e, self.v

    @property
    def dims(self) -> int:
        return self.widths[0]

    def start(self, x: Tensor) -> Tensor:
        """The state at x, with log_det 0."""
        return torch.cat([x.reshape(-1), x.new_zeros(len(x))])

    def parts(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, D), log_det (B,)"""
        D = self.dims
        B = state.shape[0] // (D + 1)
        return state[: B * D].view(B, D), state[B * D :]

    def __call__(self, t: Tensor, state: Tensor) -> Tensor:
        if self.compiles:
            return compiled_motion(self, t, state)
        f, tangents = self.in_torch(t, self.parts(state)[0])
        return torch.cat([f.reshape(-1), self.trace(tangents)])

    @property
    def compiles(self) -> bool:
        """Whether the loops of `field_kernel` are for it: on the CPU, below widths at which matrix products rule."""
        return self.theta.device.type == "cpu" and max(self.widths[1:-1]) <= WIDEST

    @cached_property
    def network(self) -> tuple[Any, ...]:
        """All that stays the same on the way, as the loops read it."""
        return network(self)

    def in_torch(self, t: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """f (B, D) and T_n (K, B, H_n)."""
        h, tangents, at = z, self.e, 0
        for number, (inputs, outputs) in enumerate(zip(self.widths[:-1], self.widths[1:], strict=True)):
            weight = self.theta[at : at + inputs * outputs].view(inputs, outputs)
            at += inputs * outputs
            bias, time = self.theta[at : at + 2 * outputs].view(2, outputs)
            at += 2 * outputs
            s = torch.addmm(torch.addcmul(bias, time, t), h, weight)
            if number == len(self.widths) - 2:
                return s, tangents
            if number == 0 and len(self.shift):
                s = s + self.shift
            h = torch.tanh(s)
            tangents = (1.0 - h * h) * (tangents if number == 0 else tangents @ weight)
        raise AssertionError("a net has a last layer")

    def trace(self, tangents: Tensor) -> Tensor:
        """(B,)"""
        return self.scale * (self.v * tangents).sum((0, 2))

    def pushed(self, tangents: Tensor) -> Tensor:
        """(df/dz) eps_k for each direction, where these are directions of z: (K, B, D)."""
        inputs, outputs = self.widths[-2:]
        weight = self.theta[-(inputs + 2) * outputs : -2 * outputs].view(inputs, outputs)
        return tangents @ weight
