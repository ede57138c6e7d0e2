"""What benchmarks of flows share: events, and training, scoring and sampling as contenders.

Training is measured with the optimiser that users of each library get: ours AdamW(fused=True) and the clipped gradient
of `fit`, the others torch's Adam; once more with the same AdamW for all and no clipping, so that nothing borrowed is
claimed; and with our nets in bfloat16, while densities stay in float32. That gains only where the processor computes
in bfloat16 (avx512_bf16, AMX). Weights and random numbers are each library's own, so values are not compared; that
ours are right is held by tests.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.harness import OURS, Contender, Row
from benchmarks.products import ALONE, Layers, products_alone
from loglik.contract import Model
from loglik.training.gradient import clipped

LAYERS, WIDTH = 5, 256
EVENTS, SCORED = 512, 4096
DIMS = (6, 21, 43, 63)

LogProb = Callable[[Tensor], Tensor]
Sample = Callable[[int], Tensor]
Flow = tuple[nn.Module, LogProb, Sample]
Build = Callable[[int], Flow]  # of so many dimensions
Prepare = Callable[[str, Build, int], Contender]  # library, how it builds its flow, dimensions


def events(dims: int, n: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.eye(dims) + 0.1 * torch.randn(dims, dims, generator=generator)
    return torch.randn(n, dims, generator=generator) @ mixing.T


def initialized(model: Model, dims: int) -> Flow:
    """Our model, once it has seen data."""
    with torch.no_grad():
        model.initialize(events(dims, EVENTS))
    return model, model.log_likelihood, model.sample


def training(name: str, build: Build, dims: int, *, equal: bool = False, half: bool = False) -> Contender:
    """half: our nets compute in bfloat16, as `fit` offers; the others have no such option."""
    torch.manual_seed(0)
    module, log_prob, _ = build(dims)
    module.train()
    x = events(dims, EVENTS)
    parameters = list(module.parameters())
    if equal or name == OURS:
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    else:
        optimizer = torch.optim.Adam(parameters, lr=1e-4)
    clips = name == OURS and not equal

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=half and name == OURS):
            objective = log_prob(x).mean()
        (-objective).backward()  # type: ignore[no-untyped-call]
        if clips:
            clipped(parameters, 1.0)
        optimizer.step()

    return Contender(step, value=lambda: float(log_prob(x).detach().mean()))


def scoring(name: str, build: Build, dims: int) -> Contender:
    torch.manual_seed(0)
    module, log_prob, _ = build(dims)
    module.eval()
    x = events(dims, SCORED)
    found = torch.zeros(SCORED)

    @torch.no_grad()
    def step() -> None:
        found.copy_(log_prob(x))

    return Contender(step, value=lambda: float(found.mean()))


def sampling(name: str, build: Build, dims: int) -> Contender:
    torch.manual_seed(0)
    module, _, sample = build(dims)
    module.eval()
    drawn = torch.zeros(EVENTS, dims)

    @torch.no_grad()
    def step() -> None:
        drawn.copy_(sample(EVENTS))

    return Contender(step, value=lambda: float(drawn.square().mean()))


def rows(
    kind: str,
    builds: Mapping[str, Build],
    bars: Mapping[str, float],
    products: Callable[[int], Layers] | None = None,
) -> list[Row]:
    """Training in three ways and scoring, at all dimensions.

    Args:
        bars: of "training", "half" and "scoring".
        products: dimensions -> the layers of our nets, whose products alone stand beside the training.
    """
    works: tuple[tuple[str, Prepare, float], ...] = (
        ("training", training, bars["training"]),
        ("training-equal-optimiser", functools.partial(training, equal=True), bars["training"]),
        ("training-bf16-nets", functools.partial(training, half=True), bars["half"]),
        ("log-prob", scoring, bars["scoring"]),
    )
    table = [row(f"{kind}-{work}", prepare, builds, dims, bar) for work, prepare, bar in works for dims in DIMS]
    if products is None:
        return table
    alone = [functools.partial(products_alone, products(dims), EVENTS) for dims in DIMS]
    first = [replace(one, contenders={**one.contenders, ALONE: its}) for one, its in zip(table, alone, strict=False)]
    return [*first, *table[len(DIMS) :]]


def row(work: str, prepare: Prepare, builds: Mapping[str, Build], dims: int, bar: float) -> Row:
    contenders = {name: functools.partial(prepare, name, build, dims) for name, build in builds.items()}
    bars = {name: bar for name in builds if name != OURS}
    packages = ("torch", "numpy", "numba", *bars)
    return Row(f"{work}-{dims}", contenders, bars, packages=packages)


class Plain:
    """nflows hands a context to the nets of couplings; its own MLP takes none."""

    def __init__(self, make: Callable[[int, int], nn.Module]) -> None:
        self.make = make

    def __call__(self, inputs: int, outputs: int) -> nn.Module:
        return WithoutContext(self.make(inputs, outputs))


class WithoutContext(nn.Module):
    hidden_features = WIDTH  # by which nflows scales what it feeds to a softmax

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, context: None = None) -> Tensor:
        return self.net(x)  # type: ignore[no-any-return]
