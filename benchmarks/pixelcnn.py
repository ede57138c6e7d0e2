"""PixelCNN and Gated PixelCNN: a training step in bfloat16 against float32, and sampling against whole passes.

Both steps have channels last, so the float32 they are held to is itself faster than the textbook's layout. bfloat16
gains only where the processor computes in it (avx512_bf16, AMX, a GPU); elsewhere it is emulated, and slower.
"""

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.harness import OURS, Contender, Row
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.spaces import Integer
from loglik.zoo import build

SPACE = Integer((28, 28), 256)
BATCH = 32
IMAGES = 16
PASSES = 12  # a step of the naive sampler does so many of its 784 passes


def built(name: str) -> Autoregressive:
    """7 blocks or layers, h = 64, first 7 x 7: the setting of the reference measurements."""
    torch.manual_seed(0)
    model = build(name, SPACE, layers=7, width=64, kernel=7)
    assert isinstance(model, Autoregressive)
    return model


def smooth_images() -> Tensor:
    """(BATCH, 28, 28): levels with something to learn."""
    torch.manual_seed(0)
    fine = F.interpolate(torch.rand(BATCH, 1, 6, 6), size=(28, 28), mode="bilinear")
    return (fine.squeeze(1) * 255).long()


def training(name: str, half: bool) -> Contender:
    model, x = built(name).train(), smooth_images()
    with torch.no_grad():
        model.initialize(x)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    bits_per_dim: list[float] = []

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            nats = -model.objective(x).mean()
        adam.zero_grad(set_to_none=True)
        nats.backward()  # type: ignore[no-untyped-call]
        adam.step()
        bits_per_dim.append(nats.item() / SPACE.dims / math.log(2.0))

    return Contender(step, lambda: bits_per_dim[-1])


@functools.lru_cache(maxsize=1)
def sampler(name: str) -> Autoregressive:
    model = built(name).eval()
    torch.nn.init.normal_(model.net.last.weight, std=0.1)  # type: ignore[union-attr,arg-type]
    return model


def seeded_sample(name: str) -> Tensor:
    torch.manual_seed(0)
    return sampler(name).sample(IMAGES)


@torch.no_grad()
def first_pixels(name: str) -> Tensor:
    """(PASSES, IMAGES): what the naive sampler draws first, with the noise of `seeded_sample`."""
    torch.manual_seed(0)
    model = sampler(name)
    noise = model.head.noise((SPACE.dims, IMAGES), torch.empty(0))
    return model.steps(IMAGES, whole=True).run(model.head, noise[:PASSES], torch.empty(0, IMAGES).long())


def incremental(name: str) -> Contender:
    def step() -> Tensor:
        return seeded_sample(name)

    return Contender(step, lambda: float(step().flatten(1)[:, :PASSES].double().mean()))


def naive(name: str) -> Contender:
    def step() -> Tensor:
        return first_pixels(name)

    return Contender(step, lambda: float(step().double().mean()), share=PASSES / SPACE.dims)


def training_row(name: str) -> Row:
    contenders = {OURS: functools.partial(training, name, True), "float32": functools.partial(training, name, False)}
    return Row(f"{name}-step-28x28", contenders, bars={"float32": 1.8}, agree={"float32": 5e-3})


def sampling_row(name: str) -> Row:
    peer = "a pass for every pixel"
    contenders = {OURS: functools.partial(incremental, name), peer: functools.partial(naive, name)}
    return Row(f"{name}-sample-28x28", contenders, bars={peer: 80.0}, agree={peer: 1e-3})


ROWS = [
    training_row("pixelcnn"),
    sampling_row("pixelcnn"),
    training_row("gated-pixelcnn"),
    sampling_row("gated-pixelcnn"),
]
