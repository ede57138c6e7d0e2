"""FFJORD: continuous flows that train with an estimated trace.

Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud 2019, FFJORD: free-form continuous dynamics for scalable reversible
generative models, arXiv:1810.01367.
"""

from collections.abc import Sequence

from loglik.bijections.continuous import Continuous, gaussian, rademacher
from loglik.contract import Model
from loglik.errors import UsageError
from loglik.models.dequantized import density_space
from loglik.models.flows.cnf import continuous_flow, gradient_called
from loglik.nets.field import Field
from loglik.spaces import Space

NOISE = {"rademacher": rademacher, "gaussian": gaussian}


def ffjord(
    space: Space,
    *,
    hidden: Sequence[int] = (64, 64, 64),
    probes: int = 1,
    noise: str = "rademacher",
    exact: bool | None = None,
    tolerance: float = 1e-5,
    gradient: str = "backprop",
    kinetic: float = 0.0,
    jacobian: float = 0.0,
    rescale: str = "marginals",
    context: Space | None = None,
) -> Model:
    """A continuous flow that trains with Hutchinson's estimate of the trace, E eps . (df/dx) eps.

    It averages `probes` draws of "rademacher" or "gaussian" `noise`, held fixed for a whole solve. Scores take the
    exact trace wherever that takes at most 128 directions, so with `hidden` up to 128 units in the first layer always;
    `exact` = False has them estimated too, and they say so. The rest is as in `cnf`.
    """
    if noise not in NOISE:
        raise UsageError(f"Expected noise {' or '.join(map(repr, NOISE))}; got {noise!r}.")
    if probes < 1:
        raise UsageError(f"Expected at least 1 probe; got {probes}.")
    condition = context.width if context else 0
    flow = Continuous(
        Field(density_space(space, "ffjord").dims, hidden, context=condition),
        tolerance=tolerance,
        probes=probes,
        noise=NOISE[noise],
        exact=exact,
        gradient=gradient_called(gradient),
        context=condition,
    )
    return continuous_flow(space, flow, kinetic, jacobian, rescale, context)
