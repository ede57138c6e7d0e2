"""A flow's layer as a single operation: values moved as a net says of other values, with the gradients written out.

Layers of flows are many and small, and what surrounds the products of matrices in them would take as long as these.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from loglik.bijections.transform import WrittenOut
from loglik.nets.dense import relu_pass
from loglik.nets.dense.relu_pass import Layers
from loglik.ops import FAR, gradients_again


class Split(NamedTuple):
    """The places (A,) and (M,) along axis 1 of what passes and of what is moved.

    back (A + M,): where each value stands once these are joined, first what passes.
    """

    passes: Tensor
    moves: Tensor
    back: Tensor


@dataclass(frozen=True)
class Steered:
    """z = f(x; net(x)), or z_b = f(x_b; net(x_a)) and z_a = x_a with a split, for vectors x (B, D), and log|det dz/dx|.

    For nets of ReLU layers and transforms that write their gradients out. The Jacobian is triangular: the caller knows
    why, the order of a masked net or the split.
    """

    layers: Layers
    transform: WrittenOut
    split: Split | None = None

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        layers = self.layers
        return SteeredFunction.apply(x, layers.onto, layers.onto_out, self, *layers.weights)  # type: ignore[no-any-return]

    def reference(
        self, x: Tensor, onto: Tensor | None, onto_out: Tensor | None, *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same for automatic differentiation."""
        seen, moved = self.parts(x)
        out = relu_pass.reference(self.layers, seen.clamp(-FAR, FAR), onto, onto_out, *weights)
        z, log_slope = self.transform.reference(moved, self.steering(out, x))
        return self.joined(seen, z), log_slope.sum(1)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the net sees, and what is moved."""
        if self.split is None:
            return x, x
        return x.index_select(1, self.split.passes), x.index_select(1, self.split.moves)

    def steering(self, out: Tensor, x: Tensor) -> Tensor:
        """(B, moved values, params)"""
        return (out if out.dtype == x.dtype else out.to(x.dtype)).view(len(x), self.transform.params, -1).mT

    def joined(self, passed: Tensor, moved: Tensor) -> Tensor:
        """Both parts in their places; `moved` is all there is without a split."""
        if self.split is None:
            return moved
        return torch.cat([passed, moved], dim=1).index_select(1, self.split.back)


class SteeredFunction(torch.autograd.Function):
    """x, onto, onto_out, steered, weights -> z, log_det."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, onto: Tensor | None, onto_out: Tensor | None, steered: Steered, *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        seen, moved = steered.parts(x)
        out, net = relu_pass.forward(steered.layers, seen.clamp(-FAR, FAR))
        z, log_slope, saved = steered.transform.forward_saved(moved, steered.steering(out, x))
        ctx.steered, ctx.sizes, ctx.dtype = steered, (len(weights), len(net.read), len(net.masked)), out.dtype
        ctx.save_for_backward(x, onto, onto_out, seen, *weights, *net.read, *net.masked, *saved)
        return steered.joined(seen, z), log_slope.sum(1)

    @staticmethod
    def backward(ctx: Any, g: Tensor, l: Tensor) -> tuple[Tensor | None, ...]:  # noqa: E741
        steered, (x, onto, onto_out, seen, *rest) = ctx.steered, ctx.saved_tensors
        weights, read, masked, saved = _cut(rest, ctx.sizes)
        if torch.is_grad_enabled():
            inputs = (x, onto, onto_out, *weights)
            found = gradients_again(steered.reference, inputs, (g, l))
            return *found[:3], None, *found[3:]
        of_passed, of_moved = steered.parts(g)
        of_moved, of_h = steered.transform.backward(tuple(saved), of_moved, l.unsqueeze(1))
        of_out = of_h.mT.reshape(len(x), -1)
        if ctx.dtype != x.dtype:
            of_out = of_out.to(ctx.dtype)
        net = relu_pass.Saved(read, masked)
        needed = ctx.needs_input_grad[0]
        of_seen, of_first, gradients = relu_pass.backward(steered.layers, of_out, net, x.dtype, to_x=needed)
        of_x = None
        if of_seen is not None:
            of_seen = of_seen if of_seen.dtype == x.dtype else of_seen.to(x.dtype)
            of_seen = torch.ops.aten.hardtanh_backward(of_seen, seen, -FAR, FAR)
            of_x = (
                of_moved.add_(of_seen) if steered.split is None else steered.joined(of_passed.add_(of_seen), of_moved)
            )
        return of_x, None if onto is None else of_first, None if onto_out is None else of_out, None, *gradients


def _cut(tensors: list[Tensor], sizes: tuple[int, ...]) -> list[list[Tensor]]:
    """Groups of so many, and the rest."""
    groups, start = [], 0
    for size in sizes:
        groups.append(tensors[start : start + size])
        start += size
    return [*groups, tensors[start:]]
