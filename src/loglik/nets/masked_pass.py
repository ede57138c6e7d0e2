"""One pass of a masked net as a single operation, with its gradients written out.

Nets of a few hundred units spend much of their time around the products of matrices. Here activations are computed in
place, gradients of masked weights are masked in place, and nothing is kept that is not read again.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from loglik.ops import gradients_again

Again = Callable[[Tensor, Tensor | None], Tensor]


class MaskedPass(torch.autograd.Function):
    """x (B, in) -> (B, out), with L >= 1 hidden layers:

        h_1 = relu(x (W_1 * M_1)^T + b_1 + onto),    h_l = relu(h_(l-1) (W_l * M_l)^T + b_l)
        out = h_L (W * M)^T + b + x (W_direct * M_direct)^T

    Under autocast all products are in its precision.

    Args:
        onto: (B, H_1) or None.
        again: x, onto -> out in single steps, for derivatives of derivatives.
        turned: whether `out` lies in memory as (out, B).
        masks: M_1, ..., M_L, M, and M_direct where there are direct connections.
        weights: W_1, b_1, ..., W_L, b_L, W, b, and W_direct.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, onto: Tensor | None, again: Again, turned: bool, masks: Sequence[Tensor], *weights: Tensor
    ) -> Tensor:
        device, layers = x.device.type, len(weights) // 2
        half = torch.is_autocast_enabled(device)
        masked = [w * mask for w, mask in zip(weights[::2], masks, strict=True)]
        biases, read = list(weights[1::2]), [x]
        if half:
            dtype = torch.get_autocast_dtype(device)
            masked, biases, read = ([t.to(dtype) for t in group] for group in (masked, biases, read))
        with torch.autocast(device, enabled=False) if half else contextlib.nullcontext():
            for layer in range(layers):
                if turned and layer == layers - 1:
                    h = torch.addmm(biases[layer].unsqueeze(1), masked[layer], read[layer].t()).t()
                else:
                    h = torch.addmm(biases[layer], read[layer], masked[layer].t())
                if layer == 0 and onto is not None:
                    h += onto
                read.append(h.relu_() if layer < layers - 1 else h)
            out = read.pop()
            if len(masked) > layers:
                out.addmm_(read[0], masked[-1].t())
        ctx.again, ctx.masks = again, masks
        ctx.save_for_backward(x, onto, *weights, *read, *masked)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        count = len(ctx.needs_input_grad) - 5
        layers, masks = count // 2, ctx.masks
        x, onto, *rest = ctx.saved_tensors
        weights, read, masked = rest[:count], rest[count : count + layers], rest[count + layers :]
        if torch.is_grad_enabled():
            of_x, of_onto, *gradients = gradients_again(
                lambda x, onto, *_: ctx.again(x, onto), (x, onto, *weights), (g,)
            )
            return of_x, of_onto, None, None, None, *gradients
        above, gradients = g, []
        for layer in reversed(range(layers)):
            gradients += [above.sum(0, dtype=x.dtype), _of_weight(above, read[layer], masks[layer], x.dtype)]
            if layer:
                above = above @ masked[layer]
                # In place: the derivative of relu is read off its value.
                torch.ops.aten.threshold_backward.grad_input(above, read[layer], 0, grad_input=above)
        gradients.reverse()
        of_x = above @ masked[0] if ctx.needs_input_grad[0] else None
        if len(masked) > layers:
            gradients.append(_of_weight(g, read[0], masks[-1], x.dtype))
            of_x = None if of_x is None else of_x.addmm_(g, masked[-1])
        return of_x, None if onto is None else above, None, None, None, *gradients


def _of_weight(above: Tensor, below: Tensor, mask: Tensor, dtype: torch.dtype) -> Tensor:
    return (above.t() @ below).to(dtype).mul_(mask)
