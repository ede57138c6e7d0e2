"""The law of steps: conditionals computed one after the other, while sampling, equal those of one pass over the event.

A cache that is off by one still gives samples that look right; here every step is fed the values of x and held to the
net's own pass over x, and whole draws are held to naive ones with the same noise.
"""

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.laws.subject import any_events, reseed
from loglik.laws.verdict import NotApplicable, Result, Status, require
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.nets.causal import WholePasses

ROWS = 3
TOLERANCE = 1e-9  # relative to the outputs, in float64
DRAWN_SITES = 150  # up to so many sites, draws are compared with naive ones, which take a pass each


def steps(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """Outputs step by step equal one pass, and draws equal the naive ones."""
    nets = [part for part in model.modules() if isinstance(part, Autoregressive)]
    if not nets:
        raise NotApplicable("The model has no autoregressive part.")
    findings = [_judge(net) for net in nets]
    if not any(findings):
        raise NotApplicable("The net has no incremental evaluation: every value takes a whole pass.")
    return Result(Status.PASSED, " ".join(finding for finding in findings if finding))


def _judge(net: Autoregressive) -> str:
    context = None if net.context is None else any_events(net.context, ROWS, net)
    with torch.no_grad():
        if isinstance(net.steps(ROWS, context), WholePasses):
            return ""
        error = _teacher_forced(net, context)
        require(error <= TOLERANCE, f"Outputs computed step by step differ from one pass by {error:.1e}, relatively.")
        if len(net.sites) > DRAWN_SITES:
            return f"Outputs step by step equal one pass to {error:.0e}."
        _same_draws(net, context)
    return f"Outputs step by step equal one pass to {error:.0e}, and draws equal naive ones."


def _teacher_forced(net: Autoregressive, context: Tensor | None) -> float:
    """The largest relative difference over all sites, fed with the values of random events."""
    x = net.space.events(any_events(net.space, ROWS, net), net.dtype)
    truth = net.conditionals(x, context).flatten(1, -2)
    values = net.by_site(x).reshape(ROWS, len(net.sites), *([net.head.values] if net.head.values else []))
    walk, previous, worst = net.steps(ROWS, context), None, 0.0
    for site in net.sites.tolist():
        worst = max(worst, float((walk(previous) - truth[:, site]).abs().max()))
        previous = net.head.encode(values[:, site], net.dtype)
    return worst / max(1.0, float(truth.abs().max()))


def _same_draws(net: Autoregressive, context: Tensor | None) -> None:
    reseed(net, 0)
    like = torch.empty(0, dtype=net.dtype, device=net.device)
    noise = net.head.noise((len(net.sites), ROWS), like)
    together = [net.head.values] if net.head.values else []
    nothing = net.space.events(any_events(net.space, 1, net), net.dtype).new_empty(0, ROWS, *together)
    fast, naive = (net.steps(ROWS, context, whole=whole).run(net.head, noise, nothing) for whole in (False, True))
    if fast.is_floating_point():
        error = float((fast - naive).abs().max()) / max(1.0, float(naive.abs().max()))
        require(error <= TOLERANCE, f"Draws differ from naive ones with the same noise by {error:.1e}, relatively.")
    else:
        require(torch.equal(fast, naive), "Draws differ from naive ones with the same noise.")
