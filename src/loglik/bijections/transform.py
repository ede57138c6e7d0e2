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


Saved = tuple[Tensor, ...]


class WrittenOut(Transform):
    """A transform whose gradients are written out, so that larger operations can be made of it."""

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        if torch.compiler.is_compiling():
            return self.reference(x, h)
        return TransformFunction.apply(x, h, self)  # type: ignore[no-any-return]

    @abstractmethod
    def reference(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """z and log dz/dx for automatic differentiation."""

    @abstractmethod
    def forward_saved(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Saved]:
        """z, log dz/dx, and what `backward` reads."""

    @abstractmethod
    def backward(self, saved: Saved, g: Tensor, l: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741
        """The cotangents of x and h for those of z and of log dz/dx, which broadcasts over values."""


class TransformFunction(torch.autograd.Function):
    """x, h, transform -> z, log dz/dx."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, transform: WrittenOut) -> tuple[Tensor, Tensor]:
        z, log_slope, saved = transform.forward_saved(x, h)
        ctx.transform = transform
        ctx.save_for_backward(x, h, *saved)
        return z, log_slope

    @staticmethod
    def backward(ctx: Any, g: Tensor, l: Tensor) -> tuple[Tensor | None, ...]:  # noqa: E741
        x, h, *saved = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *gradients_again(ctx.transform.reference, (x, h), (g, l)), None
        return *ctx.transform.backward(tuple(saved), g, l), None
