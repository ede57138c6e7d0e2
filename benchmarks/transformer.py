"""Sampling from a transformer: keys and values kept, against the textbook's whole pass for every value."""

from functools import lru_cache

import torch

from benchmarks.harness import OURS, Contender, Row
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.spaces import Integer
from loglik.zoo import build

IMAGES = 1
PASSES = 16  # the naive sampler does so many of its 784 passes
SPACE = Integer((28, 28), 256)


@lru_cache(maxsize=1)
def model() -> Autoregressive:
    torch.manual_seed(0)
    built = build("transformer", SPACE, layers=4, width=64, heads=4).eval()
    assert isinstance(built, Autoregressive)
    torch.nn.init.normal_(built.net.last.weight, std=0.1)  # type: ignore[union-attr,arg-type]
    return built


def seeded_sample() -> torch.Tensor:
    torch.manual_seed(0)
    return model().sample(IMAGES)


def ours() -> Contender:
    return Contender(seeded_sample, lambda: float(seeded_sample().flatten(1)[:, :PASSES].double().mean()))


@torch.no_grad()
def first_values() -> torch.Tensor:
    torch.manual_seed(0)
    net = model()
    noise = net.head.noise((SPACE.dims, IMAGES), torch.empty(0))
    return net.steps(IMAGES, whole=True).run(net.head, noise[:PASSES], torch.empty(0, IMAGES, dtype=torch.long))


def naive() -> Contender:
    return Contender(first_values, lambda: float(first_values().double().mean()), share=PASSES / SPACE.dims)


ROWS = [
    Row(
        "transformer-sample-28x28",
        {OURS: ours, "a pass for every value": naive},
        bars={"a pass for every value": 20.0},
        agree={"a pass for every value": 1e-9},
    )
]
