"""Autoregressive flows: every value is moved by what a masked net says of the values before it.

Papamakarios, Pavlakou, Murray 2017, Masked Autoregressive Flow for Density Estimation, arXiv:1705.07057; Kingma et al.
2016, Improving Variational Inference with Inverse Autoregressive Flow, arXiv:1606.04934.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from loglik.bijections.steered import Steered
from loglik.bijections.transform import Transform, WrittenOut
from loglik.contract import Bijection
from loglik.nets.masked import MaskedMLP
from loglik.nets.masked_adjoint import settle
from loglik.ops import FAR


class MaskedAutoregressive(Bijection):
    """z_o(i) = f(x_o(i); h_i(x_o(<i), c)),  o the order of the net, for vectors (B, D).

    Forward is one pass of the net, for all x are known. Back again, values come one after the other in the order o;
    the net keeps what it has computed, so that they cost about one pass together, and so do their gradients.

    Args:
        net: (B, D, 1), context (B, C) or None -> (B, D, transform.params); it is made to begin at the identity.
    """

    def __init__(self, net: MaskedMLP, transform: Transform) -> None:
        super().__init__()
        self.net, self.transform = net, transform
        net.start(transform.identity().expand(len(net.degrees.values), -1))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        layers = self.net.layers(context)
        if layers is not None and isinstance(self.transform, WrittenOut):
            return Steered(layers, self.transform)(x)
        z, log_slope = self.transform(x, self.net.of_flat(x.clamp(-FAR, FAR), context))
        return z, log_slope.sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        solution = self._solved(z, context)
        if not torch.is_grad_enabled():
            return solution
        # One round more, at the solution: the same numbers but for rounding, and what autograd has to know of them.
        with torch.autocast(z.device.type, enabled=False):
            h = self.net.of_flat(solution[0].clamp(-FAR, FAR), context, drop=False)
        x, log_slope = self.transform.inverse(z, h)
        return ThroughLaterValues.apply(x, log_slope, *solution, z.detach(), h.detach(), context, self)  # type: ignore[no-any-return, no-untyped-call]

    @torch.no_grad()
    def _solved(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """x and log|det dx/dz|, value by value."""
        order = self.net.degrees.order
        noise = z[:, order].T.unsqueeze(-1)
        nothing = noise.new_empty(0, len(z))
        steps = self.net.steps(len(z), context)
        drawing = steps.compiled_for(self.transform)
        if drawing is None:
            inverting = Inverting(self.transform, z.new_zeros(len(z)))
            in_order, log_det = steps.run(inverting, noise, nothing), inverting.log_det
        else:
            in_order, log_det = steps.compiled(drawing, noise, nothing)
        x = torch.empty_like(z)
        x[:, order] = in_order.T
        return x, log_det


class Inverting:
    """The inverse of a transform as a drawing of values, whose noise is z."""

    def __init__(self, transform: Transform, log_det: Tensor) -> None:
        self.transform, self.log_det = transform, log_det

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return x.clamp(-FAR, FAR).unsqueeze(-1)

    def sample(self, params: Tensor, noise: Tensor) -> Tensor:
        x, log_slope = self.transform.inverse(noise.squeeze(-1), params)
        self.log_det = self.log_det + log_slope
        return x


class ThroughLaterValues(torch.autograd.Function):
    """x and log_det, which solve x = f^-1(z; h(x)), for autograd: not functions of an h that is fixed.

    For cotangents g of x and l of log_det, those of h are g df^-1/dh + l dlog_slope/dh, and what they do to x goes
    through h(x) to later values: v = g + (dh/dx)^T (v df^-1/dh + l dlog_slope/dh) is the cotangent of x that takes
    everything into account. It is what is handed back to f^-1.
    """

    @staticmethod
    def forward(
        ctx: Any, again: Tensor, log_slope: Tensor, x: Tensor, log_det: Tensor, z: Tensor, h: Tensor, *rest: Any
    ) -> tuple[Tensor, Tensor]:
        """`again` and `log_slope` are f^-1(z; h) with h at the solution x, `rest` the context and the bijection."""
        context, ctx.own = rest
        ctx.save_for_backward(x, z, h, context)
        return x, log_det

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor, l: Tensor) -> tuple[Tensor | None, ...]:  # noqa: E741
        x, z, h, context = ctx.saved_tensors
        l = l.unsqueeze(1).expand_as(z)  # noqa: E741
        with torch.enable_grad():
            h = h.clone().requires_grad_()
            again, log_slope = ctx.own.transform.inverse(z, h)
            (slope,) = torch.autograd.grad(again.sum(), h, retain_graph=True)
            offset = torch.autograd.grad(log_slope, h, l)[0] if log_slope.requires_grad else torch.zeros_like(h)
        return settle(ctx.own.net.connected(), x, context, g, slope, offset), l, *[None] * 6
