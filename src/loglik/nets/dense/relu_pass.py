"""One pass of a net of linear layers with ReLU between them as a single operation, its gradients written out.

Nets of a few hundred units spend much of their time around the products of matrices. Here activations are computed in
place, gradients of masked weights are masked in place, and nothing is saved that is not read again. `forward` and
`backward` are plain functions, so that larger operations can be made of them; `reference` is the plain equation.
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.nets.dense import quarters
from loglik.nets.dense.products import linear, product
from loglik.nets.dense.quarters import Quarter
from loglik.ops import gradients_again


@dataclass(frozen=True)
class Layers:
    """A net with L >= 0 hidden layers, x (B, in) -> out (B, out):

        h_1 = relu(x (W_1 * M_1)^T + b_1 + onto),    h_l = relu(h_(l-1) (W_l * M_l)^T + b_l)
        out = h_L (W * M)^T + b + x (W_direct * M_direct)^T + onto_out

    Args:
        weights: W_1, b_1, ..., W_L, b_L, W, b, and W_direct where there are direct connections.
        masks: M_1, ..., M_L, M, and M_direct; of ones and zeros, or None.
        onto: (B, H_1) or None.   onto_out: (B, out) or None.
        quarters: for each hidden layer, which part of its masked weights is known to be zero.
        turned: whether `out` lies in memory as (out, B).
    """

    weights: Sequence[Tensor]
    masks: Sequence[Tensor | None]
    onto: Tensor | None = None
    onto_out: Tensor | None = None
    turned: bool = False
    quarters: Sequence[Quarter | None] = ()

    def quarter(self, layer: int) -> Quarter | None:
        return self.quarters[layer] if layer < len(self.quarters) else None

    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = ReluPass.apply(x, self.onto, self.onto_out, self, *self.weights)
        return out


def reference(
    layers: Layers,
    x: Tensor,
    onto: Tensor | None,
    onto_out: Tensor | None,
    *weights: Tensor,
    dropout: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """The equation of `Layers` in plain torch, for automatic differentiation; `dropout` acts on hidden layers."""
    h, biases = x, weights[1::2]
    masked = [w if mask is None else w * mask for w, mask in zip(weights[::2], layers.masks, strict=True)]
    for layer, bias in enumerate(biases[:-1]):
        h = F.linear(h, masked[layer], bias)
        h = F.relu(h if layer or onto is None else h + onto)
        h = h if dropout is None else dropout(h)
    out = F.linear(h, masked[len(biases) - 1], biases[-1])
    out = out + F.linear(x, masked[-1]) if len(masked) > len(biases) else out
    return out if onto_out is None else out + onto_out


@dataclass(frozen=True)
class Saved:
    """What `backward` reads: the inputs of every layer, and the masked weights."""

    read: list[Tensor]
    masked: list[Tensor]


def forward(layers: Layers, x: Tensor) -> tuple[Tensor, Saved]:
    """The outputs, (B, out). Under autocast all products are in its precision, and they are in it too."""
    device, weights, depth = x.device.type, layers.weights, len(layers.weights) // 2
    half = torch.is_autocast_enabled(device)
    masked = [w if mask is None else w * mask for w, mask in zip(weights[::2], layers.masks, strict=True)]
    biases, read = list(weights[1::2]), [x]
    if half:
        dtype = torch.get_autocast_dtype(device)
        masked, biases, read = ([t.to(dtype) for t in group] for group in (masked, biases, read))
    with torch.autocast(device, enabled=False) if half else contextlib.nullcontext():
        for layer in range(depth - 1):
            h = quarters.outputs(read[layer], masked[layer], biases[layer], layers.quarter(layer))
            if layer == 0 and layers.onto is not None:
                h += layers.onto
            read.append(h.relu_())
        last, bias, direct = masked[depth - 1], biases[-1], masked[depth:]
        if layers.turned:
            out = linear(last, read[-1], bias.unsqueeze(1).expand(-1, len(x)))
            out = linear(direct[0], read[0], out).t() if direct else out.t()
        else:
            out = linear(read[-1], last, bias)
            out = linear(read[0], direct[0], out) if direct else out
        if layers.onto_out is not None:
            out += layers.onto_out
    return out, Saved(read, masked)


def backward(
    layers: Layers, g: Tensor, saved: Saved, dtype: torch.dtype, *, to_x: bool
) -> tuple[Tensor | None, Tensor, list[Tensor]]:
    """For the cotangent g (B, out): those of x, if asked for, of `onto`, and, in `dtype`, of the weights in order."""
    read, masked, masks, depth = saved.read, saved.masked, layers.masks, len(saved.read)
    above, gradients = g, []
    for layer in range(depth - 1, -1, -1):
        gradients += [above.sum(0), _of_weight(above, read[layer], masks[layer], layers.quarter(layer))]
        if layer:
            above = quarters.of_inputs(above, masked[layer], layers.quarter(layer))
            # In place: the derivative of relu is read off its value.
            torch.ops.aten.threshold_backward.grad_input(above, read[layer], 0, grad_input=above)
    gradients.reverse()
    of_x = product(above, masked[0]) if to_x else None
    if len(masked) > depth:
        gradients.append(_of_weight(g, read[0], masks[-1]))
        of_x = None if of_x is None else product(g, masked[-1], of_x)
    return of_x, above, gradients if g.dtype == dtype else [gradient.to(dtype) for gradient in gradients]


def _of_weight(above: Tensor, below: Tensor, mask: Tensor | None, quarter: Quarter | None = None) -> Tensor:
    gradient = quarters.of_weights(above, below, quarter)
    return gradient if mask is None else gradient.mul_(mask)


class ReluPass(torch.autograd.Function):
    """x, onto, onto_out, layers, weights -> out."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, onto: Tensor | None, onto_out: Tensor | None, layers: Layers, *weights: Tensor
    ) -> Tensor:
        out, saved = forward(layers, x)
        ctx.layers, ctx.sizes = layers, (len(weights), len(saved.read))
        ctx.save_for_backward(x, onto, onto_out, *weights, *saved.read, *saved.masked)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (x, onto, onto_out, *rest), (count, depth) = ctx.saved_tensors, ctx.sizes
        if torch.is_grad_enabled():
            inputs = (x, onto, onto_out, *rest[:count])
            found = gradients_again(functools.partial(reference, ctx.layers), inputs, (g,))
            return *found[:3], None, *found[3:]
        saved = Saved(rest[count : count + depth], rest[count + depth :])
        of_x, above, gradients = backward(ctx.layers, g, saved, x.dtype, to_x=ctx.needs_input_grad[0])
        return of_x, None if onto is None else above, None if onto_out is None else g, None, *gradients
