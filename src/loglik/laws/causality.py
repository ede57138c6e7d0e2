"""The law of causality: in p(x) = prod_i p(x_o(i) | x_o(<i)), no conditional sees its own value or a later one.

A net that peeks has a likelihood near zero nats and samples that look like noise; it is the classic mistake of masks.
"""

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.laws.subject import any_events, other_events, reseed
from loglik.laws.verdict import NotApplicable, Result, Status, require
from loglik.models.autoregressive.autoregressive import Autoregressive

SEEN = 1e-10  # a change below this, relative to the outputs, is rounding
ROWS = 2_048  # perturbed events evaluated at once
ALL_PAIRS = 128  # up to so many dims every pair of values is tried, else a few places against all that follow
TRIALS = 4


def causality(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """Later values are changed, and the conditionals of earlier ones must stay; earlier ones must matter somewhere."""
    nets = [part for part in model.modules() if isinstance(part, Autoregressive)]
    if not nets:
        raise NotApplicable("The model has no autoregressive part.")
    findings = []
    for net in nets:
        events = any_events(net.space, TRIALS, net)
        rows = None if net.context is None else any_events(net.context, TRIALS, net)
        _no_leak(net, events, rows)
        findings.append(_dependence(net, events, rows))
    return Result(Status.PASSED, " ".join(findings))


def _no_leak(net: Autoregressive, x: Tensor, context: Tensor | None) -> None:
    """For each place i: everything from i on is replaced at once, so any leak shows, also of many values together."""
    dims = net.space.dims
    places = range(dims) if dims <= ALL_PAIRS else sorted(torch.randperm(dims)[:ALL_PAIRS].tolist())
    truth = _conditionals(net, x, context)
    tolerance = SEEN * max(1.0, float(truth.abs().max()))
    for place in places:
        future = net.order[place:]
        changed = _replace(net, x, future)
        error = (_conditionals(net, changed, context) - truth)[:, net.order[place]].abs().max()
        if not float(error) <= tolerance:
            raise_leak(net, x, context, place)


def raise_leak(net: Autoregressive, x: Tensor, context: Tensor | None, place: int) -> None:
    """Names one value that conditional number `place` sees and must not."""
    at = int(net.order[place])
    truth = _conditionals(net, x, context)[:, at]
    later = net.order[place:]
    seen = [int(j) for j in later if _differs(_conditionals(net, _replace(net, x, j[None]), context)[:, at], truth)]
    culprit = f"value {seen[0]}" + (", itself" if seen[0] == at else ", which comes later") if seen else "later values"
    require(False, f"The conditional of value {at} (number {place} in the order) depends on {culprit}.")


def visible(net: Autoregressive, x: Tensor, context: Tensor | None = None) -> Tensor:
    """(D, D): [i, j] is whether conditional i changes with value j, in flattened event indices, for some row of x."""
    dims = net.space.dims
    truth = _conditionals(net, x, context)
    columns = []
    for j in range(dims):
        changed = _conditionals(net, _replace(net, x, torch.tensor([j])), context)
        columns.append(((changed - truth).abs() > SEEN * max(1.0, float(truth.abs().max()))).any(0).any(-1))
    return torch.stack(columns, dim=1)


def _dependence(net: Autoregressive, x: Tensor, context: Tensor | None) -> str:
    dims = net.space.dims
    if dims == 1:
        return "One value, whose conditional sees nothing."
    if dims > ALL_PAIRS:
        before, after = net.order[dims // 2 - 1], net.order[dims // 2]
        changed = _conditionals(net, _replace(net, x, before[None]), context)
        truth = _conditionals(net, x, context)
        require(_differs(changed[:, after], truth[:, after]), "No conditional depends on the value before it.")
        return f"No conditional of {ALL_PAIRS} tried sees itself or a later value."
    seen = visible(net, x, context)[net.order][:, net.order]
    require(not bool(seen.triu().any()), "A conditional depends on its own value or on a later one.")
    require(bool(seen.diagonal(-1).any()), "No conditional depends on the value just before it.")
    share = float(seen.sum()) / (dims * (dims - 1) / 2)
    return f"No conditional sees itself or a later value; {share:.0%} of earlier values are seen."


def _conditionals(net: Autoregressive, x: Tensor, context: Tensor | None) -> Tensor:
    """(B, D, params)"""
    reseed(net, 0)
    with torch.no_grad():
        return net.conditionals(net.space.events(x, net.dtype), context).flatten(1, -2)


def _replace(net: Autoregressive, x: Tensor, places: Tensor) -> Tensor:
    """x with the flattened values at `places` changed to others."""
    flat, other = x.flatten(1).clone(), other_events(net.space, x).flatten(1)
    flat[:, places] = other[:, places]
    return flat.reshape(x.shape)


def _differs(a: Tensor, b: Tensor) -> bool:
    return bool(((a - b).abs() > SEEN * max(1.0, float(b.abs().max()))).any())
