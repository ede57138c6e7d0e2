"""WaveNet: dilated causal convolutions for sound, and for any other sequence.

van den Oord et al. 2016, WaveNet: A Generative Model for Raw Audio, arXiv:1609.03499.
"""

import torch

from loglik.arguments.ranges import Count, Dilations, Few, Share
from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.heads import Head, head_for
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.wavenet.net import WaveNetNet
from loglik.models.standardized import standardized
from loglik.spaces import Space

PCM_LEVELS = 65_536  # 16-bit sound: a value is the sample + 32768
MOST_LAYERS = 10  # in a block, by default: its furthest tap is 512 values back


def wavenet(
    space: Space,
    *,
    layers: Dilations | None = None,
    blocks: Few = 2,
    kernel: Few = 2,
    width: Count = 32,
    skip: Count = 128,
    head: str | None = None,
    components: Count = 10,
    dropout: Share = 0.0,
    context: Space | None = None,
) -> ExactModel:
    """`blocks` of `layers` dilated convolutions each, the dilations 1, 2, 4, ... in every block, for sequences (T,).

    Its distribution of a value depends on the 1 + blocks (kernel - 1) (2^layers - 1) values before: the receptive
    field. `layers` defaults to as many as it takes to see the whole sequence, 10 at most. `width` counts the channels
    of a layer, `skip` those of the sum that the head reads. Sound of 16 bits is Integer((T,), 65536), a value being
    the sample + 32768; there `head` is "mu-law" or "logistic" (a mixture of `components`).

    A context of shape (F, C) is local: features that change F times over the sequence, F a divisor of T. Any other
    context is global. Reals are standardised inside the model.

    >>> import loglik
    >>> model = loglik.build("wavenet", loglik.Integer((6,), levels=65_536), width=4, skip=8, seed=0)
    >>> loglik.sample(model, 2, given=[[100, 200]])[:, :2].tolist()
    [[100, 200], [100, 200]]
    """
    if len(space.shape) != 1:
        raise UsageError(f"`wavenet` models sequences of shape (T,); got {space}. Use pixelcnn for images.")
    length = space.dims
    least = {"blocks": (blocks, 1), "kernel": (kernel, 2), "width": (width, 1), "skip": (skip, 1)}
    least |= {} if layers is None else {"layers": (layers, 1)}
    for name, (value, smallest) in least.items():
        if value < smallest:
            raise UsageError(f"Expected {name} >= {smallest}; got {value}.")
    if not 0.0 <= dropout < 1.0:
        raise UsageError(f"Expected a dropout of at least 0 and below 1; got {dropout}.")
    depth = layers_for(length, blocks, kernel) if layers is None else layers
    distribution = head_of(space, head, components)
    frames = context.shape[0] if context is not None and len(context.shape) == 2 else 1
    if length % frames:
        raise UsageError(f"Expected a number of context frames that divides {length}, the length; got {frames}.")
    net = WaveNetNet(
        distribution.inputs, distribution.params, length=length,
        dilations=[2**i for i in range(depth)] * blocks, kernel=kernel,
        width=width, skip=skip, context=context.width // frames if context else 0, frames=frames, dropout=dropout,
    )  # fmt: skip
    return standardized(Autoregressive(space, net, distribution, torch.arange(length), context))


def layers_for(length: int, blocks: int, kernel: int) -> int:
    """The fewest layers in a block whose receptive field holds all that comes before the last of `length` values."""
    layers = 1
    while layers < MOST_LAYERS and 1 + blocks * (kernel - 1) * (2**layers - 1) < length - 1:
        layers += 1
    return layers


def head_of(space: Space, head: str | None, components: int) -> Head:
    """As elsewhere, but for 16-bit sound mu-law, as in the paper, unless another head is named."""
    sound = space.ordered and space.limits == (0, PCM_LEVELS - 1)
    return head_for(space, "mu-law" if head is None and sound else head, components)
