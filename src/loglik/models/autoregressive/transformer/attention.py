"""Causal attention by torch's fused kernels, whose gradients can be differentiated too."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.ops import gradients_again


def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d), over this place and those before) V; all (B, heads, T, d)."""
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return fused(query, key, value)
    return Attention.apply(query, key, value)  # type: ignore[no-any-return]


def fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """By torch's kernel."""
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def reference(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The equation in plain torch."""
    T, d = query.shape[-2:]
    later = torch.ones(T, T, dtype=torch.bool, device=query.device).triu(1)
    score = query @ key.mT / math.sqrt(d)
    return torch.softmax(score.masked_fill(later, -torch.inf), -1) @ value


class Attention(torch.autograd.Function):
    """The fused kernel and its gradients. The kernel's backward has no derivative: those come from the equation."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(query, key, value)
        with torch.enable_grad():
            ctx.inputs = [t.detach().requires_grad_() for t in (query, key, value)]
            ctx.attended = fused(*ctx.inputs)
        return ctx.attended.detach()  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            return tuple(gradients_again(reference, ctx.saved_tensors, cotangents))
        found: tuple[Tensor, ...] = torch.autograd.grad(ctx.attended, ctx.inputs, cotangents, retain_graph=True)
        return found
