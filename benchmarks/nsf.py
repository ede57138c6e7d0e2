"""Neural spline flows, autoregressive and by couplings: training, scoring and sampling against nflows, normflows, zuko.

All have 5 layers, 2 x 256 hidden units (normflows: one residual block of two, its own design), 8 bins on [-3, 3] (zuko:
[-5, 5]), batches of 512 and float32. Ours has a learned matrix before each layer besides. The coupling flow of zuko is
its masked net with two passes. How they are measured: see `benchmarks.flows`.
"""

import functools

import torch
from torch import nn

from benchmarks.flows import LAYERS, WIDTH, Flow, Plain, initialized, row, rows, sampling
from benchmarks.harness import OURS
from loglik.models.flows.nsf import nsf, nsf_coupling
from loglik.spaces import Real

BINS, BOUND = 8, 3.0


def our_flow(dims: int, *, coupling: bool) -> Flow:
    build = nsf_coupling if coupling else nsf
    return initialized(build(Real((dims,)), layers=LAYERS, hidden=(WIDTH, WIDTH), bins=BINS, bound=BOUND), dims)


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
AUTOREGRESSIVE = {name: functools.partial(flow, coupling=False) for name, flow in FLOWS.items()}
COUPLING = {name: functools.partial(flow, coupling=True) for name, flow in FLOWS.items()}
BARS = {"training": 1.0 / 0.75, "half": 1.0 / 0.5, "scoring": 1.0 / 0.55}

ROWS = [
    *rows("nsf", AUTOREGRESSIVE, BARS),
    *rows("nsf-coupling", COUPLING, BARS),
    row("nsf-sampling", sampling, AUTOREGRESSIVE, 63, 10.0),
    row("nsf-coupling-sampling", sampling, COUPLING, 63, 1.0),
]
