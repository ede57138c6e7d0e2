"""The dynamics of a tanh field, in plain torch: the equation that `compiled` repeats."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from loglik.nets.fields.dynamics import Dynamics


@dataclass(frozen=True)
class FieldDynamics(Dynamics):
    """Vectors z (B, D) that move along a `Field` f, whose trace goes along K directions, pushed through the layers:

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

    def select(self, rows: Tensor) -> Self:
        shift = self.shift.index_select(0, rows) if len(self.shift) else self.shift
        e, v = (self.select_directions(rows, along) for along in (self.e, self.v))
        return replace(self, shift=shift, e=e, v=v)

    @property
    def event(self) -> tuple[int, ...]:
        return (self.widths[0],)

    def with_tensors(self, tensors: Sequence[Tensor]) -> Self:
        """The same dynamics of other `tensors`."""
        theta, shift, e, v = tensors
        return replace(self, theta=theta, shift=shift, e=e, v=v)

    def value_and_tangents(self, t: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        # The directions come as T_n (K, B, H_n).
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
        return self.scale * (self.v * tangents).sum((0, 2))

    def frobenius(self, tangents: Tensor) -> Tensor:
        inputs, outputs = self.widths[-2:]
        weight = self.theta[-(inputs + 2) * outputs : -2 * outputs].view(inputs, outputs)
        return self.scale * (tangents @ weight).square().sum((0, 2))
