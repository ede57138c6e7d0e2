"""A vector field on images as a convolutional net of place, time and context, and its dynamics."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.errors import UsageError
from loglik.nets.fields.dynamics import Dynamics
from loglik.nets.fields.field import Directions, begin

Shape = tuple[int, int, int]


class ImageField(nn.Module):
    """f(t, x, c): dx/dt at images x (B, C, H, W), with a context c (B, C') or without.

        h_1 = softplus(W_1 * x + b_1 + t w_1 + C c),    h_l = softplus(W_l * h_{l-1} + b_l + t w_l),
        f = W_{n+1} * h_n + b + t w

    with 3 x 3 convolutions that keep the size, and time as one more channel, the same at every pixel. It begins with a
    gain of 1.5 by default, see `field.begin`.
    Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud 2019, FFJORD, arXiv:1810.01367, appendix B.
    """

    def __init__(self, shape: Shape, hidden: Sequence[int], *, gain: float | None = None, context: int = 0) -> None:
        if not hidden:
            raise UsageError("Expected at least one hidden width of the field; got none. Set hidden=(64, 64), say.")
        super().__init__()
        self.shape = shape
        widths = (shape[0], *hidden, shape[0])
        sizes = list(pairwise(widths))
        self.layers = nn.ModuleList(nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in sizes)
        self.times = nn.ParameterList(0.1 * torch.randn(outputs) for _, outputs in sizes)
        self.context = nn.Linear(context, hidden[0], bias=False) if context else None
        begin(self.layers, 1.5 if gain is None else gain)
        nn.init.zeros_(self.times[-1])

    def dynamics(self, context: Tensor | None, directions: Directions) -> "ImageDynamics":
        """The field for one solve, whose trace is taken along the directions."""
        layers = [TimedConvolution(one.weight, one.bias, w) for one, w in zip(self.layers, self.times, strict=True)]  # type: ignore[arg-type]
        shift = None if self.context is None else self.context(context)[:, :, None, None]
        return ImageDynamics(self.shape, layers, shift, directions.e, directions.scale)

    def axes(self) -> Directions:
        """The exact trace, along every value of the image."""
        one = torch.eye(self.exact_directions, dtype=self.times[0].dtype, device=self.times[0].device)
        return self._directions(one.view(-1, 1, *self.shape))

    exact = axes

    def hutchinson(self, eps: Tensor) -> Directions:
        """Hutchinson's estimate: the mean of eps . (df/dx) eps over probes eps (K, B, C, H, W) with E eps eps^T = 1."""
        return self._directions(eps, 1.0 / len(eps))

    def no_directions(self) -> Directions:
        """No divergence, where the log-determinant is not wanted."""
        return self._directions(self.times[0].new_zeros(0, 1, *self.shape))

    @property
    def exact_directions(self) -> int:
        """How many directions the exact trace takes."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @staticmethod
    def _directions(eps: Tensor, scale: float = 1.0) -> Directions:
        return Directions(eps, eps, scale)


@dataclass(frozen=True)
class TimedConvolution:
    """A convolution: weight (outputs, inputs, 3, 3), bias (outputs,), and what time adds to it (outputs,)."""

    weight: Tensor
    bias: Tensor
    time: Tensor


@dataclass(frozen=True)
class ImageDynamics(Dynamics):
    """Images z (B, C, H, W) that move along an `ImageField` f. Its trace goes along K directions eps
    (K, 1 or B, C, H, W), pushed through the layers beside h:

        T_l = softplus'(.) (W_l * T_{l-1}),  T_0 = eps,      tr df/dz = scale sum_k eps_k . (W_{n+1} * T_n,k)
    """

    shape: Shape
    layers: Sequence[TimedConvolution]
    shift: Tensor | None
    eps: Tensor
    scale: float

    def select(self, rows: Tensor) -> Self:
        shift = None if self.shift is None else self.shift.index_select(0, rows)
        return replace(self, shift=shift, eps=self.select_directions(rows, self.eps))

    @property
    def event(self) -> tuple[int, ...]:
        return self.shape

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        weights = [tensor for layer in self.layers for tensor in (layer.weight, layer.bias, layer.time)]
        return (*weights, self.eps) if self.shift is None else (*weights, self.shift, self.eps)

    def value_and_tangents(self, t: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        # The directions come as (df/dz) eps_k, (K, B, C, H, W).
        B, last = len(z), len(self.layers) - 1
        # One convolution serves place and directions, which stand before one another along the batch.
        both = torch.cat([z, self.eps.expand(-1, B, *self.event).flatten(0, 1)])
        for number, layer in enumerate(self.layers):
            both = F.conv2d(both, layer.weight, padding=1)
            s = both[:B] + torch.addcmul(layer.bias, layer.time, t).view(-1, 1, 1)
            tangents = both[B:].view(len(self.eps), B, *both.shape[1:])
            if number == last:
                return s, tangents
            if number == 0 and self.shift is not None:
                s = s + self.shift
            both = torch.cat([F.softplus(s), (torch.sigmoid(s) * tangents).flatten(0, 1)])
        raise AssertionError("a net has a last layer")

    def trace(self, tangents: Tensor) -> Tensor:
        return self.scale * (self.eps * tangents).sum((0, 2, 3, 4))

    def frobenius(self, tangents: Tensor) -> Tensor:
        return self.scale * tangents.square().sum((0, 2, 3, 4))
