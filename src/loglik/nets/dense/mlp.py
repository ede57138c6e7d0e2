"""A plain multi-layer perceptron, with an optional context joined to its input."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from loglik.nets.dense.relu_pass import Layers

MANY = 4  # outputs for each value, from which on it is faster to hold each of them apart from the others


class MLP(nn.Module):
    """(B, *inputs) -> (B, outputs): flattens, then linear layers with SiLU (or another `activation`) between them.

    With `zero_last` the net starts as the constant 0, so what it steers starts as the identity.

    Args:
        apart: outputs lie in memory as (outputs, B); else as (B, outputs).
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        *,
        context: int = 0,
        dropout: float = 0.0,
        zero_last: bool = False,
        activation: Callable[[], nn.Module] = nn.SiLU,
        apart: bool = False,
    ) -> None:
        super().__init__()
        self.apart, self.dropout, self.relu = apart, dropout, activation is nn.ReLU and bool(hidden)
        layers: list[nn.Module] = []
        width = inputs + context
        for size in hidden:
            layers += [nn.Linear(width, size), activation()]
            layers += [nn.Dropout(dropout)] if dropout else []
            width = size
        last = nn.Linear(width, outputs)
        if zero_last:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last)

    def start(self, outputs: Tensor) -> None:
        """Begin near constant outputs (outputs,): the last layer's bias, with its weights made small."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.copy_(outputs)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = x.flatten(1)
        if context is not None:
            h = torch.cat([h, context], dim=1)
        layers = self.layers_at_once()
        return (self._layer_by_layer(h) if layers is None else layers(h)).to(x.dtype)

    def layers_at_once(self) -> Layers | None:
        """What one pass reads; None where it takes single steps: without ReLU, or with dropout in training."""
        if not self.relu or (self.dropout and self.training) or torch.compiler.is_compiling():
            return None
        linear = self.linear
        weights: list[Any] = [parameter for layer in linear for parameter in (layer.weight, layer.bias)]
        return Layers(weights, [None] * len(linear), turned=self.apart)

    @property
    def linear(self) -> list[nn.Module]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def _layer_by_layer(self, h: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            h = layer(h)
        if not self.apart:
            return last(h)  # type: ignore[no-any-return]
        assert isinstance(last, nn.Linear)
        return torch.addmm(last.bias.unsqueeze(1), last.weight, h.t()).t()
