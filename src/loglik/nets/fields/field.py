"""A vector field as a tanh net of place, time and context, and the directions along which its divergence is taken."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loglik.errors import UsageError
from loglik.nets.fields.compiled import CompiledDynamics, compiles
from loglik.nets.fields.field_dynamics import FieldDynamics


@dataclass(frozen=True)
class Directions:
    """K directions with  tr df/dx = scale sum_k v_k . (T_n of e_k),  exactly or in expectation; see `FieldDynamics`.

    e (K, 1 or B, H_1) is what a direction is in front of the first nonlinearity, v (K, 1 or B, H_n) what is read off
    after the last.
    """

    e: Tensor
    v: Tensor
    scale: float = 1.0


def begin(layers: nn.ModuleList, gain: float) -> None:
    """W ~ N(0, gain^2 / inputs), b ~ U(-gain, gain): inputs of unit size reach a unit at the size of `gain`, and each
    unit bends at a place of its own among the data. The last layer begins as zeros: what moves begins at rest.
    """
    if not gain > 0.0:
        raise UsageError(f"Expected gain > 0; got {gain}.")
    for layer in layers:
        assert isinstance(layer, nn.Linear | nn.Conv2d)
        scale = 0.0 if layer is layers[-1] else gain
        nn.init.normal_(layer.weight, std=scale / math.sqrt(layer.weight[0].numel()))
        assert layer.bias is not None
        nn.init.uniform_(layer.bias, -scale, scale)


class Field(nn.Module):
    """f(t, x, c): dx/dt at x (B, D), with a context c (B, C) or without.

        h_1 = tanh(W_1 x + b_1 + t w_1 + C c),    h_l = tanh(W_l h_{l-1} + b_l + t w_l),    f = W_{n+1} h_n + b + t w

    Time is one more input to every layer. The fewer dimensions, the finer is what there is to learn in them, so by
    default it begins with a gain of 1 + 2 / D, see `begin`.
    """

    def __init__(self, dims: int, hidden: Sequence[int], *, gain: float | None = None, context: int = 0) -> None:
        if not hidden:
            raise UsageError("Expected at least one hidden width of the field; got none. Set hidden=(64, 64), say.")
        super().__init__()
        self.widths = (dims, *hidden, dims)
        sizes = zip(self.widths[:-1], self.widths[1:], strict=True)
        self.layers = nn.ModuleList(nn.Linear(inputs + 1, outputs) for inputs, outputs in sizes)
        self.context = nn.Linear(context, hidden[0], bias=False) if context else None
        begin(self.layers, 1.0 + 2.0 / dims if gain is None else gain)

    def forward(self, t: Tensor, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = x
        for number, layer in enumerate(self.layers):
            h = layer(torch.cat([h, t.to(h.dtype).expand(len(h), 1)], dim=1))
            if number == 0 and self.context is not None:
                h = h + self.context(context)
            h = torch.tanh(h) if number < len(self.layers) - 1 else h
        return h

    def dynamics(self, context: Tensor | None, directions: Directions) -> FieldDynamics:
        """The field for one solve: all that stays the same in it is computed once."""
        parts: list[Tensor] = []
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            parts += [layer.weight[:, :-1].T.reshape(-1), layer.bias, layer.weight[:, -1]]
        shift = parts[0].new_zeros(0, self.widths[1]) if self.context is None else self.context(context)
        theta = torch.cat(parts)
        kind = CompiledDynamics if compiles(theta, self.widths) else FieldDynamics
        return kind(theta, self.widths, shift, directions.e, directions.v, directions.scale)

    def axes(self) -> Directions:
        """The exact trace along the axes d of x:  e_d = W_1[:, d], v_d = W_{n+1}[d, :]."""
        first, last = self._ends()
        return Directions(first.T.unsqueeze(1), last.unsqueeze(1))

    def exact(self) -> Directions:
        """The exact trace along as few directions as there are. With more axes than units in the first layer, those of
        the units:  e_i = 1_i, v_i = (W_1 W_{n+1})[i, :],  since tr AB = tr BA.
        """
        if self.widths[0] <= self.widths[1]:
            return self.axes()
        first, last = self._ends()
        units = torch.eye(len(first), dtype=first.dtype, device=first.device)
        return Directions(units.unsqueeze(1), (first @ last).unsqueeze(1))

    def hutchinson(self, eps: Tensor) -> Directions:
        """Hutchinson's estimate: the mean of eps . (df/dx) eps over probes eps (K, B, D) with E eps eps^T = 1."""
        first, last = self._ends()
        return Directions(eps @ first.T, eps @ last, 1.0 / len(eps))

    def no_directions(self) -> Directions:
        """No divergence, where the log-determinant is not wanted."""
        weight = self._ends()[0]
        return Directions(weight.new_zeros(0, 1, self.widths[1]), weight.new_zeros(0, 1, self.widths[-2]))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.widths[0],)

    @property
    def exact_directions(self) -> int:
        """How many directions the exact trace takes."""
        return min(self.widths[0], self.widths[1])

    def _ends(self) -> tuple[Tensor, Tensor]:
        """W_1 (H_1, D) and W_{n+1} (D, H_n)."""
        first, last = self.layers[0], self.layers[-1]
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        return first.weight[:, :-1], last.weight[:, :-1]
