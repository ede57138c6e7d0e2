"""Affine flows, masked autoregressive ones and Real NVP: training, scoring, sampling against nflows, normflows, zuko.

All have 5 layers, 2 x 256 hidden units, batches of 512 and float32. Ours standardises its data and has ActNorm before
each layer besides, except in the rows called same-layers. normflows takes its masked flow by default the way of IAF,
whose densities cost D passes; here it is reversed, so that it too scores in one. How they are measured: see
`benchmarks.flows`.
"""

import functools

import torch
from torch import nn

from benchmarks.flows import DIMS, LAYERS, WIDTH, Flow, Plain, initialized, row, rows, sampling, training
from benchmarks.harness import OURS
from benchmarks.products import Layers
from loglik.models.flows.maf import maf
from loglik.models.flows.realnvp import realnvp
from loglik.spaces import Real


def our_flow(dims: int, *, coupling: bool, norm: str = "act") -> Flow:
    build = realnvp if coupling else maf
    return initialized(build(Real((dims,)), layers=LAYERS, hidden=(WIDTH, WIDTH), norm=norm), dims)


def zuko_flow(dims: int, *, coupling: bool) -> Flow:
    from zuko.flows import MAF, RealNVP

    flow = (RealNVP if coupling else MAF)(dims, transforms=LAYERS, hidden_features=(WIDTH, WIDTH))
    return flow, lambda x: flow().log_prob(x), lambda n: flow().sample((n,))


def nflows_flow(dims: int, *, coupling: bool) -> Flow:
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow as NFlow
    from nflows.nn.nets import MLP
    from nflows.transforms import (
        AffineCouplingTransform,
        CompositeTransform,
        MaskedAffineAutoregressiveTransform,
        ReversePermutation,
    )

    def net(inputs: int, outputs: int) -> nn.Module:
        return MLP((inputs,), (outputs,), [WIDTH, WIDTH])

    parts = []
    for layer in range(LAYERS):
        if coupling:
            parts.append(AffineCouplingTransform((torch.arange(dims) + layer) % 2, Plain(net)))
        else:
            masked = MaskedAffineAutoregressiveTransform(dims, WIDTH, num_blocks=1, use_residual_blocks=False)
            parts += [ReversePermutation(dims), masked]
    flow = NFlow(CompositeTransform(parts), StandardNormal([dims]))
    return flow, flow.log_prob, flow.sample


def normflows_flow(dims: int, *, coupling: bool) -> Flow:
    import normflows

    layers = []
    for _ in range(LAYERS):
        if coupling:
            seen = (dims + 1) // 2
            net = normflows.nets.MLP([seen, WIDTH, WIDTH, 2 * (dims - seen)], init_zeros=True)
            layer = normflows.flows.AffineCouplingBlock(net)
        else:
            masked = normflows.flows.MaskedAffineAutoregressive(dims, WIDTH, num_blocks=1, use_residual_blocks=False)
            layer = normflows.flows.Reverse(masked)
        layers += [layer, normflows.flows.Permute(dims, mode="swap")]
    flow = normflows.NormalizingFlow(normflows.distributions.DiagGaussian(dims, trainable=False), layers)
    return flow, flow.log_prob, lambda n: flow.sample(n)[0]


FLOWS = {OURS: our_flow, "zuko": zuko_flow, "nflows": nflows_flow, "normflows": normflows_flow}
MASKED = {name: functools.partial(flow, coupling=False) for name, flow in FLOWS.items()}
COUPLING = {name: functools.partial(flow, coupling=True) for name, flow in FLOWS.items()}
SAME_LAYERS = {**COUPLING, OURS: functools.partial(our_flow, coupling=True, norm="none")}
BARS = {"training": 1.0 / 0.92, "half": 1.0 / 0.7, "scoring": 1.0}


def coupling_products(dims: int) -> Layers:
    """The nets of our couplings: what they see, and two numbers for each of what they move."""
    seen = dims // 2
    return LAYERS * [(seen, WIDTH), (WIDTH, WIDTH), (WIDTH, 2 * (dims - seen))]


ROWS = [
    *rows("maf", MASKED, BARS),
    *rows("realnvp", COUPLING, BARS, coupling_products),
    *(row("realnvp-training-same-layers", training, SAME_LAYERS, dims, BARS["training"]) for dims in DIMS),
    row("maf-sampling", sampling, MASKED, 63, 15.0),
    row("realnvp-sampling", sampling, COUPLING, 63, 1.0),
]
