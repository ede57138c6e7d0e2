"""Continuous flows: a step of training against zuko, torchdiffeq, torchdyn and diffrax: same field, same tolerance.

The field is a tanh net of 3 x 64 units that sees the time, with weights large enough to need some 40 evaluations; 512
events in 2 dimensions with the exact trace, and in 43 dimensions with Hutchinson's, one Gaussian probe for a solve.
Relative and absolute tolerance 1e-5, Dormand-Prince 5(4) for all. All start from the same weights and take the same
steps of Adam; the probes are each library's own draws, so in 43 dimensions values agree only roughly.

python -m benchmarks.cnf_accuracy tells how many evaluations each takes, and how far from the truth it comes.
"""

import functools
import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks import cnf_diffrax
from benchmarks.harness import OURS, Contender, Row
from loglik.bijections.continuous import Continuous, gaussian
from loglik.nets.fields.field import Field

PACKAGES = ("torch", "numpy", "numba", "zuko", "torchdiffeq", "torchdyn", "diffrax", "jax")
EVENTS, TOLERANCE = 512, 1e-5
HIDDEN, GAIN = (64, 64, 64), 1.5
LR = 1e-4

LogProb = Callable[[Tensor], Tensor]


class Net(nn.Module):
    """The field as peers write it: f(t, x) of a state (B, D)."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        sizes = [dims + 1, *HIDDEN, dims]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layer = nn.Linear(inputs, outputs)
            with torch.no_grad():
                weight = torch.randn(outputs, inputs, generator=generator)
                layer.weight.copy_(GAIN * weight / math.sqrt(inputs))
                layer.bias.zero_()
            layers += [layer, nn.Tanh()]
        self.layers = nn.Sequential(*layers[:-1])
        self.evaluations = 0

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        self.evaluations += 1
        return self.layers(torch.cat([x, t.expand(len(x), 1)], dim=1))  # type: ignore[no-any-return]


def our_field(net: Net) -> Field:
    """The same function. Ours sees the time in every layer; beyond the first it begins at 0."""
    linear = [layer for layer in net.layers if isinstance(layer, nn.Linear)]
    field = Field(linear[-1].out_features, HIDDEN)
    with torch.no_grad():
        for number, (ours, theirs) in enumerate(zip(field.layers, linear, strict=True)):
            assert isinstance(ours, nn.Linear)
            time = theirs.weight[:, -1:] if number == 0 else torch.zeros(theirs.out_features, 1)
            ours.weight.copy_(torch.cat([theirs.weight[:, : ours.in_features - 1], time], dim=1))
            ours.bias.copy_(theirs.bias)
    return field


def normal(z: Tensor) -> Tensor:
    return -0.5 * (z.square() + math.log(2.0 * math.pi)).sum(1)


def ours(net: Net, dims: int, exact: bool, tolerance: float = TOLERANCE) -> tuple[Continuous, LogProb]:
    flow = Continuous(our_field(net), tolerance=tolerance, probes=None if exact else 1, noise=gaussian)
    flow.initialize(events(dims))

    def log_prob(x: Tensor) -> Tensor:
        z, log_det, _ = flow.trajectory(x)
        return normal(z) + log_det

    return flow, log_prob


def with_divergence(net: Net, exact: bool) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(t, x, eps) -> f and its divergence by automatic differentiation, as in the examples of torchdiffeq."""

    def both(t: Tensor, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x if x.requires_grad else x.requires_grad_()
            f = net(t, x)
            if not exact:
                (pulled,) = torch.autograd.grad(f, x, eps, create_graph=True)
                return f, (pulled * eps).sum(1)
            rows = [torch.autograd.grad(f[:, d].sum(), x, create_graph=True)[0][:, d] for d in range(x.shape[1])]
            return f, torch.stack(rows).sum(0)

    return both


def with_torchdiffeq(net: Net, dims: int, exact: bool, *, adjoint: bool) -> tuple[nn.Module, LogProb]:
    import torchdiffeq

    both = with_divergence(net, exact)

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.eps = net, torch.empty(0)

        def forward(self, t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return both(t, state[0], self.eps)

    field = Joined()
    odeint = torchdiffeq.odeint_adjoint if adjoint else torchdiffeq.odeint

    def log_prob(x: Tensor) -> Tensor:
        field.eps = torch.randn_like(x)
        start, times = (x, x.new_zeros(len(x))), torch.tensor([0.0, 1.0])
        z, log_det = odeint(field, start, times, rtol=TOLERANCE, atol=TOLERANCE, method="dopri5")
        return normal(z[-1]) + log_det[-1]

    return net, log_prob


def with_torchdyn(net: Net, dims: int, exact: bool) -> tuple[nn.Module, LogProb]:
    from torchdyn.numerics import odeint

    both = with_divergence(net, exact)

    def log_prob(x: Tensor) -> Tensor:
        eps = torch.randn_like(x)

        def joined(t: Tensor, state: Tensor, args: object = None) -> Tensor:
            f, divergence = both(t, state[:, :dims], eps)
            return torch.cat([f, divergence[:, None]], dim=1)

        start, times = torch.cat([x, x.new_zeros(len(x), 1)], dim=1), torch.tensor([0.0, 1.0])
        _, states = odeint(joined, start, times, solver="dopri5", atol=TOLERANCE, rtol=TOLERANCE)
        return normal(states[-1][:, :dims]) + states[-1][:, dims]

    return net, log_prob


def with_zuko(net: Net, dims: int, exact: bool) -> tuple[nn.Module, LogProb]:
    from zuko.transforms import FreeFormJacobianTransform

    def log_prob(x: Tensor) -> Tensor:
        transform = FreeFormJacobianTransform(net, phi=net.parameters(), atol=TOLERANCE, rtol=TOLERANCE, exact=exact)
        z, log_det = transform.call_and_ladj(x)
        return normal(z) + log_det

    return net, log_prob


Maker = Callable[[Net, int, bool], tuple[nn.Module, LogProb]]
CONTENDERS: dict[str, Maker] = {
    OURS: ours,
    "zuko": with_zuko,
    "torchdiffeq": functools.partial(with_torchdiffeq, adjoint=False),
    "torchdiffeq adjoint": functools.partial(with_torchdiffeq, adjoint=True),
    "torchdyn": with_torchdyn,
}


def events(dims: int) -> Tensor:
    return torch.randn(EVENTS, dims, generator=torch.Generator().manual_seed(1))


def training(maker: Maker, dims: int, *, exact: bool) -> Contender:
    torch.manual_seed(0)
    module, log_prob = maker(Net(dims), dims, exact)
    x = events(dims)
    optimizer = torch.optim.Adam(module.parameters(), lr=LR, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        (-log_prob(x).mean()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return Contender(step, value=lambda: float(log_prob(x).detach().mean()))


def with_diffrax(dims: int, *, exact: bool) -> Contender:
    return cnf_diffrax.training(Net(dims), events(dims), exact=exact, tolerance=TOLERANCE, lr=LR)


def row(dims: int, *, exact: bool, agree: float) -> Row:
    contenders = {name: functools.partial(training, maker, dims, exact=exact) for name, maker in CONTENDERS.items()}
    bars = dict.fromkeys((name for name in CONTENDERS if name != OURS), 2.0) | {"diffrax": 1.0}
    contenders["diffrax"] = functools.partial(with_diffrax, dims, exact=exact)
    return Row(f"cnf-training-{dims}", contenders, bars, dict.fromkeys(bars, agree), PACKAGES)


ROWS = [row(2, exact=True, agree=1e-3), row(43, exact=False, agree=0.1)]
