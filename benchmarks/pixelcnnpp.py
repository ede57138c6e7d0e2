"""PixelCNN++: a training step in bfloat16 against float32, and sampling pixel by pixel against whole passes."""

from collections.abc import Callable
from functools import lru_cache

import torch

from benchmarks.harness import OURS, Contender, Row
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.spaces import Integer
from loglik.zoo import build

SPACE = Integer((3, 32, 32), 256)
BATCH = 16
IMAGES = 16
PASSES = 4  # the naive sampler does so many of its 1024 passes


def built() -> Autoregressive:
    torch.manual_seed(0)
    model = build("pixelcnn++", SPACE, layers=5, width=64)
    assert isinstance(model, Autoregressive)
    return model


def training(half: bool) -> Callable[[], Contender]:
    def prepare() -> Contender:
        model = built().train()
        x = torch.randint(256, (BATCH, *SPACE.shape))
        model.initialize(x)
        adam = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
        losses: list[float] = []

        def step() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = -model.objective(x).mean() / SPACE.dims
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            losses.append(loss.item())

        return Contender(step, lambda: losses[-1])

    return prepare


@lru_cache(maxsize=1)
def sampler() -> Autoregressive:
    model = built().eval()
    assert isinstance(model.net.last, torch.nn.Linear)
    torch.nn.init.normal_(model.net.last.weight, std=0.02)
    return model


def seeded_sample() -> torch.Tensor:
    model = sampler()
    torch.manual_seed(0)
    return model.sample(IMAGES)


def incremental() -> Contender:
    return Contender(seeded_sample, lambda: float(seeded_sample()[:, :, 0, :PASSES].double().mean()))


@torch.no_grad()
def first_pixels() -> torch.Tensor:
    """(passes, n, 3): the naive sampler's first pixels, with the noise of `seeded_sample`."""
    model = sampler()
    torch.manual_seed(0)
    noise = model.head.noise((32 * 32, IMAGES), torch.empty(0))
    given = torch.empty(0, IMAGES, 3, dtype=torch.long)
    return model.steps(IMAGES, whole=True).run(model.head, noise[:PASSES], given)


def naive() -> Contender:
    return Contender(first_pixels, lambda: float(first_pixels().double().mean()), share=PASSES / (32 * 32))


ROWS = [
    Row(
        "pixelcnn++-step-32x32x3",
        {OURS: training(half=True), "float32": training(half=False)},
        bars={"float32": 1.8},
        agree={"float32": 5e-3},
    ),
    Row(
        "pixelcnn++-sample-32x32x3",
        {OURS: incremental, "a pass for every pixel": naive},
        bars={"a pass for every pixel": 100.0},
        agree={"a pass for every pixel": 1e-9},
    ),
]
