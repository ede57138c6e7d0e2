"""Autoregressive flows: every value is moved by what a masked net says of the values before it.

Papamakarios, Pavlakou, Murray 2017, Masked Autoregressive Flow for Density Estimation, arXiv:1705.07057; Kingma et al.
2016, Improving Variational Inference with Inverse Autoregressive Flow, arXiv:1606.04934.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from loglik.bijections.steered import Steered
from loglik.bijections.transform import Transform, WrittenOut
from loglik.contract import Bijection
from loglik.nets.masked.adjoint import settle
from loglik.nets.masked.net import MaskedMLP
from loglik.ops import FAR, gradients_again

T = TypeVar("T")


class MaskedAutoregressive(Bijection):
    """z_o(i) = f(x_o(i); h_i(x_o(<i), c)),  o the order of the net, for vectors (B, D).

    With `Affine` these are equations 4 and 5 of the paper: u_i = (x_i - mu_i) exp(-alpha_i), log|det| = -sum_i alpha_i.

    `forward` is one pass of the net, for all x are known. `inverse` computes the values one after the other in the
    order o; the net keeps what it has computed, so that they cost about one pass together, and so do their gradients.

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
        if not torch.is_grad_enabled():
            return self.solved(z, context)
        return SolvedInverse.apply(self, z, context, *self.net.parameters())  # type: ignore[no-any-return]

    def read(self, net: MaskedMLP, x: Tensor, context: Tensor | None) -> Tensor:
        """h(x), (B, D, params), without dropout."""
        with torch.autocast(x.device.type, enabled=False):
            return net.of_flat(x.clamp(-FAR, FAR), context, drop=False)

    def in_rounds(self, z: Tensor, context: Tensor | None, *parameters: Tensor) -> tuple[Tensor, Tensor]:
        """`inverse` for automatic differentiation, with these parameters of the net.

        A round of x <- f^-1(z; h(x)) from anywhere puts the first value in its place, and the next one the second,
        which is told of the first alone: after D rounds x is the solution, as a function of z.
        """

        def rounds(net: MaskedMLP) -> tuple[Tensor, Tensor]:
            x = log_slope = torch.zeros_like(z)
            for _ in range(z.shape[1]):
                x, log_slope = self.transform.inverse(z, self.read(net, x, context))
            return x, log_slope.sum(1)

        return with_parameters(self.net, parameters, rounds)

    @torch.no_grad()
    def solved(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
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

    def at(self, site: int) -> "Inverting":
        return self


class SolvedInverse(torch.autograd.Function):
    """x and log_det, which solve x = f^-1(z; h(x)), for autograd.

    For cotangents g of x and l of log_det, those of h are g df^-1/dh + l dlog_slope/dh, and what they do to x goes
    through h(x) to later values: v = g + (dh/dx)^T (v df^-1/dh + l dlog_slope/dh) is the cotangent of x that takes
    everything into account. It is what is handed back to f^-1. Gradients of gradients come from `in_rounds`.
    """

    @staticmethod
    def forward(
        ctx: Any, own: MaskedAutoregressive, z: Tensor, context: Tensor | None, *parameters: Tensor
    ) -> tuple[Tensor, Tensor]:
        x, log_det = own.solved(z, context)
        ctx.own = own
        ctx.save_for_backward(x, z, context, *parameters)
        return x, log_det

    @staticmethod
    def backward(ctx: Any, g: Tensor, l: Tensor) -> tuple[Tensor | None, ...]:  # noqa: E741
        own, (x, *inputs) = ctx.own, ctx.saved_tensors
        if torch.is_grad_enabled():
            return None, *gradients_again(own.in_rounds, inputs, (g, l))
        # Copies whose gradients stop here, and those asked for.
        copies: list[Any] = [None if t is None else t.detach().requires_grad_(t.requires_grad) for t in inputs[1:]]
        context, *parameters = copies
        asked = [t for t in (context, *parameters) if t is not None and t.requires_grad]

        def gradients(net: MaskedMLP) -> tuple[Tensor, Sequence[Tensor | None]]:
            with torch.enable_grad():
                outputs = own.read(net, x, context)
                h, z = outputs.detach().requires_grad_(), inputs[0].detach().requires_grad_()
                moved = own.transform.inverse(z, h)
                (slope,) = torch.autograd.grad(moved[0].sum(), h, retain_graph=True)
                steered = moved if moved[1].requires_grad else moved[:1]
                of_slope = l.unsqueeze(1).expand_as(z)
                offset = torch.zeros_like(h)
                if len(steered) == 2:
                    (offset,) = torch.autograd.grad(moved[1], h, of_slope, retain_graph=True)
            v = settle(net.connected(), x, context=context, given=g, slope=slope, offset=offset)
            of_z, of_h = torch.autograd.grad(steered, (z, h), (v, of_slope)[: len(steered)])
            return of_z, torch.autograd.grad(outputs, asked, of_h, allow_unused=True) if asked else ()

        of_z, rest = with_parameters(own.net, parameters, gradients)
        found = iter(rest)
        of_inputs = [next(found) if t is not None and t.requires_grad else None for t in (context, *parameters)]
        return None, of_z, *of_inputs


class NetAsArgument(nn.Module):
    """Work with a net, as a module, so that torch can lend the net other parameters for it."""

    def __init__(self, net: MaskedMLP) -> None:
        super().__init__()
        self.net = net

    def forward(self, work: Callable[[MaskedMLP], Any]) -> Any:
        return work(self.net)


def with_parameters(net: MaskedMLP, parameters: Sequence[Tensor], work: Callable[[MaskedMLP], T]) -> T:
    """work(net) while the net has these parameters, in the order of its own."""
    named = dict(zip((f"net.{name}" for name, _ in net.named_parameters()), parameters, strict=True))
    return torch.func.functional_call(NetAsArgument(net), named, (work,))  # type: ignore[no-any-return]
