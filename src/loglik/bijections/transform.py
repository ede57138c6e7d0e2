"""What a net steers in couplings and autoregressive flows: an increasing map of each value by itself."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from loglik.compiled.drawing import Drawing
from loglik.ops import gradients_again


class Transform(nn.Module, ABC):
    """z_d = f(x_d; h_d), increasing in x_d, with `params` numbers h_d that a net gives for each value.

    Shapes are (*any,) for values and (*any, params) for what steers them. In memory the parameters may lie in any
    order; with `params` as the slowest axis ((params, B, D), seen as (B, D, params)) sums over them vectorise.
    """

    params: int
    drawing: Drawing | None = None  # how compiled loops may invert it value by value; None: they have to ask

    @abstractmethod
    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """z and log dz/dx, both of the shape of x."""

    @abstractmethod
    def inverse(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """x and log dx/dz, both of the shape of z."""

    @abstractmethod
    def identity(self) -> Tensor:
        """(params,): the h for which z = x, where nets begin."""


Kept = tuple[Tensor, ...]


class WrittenOut(Transform):
    """A transform whose gradients are written out, so that larger operations can be made of it."""

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        if torch.compiler.is_compiling():
            return self.in_steps(x, h)
        return Moved.apply(x, h, self)  # type: ignore[no-any-return]

    @abstractmethod
    def in_steps(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """z and log dz/dx for automatic differentiation."""

    @abstractmethod
    def through(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Kept]:
        """z, log dz/dx, and what the way back reads."""

    @abstractmethod
    def back(self, kept: Kept, g: Tensor, l: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741
        """The cotangents of x and h for those of z and of log dz/dx, which broadcasts over values."""


class Moved(torch.autograd.Function):
    """x, h, transform -> z, log dz/dx."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, transform: WrittenOut) -> tuple[Tensor, Tensor]:
        z, log_slope, kept = transform.through(x, h)
        ctx.transform = transform
        ctx.save_for_backward(x, h, *kept)
        return z, log_slope

    @staticmethod
    def backward(ctx: Any, g: Tensor, l: Tensor) -> tuple[Tensor | None, ...]:  # noqa: E741
        x, h, *kept = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *gradients_again(ctx.transform.in_steps, (x, h), (g, l)), None
        return *ctx.transform.back(tuple(kept), g, l), None
