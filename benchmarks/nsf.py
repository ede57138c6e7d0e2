"""Neural spline flows, autoregressive and by couplings: training, scoring and sampling against nflows, normflows, zuko.

All have 5 layers, 2 x 256 hidden units (normflows: one residual block of two, its own design), 8 bins on [-3, 3] (zuko:
[-5, 5]), batches of 512 and float32. Ours has a learned matrix before each layer besides. The
coupling flow of zuko is its masked net with two passes. Weights and random numbers are their own, so values are not
compared; that ours are right is held by tests.

Training is measured with the optimiser that users of each library get: ours AdamW(fused=True) and the clipped gradient
of `fit`, the others torch's Adam; once more with the same AdamW for all and no clipping, so that nothing borrowed is
claimed; and with our nets in bfloat16, while densities stay in float32. That gains only where the processor computes
in bfloat16 (avx512_bf16, AMX).
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.harness import OURS, Contender, Row
from loglik.models.flows.nsf import nsf, nsf_coupling
from loglik.spaces import Real

PACKAGES = ("torch", "numpy", "numba", "nflows", "normflows", "zuko")
LAYERS, WIDTH, BINS, BOUND = 5, 256, 8, 3.0
EVENTS, SCORED = 512, 4096
DIMS = (6, 21, 43, 63)

LogProb = Callable[[Tensor], Tensor]
Sample = Callable[[int], Tensor]
Flow = tuple[nn.Module, LogProb, Sample]


def our_flow(dims: int, *, coupling: bool) -> Flow:
    torch.manual_seed(0)
    build = nsf_coupling if coupling else nsf
    model = build(Real((dims,)), layers=LAYERS, hidden=(WIDTH, WIDTH), bins=BINS, bound=BOUND)
    with torch.no_grad():
        model.initialize(events(dims, EVENTS))
    return model, model.log_likelihood, model.sample


def zuko_flow(dims: int, *, coupling: bool) -> Flow:
    from zuko.flows import NSF

    passes = {"passes": 2} if coupling else {}
    flow = NSF(dims, bins=BINS, transforms=LAYERS, hidden_features=(WIDTH, WIDTH), **passes)
    return flow, lambda x: flow().log_prob(x), lambda n: flow().sample((n,))


def nflows_flow(dims: int, *, coupling: bool) -> Flow:
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow as NFlow
    from nflows.nn.nets import MLP
    from nflows.transforms import (
        CompositeTransform,
        MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
        PiecewiseRationalQuadraticCouplingTransform,
        ReversePermutation,
    )

    def net(inputs: int, outputs: int) -> nn.Module:
        return MLP((inputs,), (outputs,), [WIDTH, WIDTH])

    parts = []
    for layer in range(LAYERS):
        tails = {"num_bins": BINS, "tails": "linear", "tail_bound": BOUND}
        if coupling:
            mask = (torch.arange(dims) + layer) % 2
            parts.append(PiecewiseRationalQuadraticCouplingTransform(mask, Plain(net), **tails))
        else:
            masked = {"num_blocks": 1, "use_residual_blocks": False}
            parts += [
                ReversePermutation(dims),
                MaskedPiecewiseRationalQuadraticAutoregressiveTransform(dims, WIDTH, **tails, **masked),
            ]
    flow = NFlow(CompositeTransform(parts), StandardNormal([dims]))
    return flow, flow.log_prob, flow.sample


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


def normflows_flow(dims: int, *, coupling: bool) -> Flow:
    import normflows

    layers = []
    for layer in range(LAYERS):
        if coupling:
            spline = normflows.flows.CoupledRationalQuadraticSpline(
                dims, 1, WIDTH, num_bins=BINS, tail_bound=BOUND, reverse_mask=layer % 2 == 1
            )
        else:
            spline = normflows.flows.AutoregressiveRationalQuadraticSpline(
                dims, 1, WIDTH, num_bins=BINS, tail_bound=BOUND, permute_mask=layer % 2 == 1
            )
        layers.append(spline)
    flow = normflows.NormalizingFlow(normflows.distributions.DiagGaussian(dims, trainable=False), layers)
    return flow, flow.log_prob, lambda n: flow.sample(n)[0]


FLOWS = {OURS: our_flow, "zuko": zuko_flow, "nflows": nflows_flow, "normflows": normflows_flow}


def events(dims: int, n: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.eye(dims) + 0.1 * torch.randn(dims, dims, generator=generator)
    return torch.randn(n, dims, generator=generator) @ mixing.T


def training(name: str, dims: int, *, coupling: bool, equal: bool = False, half: bool = False) -> Contender:
    """half: our nets compute in bfloat16, as `fit` offers; the others have no such option."""
    torch.manual_seed(0)
    module, log_prob, _ = FLOWS[name](dims, coupling=coupling)
    module.train()
    x = events(dims, EVENTS)
    parameters = list(module.parameters())
    if equal or name == OURS:
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    else:
        optimizer = torch.optim.Adam(parameters, lr=1e-4)
    clipped = name == OURS and not equal

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=half and name == OURS):
            objective = log_prob(x).mean()
        (-objective).backward()  # type: ignore[no-untyped-call]
        if clipped:
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return Contender(step, value=lambda: float(log_prob(x).detach().mean()))


def scoring(name: str, dims: int, *, coupling: bool) -> Contender:
    torch.manual_seed(0)
    module, log_prob, _ = FLOWS[name](dims, coupling=coupling)
    module.eval()
    x = events(dims, SCORED)
    found = torch.zeros(SCORED)

    @torch.no_grad()
    def step() -> None:
        found.copy_(log_prob(x))

    return Contender(step, value=lambda: float(found.mean()))


def sampling(name: str, dims: int, *, coupling: bool) -> Contender:
    torch.manual_seed(0)
    module, _, sample = FLOWS[name](dims, coupling=coupling)
    module.eval()
    drawn = torch.zeros(EVENTS, dims)

    @torch.no_grad()
    def step() -> None:
        drawn.copy_(sample(EVENTS))

    return Contender(step, value=lambda: float(drawn.square().mean()))


def row(work: str, prepare: Callable[..., Contender], dims: int, bar: float, *, coupling: bool) -> Row:
    kind = "nsf-coupling" if coupling else "nsf"
    contenders = {name: functools.partial(prepare, name, dims, coupling=coupling) for name in FLOWS}
    bars = {name: bar for name in FLOWS if name != OURS}
    return Row(f"{kind}-{work}-{dims}", contenders, bars, packages=PACKAGES)


TRAINING, HALF, SCORING, SAMPLING = 1.0 / 0.75, 1.0 / 0.5, 1.0 / 0.55, 10.0

ROWS = [
    row(*work, dims, bar, coupling=coupling)
    for coupling in (False, True)
    for *work, bar in (
        ("training", training, TRAINING),
        ("training-equal-optimiser", functools.partial(training, equal=True), TRAINING),
        ("training-bf16-nets", functools.partial(training, half=True), HALF),
        ("log-prob", scoring, SCORING),
    )
    for dims in DIMS
]
ROWS += [row("sampling", sampling, 63, SAMPLING, coupling=False), row("sampling", sampling, 63, 1.0, coupling=True)]
