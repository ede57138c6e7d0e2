"""MADE: sampling value by value against the inverses of masked autoregressive flows, and a step of training.

A layer of nflows, zuko or normflows is the same net, a MADE of normals, and inverts itself by D passes. Sizes, events
and precision are the same for all. Their masks and random numbers are their own, so values are not compared here; that
samples equal those of whole passes is held by tests.

Training: ours has direct connections from inputs to outputs besides. The first layer of normflows has no nonlinearity,
so its net is the smaller one. The zeros of masks that are left out could bring ours beyond "its products alone", which
are dense.
"""

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.harness import OURS, Contender, Row
from benchmarks.products import ALONE, products_alone
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.made.model import made
from loglik.spaces import Integer, Real

PACKAGES = ("torch", "numpy", "numba", "nflows", "normflows", "zuko")
DIMS, WIDTH, EVENTS = 63, 256, 512
IMAGE, IMAGE_WIDTH, IMAGES = 784, 1024, 64
LAYERS = ((DIMS, WIDTH), (WIDTH, WIDTH), (WIDTH, 2 * DIMS), (DIMS, 2 * DIMS))  # the last are the direct connections

Inverse = Callable[[Tensor], Tensor]
LogProb = Callable[[Tensor], Tensor]


def zuko_layer() -> tuple[nn.Module, LogProb, Inverse]:
    from zuko.flows import MaskedAutoregressiveTransform

    layer = MaskedAutoregressiveTransform(DIMS, 0, hidden_features=(WIDTH, WIDTH))

    def log_prob(x: Tensor) -> Tensor:
        z, log_det = layer().call_and_ladj(x)
        return standard_normal(z) + log_det

    return layer, log_prob, lambda z: layer().inv(z)


def nflows_layer() -> tuple[nn.Module, LogProb, Inverse]:
    """One block without a shortcut is a second hidden layer."""
    from nflows.transforms import MaskedAffineAutoregressiveTransform

    layer = MaskedAffineAutoregressiveTransform(DIMS, WIDTH, num_blocks=1, use_residual_blocks=False)

    def log_prob(x: Tensor) -> Tensor:
        z, log_det = layer(x)
        return standard_normal(z) + log_det

    return layer, log_prob, lambda z: layer.inverse(z)[0]


def normflows_layer() -> tuple[nn.Module, LogProb, Inverse]:
    """Its `inverse` is the loop of D passes."""
    from normflows.flows import MaskedAffineAutoregressive

    layer = MaskedAffineAutoregressive(DIMS, WIDTH, num_blocks=1, use_residual_blocks=False)

    def log_prob(x: Tensor) -> Tensor:
        z, log_det = layer.forward(x)
        return standard_normal(z) + log_det

    return layer, log_prob, lambda z: layer.inverse(z)[0]


PEERS = {"zuko": zuko_layer, "nflows": nflows_layer, "normflows": normflows_layer}


def standard_normal(z: Tensor) -> Tensor:
    return -0.5 * (z.square() + math.log(2.0 * math.pi)).sum(1)


def events() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.eye(DIMS) + 0.1 * torch.randn(DIMS, DIMS, generator=generator)
    return torch.randn(EVENTS, DIMS, generator=generator) @ mixing.T


def our_layers(layers: int) -> list[Autoregressive]:
    torch.manual_seed(0)
    models = [made(Real((DIMS,)), hidden=(WIDTH, WIDTH)).base for _ in range(layers)]
    for model in models:
        nn.init.normal_(model.net.weights.last.weight, std=0.02)
    return models


def our_sampling(layers: int) -> Contender:
    """Each layer turns what the next one draws into values, as a chain of flows does."""
    models = our_layers(layers)
    x = torch.zeros(DIMS, EVENTS)
    nothing = torch.empty(0, EVENTS)

    @torch.no_grad()
    def step() -> None:
        z = torch.randn(DIMS, EVENTS)
        for model in models:
            z = model.steps(EVENTS).run(model.head, z.unsqueeze(-1), nothing)
        x.copy_(z)

    return Contender(step, value=lambda: float(x.square().mean()))


def peer_sampling(peer: str, layers: int) -> Contender:
    torch.manual_seed(0)
    inverses = [PEERS[peer]()[2] for _ in range(layers)]
    x = torch.zeros(EVENTS, DIMS)

    @torch.no_grad()
    def step() -> None:
        z = torch.randn(EVENTS, DIMS)
        for inverse in inverses:
            z = inverse(z)
        x.copy_(z)

    return Contender(step, value=lambda: float(x.square().mean()))


def image_sampling(*, whole: bool) -> Contender:
    torch.manual_seed(0)
    model = made(Integer((IMAGE,), 2), hidden=(IMAGE_WIDTH,))
    assert isinstance(model, Autoregressive)
    nn.init.normal_(model.net.weights.last.weight, std=0.02)  # type: ignore[union-attr, arg-type]
    drawn: list[Tensor] = []
    nothing = torch.empty(0, IMAGES, dtype=torch.long)

    @torch.no_grad()
    def step() -> None:
        torch.manual_seed(0)
        noise = model.head.noise((IMAGE, IMAGES), torch.empty(0))
        drawn[:] = [model.steps(IMAGES, whole=whole).run(model.head, noise, nothing)]

    return Contender(step, value=lambda: float(drawn[0].double().mean()))


def training(module: nn.Module, log_prob: LogProb) -> Contender:
    """A step of AdamW, the same for all."""
    x = events()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        (-log_prob(x).mean()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return Contender(step, value=lambda: float(log_prob(x).detach().mean()))


def our_training() -> Contender:
    model = made(Real((DIMS,)), hidden=(WIDTH, WIDTH))
    model.initialize(events())
    return training(model, model.objective)


def peer_training(peer: str) -> Contender:
    torch.manual_seed(0)
    module, log_prob, _ = PEERS[peer]()
    return training(module, log_prob)


def sampling_row(layers: int, bar: float) -> Row:
    contenders = {OURS: functools.partial(our_sampling, layers)}
    contenders |= {peer: functools.partial(peer_sampling, peer, layers) for peer in PEERS}
    return Row(f"made-sampling-63-layers-{layers}", contenders, dict.fromkeys(PEERS, bar), packages=PACKAGES)


ROWS = [
    sampling_row(1, 15.0),
    sampling_row(5, 15.0),
    Row(
        "made-sampling-784",
        {
            OURS: functools.partial(image_sampling, whole=False),
            "whole passes": functools.partial(image_sampling, whole=True),
        },
        {"whole passes": 100.0},
        agree={"whole passes": 1e-3},
        packages=PACKAGES,
    ),
    Row(
        "made-training-63",
        {
            OURS: our_training,
            **{peer: functools.partial(peer_training, peer) for peer in PEERS},
            ALONE: functools.partial(products_alone, LAYERS, EVENTS, data=DIMS),
        },
        dict.fromkeys(PEERS, 1.0),
        packages=PACKAGES,
    ),
]  # fmt: skip
