"""PixelRNN on a CPU: a training step, and sampling, of 16 binary 28 x 28 images with 7 layers of h = 16, as for MNIST.

The peer in training is the loop of the textbook: the image skewed, one convolution and a few pointwise operations for
each column (each row of the Row LSTM), both directions as one batch, autograd behind. It has our weights and takes the
same steps, so the losses must agree. The peer in sampling takes a pass for each pixel and draws a few of them,
extrapolated to all.
"""

import copy
import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.harness import OURS, Contender, Row
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.pixelrnn.diagonal import DiagonalBiLSTM
from loglik.models.autoregressive.pixelrnn.net import ImageLayer, ImageLSTM
from loglik.spaces import Integer
from loglik.zoo import build

SIDE, EVENTS, LAYERS, WIDTH = 28, 16, 7, 16
PIXELS_OF_THE_NAIVE = 6


@functools.lru_cache(maxsize=2)
def start(name: str) -> tuple[Autoregressive, Tensor]:
    torch.manual_seed(0)
    model = build(name, Integer((SIDE, SIDE), 2), layers=LAYERS, width=WIDTH)
    assert isinstance(model, Autoregressive)
    torch.nn.init.normal_(model.net.last.weight, std=0.1)
    return model, torch.randint(2, (EVENTS, SIDE, SIDE))


def skewed(x: Tensor) -> Tensor:
    """(B, channels, H, W) -> (B, channels, H, H + W - 1): row r moved to the right by r."""
    height, width = x.shape[2:]
    return F.pad(x, (0, height)).flatten(2)[:, :, : height * (height + width - 1)].unflatten(2, (height, -1))


def straightened(x: Tensor, width: int) -> Tensor:
    """The inverse of `skewed`."""
    height = x.shape[2]
    return F.pad(x.flatten(2), (0, height)).unflatten(2, (height, height + width))[..., :width]


def scan(read: list[Tensor], weight: Tensor, margin: tuple[int, int], groups: int) -> Tensor:
    """Columns or rows (B, D 4h, L), a 1-D convolution leading from each to the next -> states (B, D, h, L, T)."""
    events, _, length = read[0].shape
    h = c = read[0].new_zeros(events, groups, weight.shape[1], length)
    states = []
    for s in read:
        now = s + F.conv1d(F.pad(h.flatten(1, 2), margin), weight, groups=groups)
        o, f, i, g = now.unflatten(1, (groups, 4, -1)).unbind(2)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
    return torch.stack(states, dim=-1)


def textbook_layer(layer: ImageLayer, x: Tensor) -> Tensor:
    """(B, 2h, H, W) -> (B, h, H, W), with the weights of our layer."""
    kernel, bias = layer.kernel().flatten(0, 1).unsqueeze(2), layer.bias().flatten()
    if not isinstance(layer, DiagonalBiLSTM):
        read = F.conv2d(F.pad(x, (1, 0)), kernel, bias)
        weight = layer.state[0].permute(1, 2, 0)
        return scan(list(read.unbind(2)), weight, (1, 1), 1)[:, 0].transpose(2, 3)
    half = len(bias) // 2
    left, right = F.conv2d(x, kernel[:half], bias[:half]), F.conv2d(x.flip(3), kernel[half:], bias[half:])
    columns = skewed(torch.cat([left, right], dim=1)).unbind(3)
    # conv1d reads from the row above on: the tap above first.
    weight = layer.state.flip(1).permute(0, 2, 3, 1).flatten(0, 1)
    states = scan(list(columns), weight, (1, 0), 2)
    left, right = (straightened(h, x.shape[3]) for h in states.unbind(1))
    return left + F.pad(right.flip(3), (0, 0, 1, 0))[:, :, :-1]


def textbook(model: Autoregressive, x: Tensor) -> Tensor:
    """log p(x), (B,)."""
    net = model.net
    assert isinstance(net, ImageLSTM)
    h = net.first(model.head.encode(x, model.dtype).squeeze(-1).unsqueeze(1))
    for layer, up in zip(net.layers, net.ups, strict=True):
        assert isinstance(layer, ImageLayer)
        h = h + up(textbook_layer(layer, h))
    out = net.last(F.relu(net.top(F.relu(h))))
    return model.head.log_prob(out.permute(0, 2, 3, 1), x).flatten(1).sum(1)


def training(name: str, log_prob: Callable[[Autoregressive, Tensor], Tensor]) -> Contender:
    first, x = start(name)
    model = copy.deepcopy(first)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        (-log_prob(model, x).mean() / model.space.dims).backward()
        optimizer.step()

    def value() -> float:
        with torch.no_grad():
            return float(log_prob(model, x).mean())

    return Contender(step, value)


def sampling(name: str, *, whole: bool) -> Contender:
    model, _ = start(name)
    torch.manual_seed(1)
    noise = model.head.noise((SIDE * SIDE, EVENTS), torch.empty(0))
    pixels = PIXELS_OF_THE_NAIVE if whole else SIDE * SIDE

    @torch.no_grad()
    def draw(k: int) -> Tensor:
        nothing = torch.empty(0, EVENTS, dtype=torch.long)
        return model.steps(EVENTS, whole=whole).run(model.head, noise[:k], nothing)

    return Contender(
        step=lambda: draw(pixels),
        value=lambda: float(draw(PIXELS_OF_THE_NAIVE).double().mean()),
        share=pixels / (SIDE * SIDE),
    )


def rows(name: str, bar: float) -> list[Row]:
    steps: dict[str, Callable[[], Contender]] = {
        OURS: functools.partial(training, name, Autoregressive.log_prob),
        "textbook loop": functools.partial(training, name, textbook),
    }
    draws: dict[str, Callable[[], Contender]] = {
        OURS: functools.partial(sampling, name, whole=False),
        "a pass for each": functools.partial(sampling, name, whole=True),
    }
    packages = ("torch", "numpy", "numba")
    return [
        Row(f"{name}-training", steps, {"textbook loop": bar}, agree={"textbook loop": 1e-4}, packages=packages),
        Row(f"{name}-sampling", draws, {"a pass for each": 20.0}, agree={"a pass for each": 1e-9}, packages=packages),
    ]


ROWS = [*rows("row-lstm", 1.5), *rows("diagonal-bilstm", 2.5)]
