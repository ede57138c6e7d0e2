"""Values of images as channels and back: each colour's features stay together, as the masks' groups want them."""

import torch
from torch import Tensor, nn


def as_channels(x: Tensor, colours: int) -> Tensor:
    """(B, [C,] H, W, inputs) -> (B, C inputs, H, W), the colours in their order."""
    return x.reshape(len(x), colours, *x.shape[-3:]).permute(0, 1, 4, 2, 3).flatten(1, 2)


def by_value(channels: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(B, C params, H, W) -> (B, [C,] H, W, params), the values' `shape` being ([C,] H, W)."""
    colours = 1 if len(shape) == 2 else shape[0]
    by_colour = channels.reshape(len(channels), colours, -1, *shape[-2:])
    return by_colour.permute(0, 1, 3, 4, 2).reshape(len(channels), *shape, -1)


def start_at(last: nn.Conv2d, outputs: Tensor, colours: int) -> None:
    """One bias serves all pixels of a colour: it begins at the mean of their outputs ([C,] H, W, params)."""
    assert last.bias is not None
    with torch.no_grad():
        last.bias.copy_(outputs.reshape(colours, -1, outputs.shape[-1]).mean(1).flatten())
