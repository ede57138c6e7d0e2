"""The law of causality: in p(x) = prod_i p(x_o(i) | x_o(<i)), no conditional sees its own value or a later one.

A net that peeks has a likelihood near zero nats and samples that look like noise; it is the classic mistake of masks.
"""

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.laws.patience import in_time
from loglik.laws.subject import any_events, reseed
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
        tried = _no_leak(net, events, rows)
        findings.append(_dependence(net, events, rows, tried))
    return Result(Status.PASSED, " ".join(findings))


def _no_leak(net: Autoregressive, x: Tensor, context: Tensor | None) -> int:
    """For each place i: everything from i on is replaced at once, so any leak shows, also of many values together.

    Returns how many places there was time for.
    """
    sites = len(net.sites)
    places = torch.randperm(sites)[:ALL_PAIRS].tolist()
    truth = _conditionals(net, x, context)
    tolerance = SEEN * max(1.0, float(truth.abs().max()))
    together = net.space.dims // sites
    tried = 0
    for place in in_time(places):
        tried += 1
        future = net.order[place * together :]
        changed = _replace(net, x, future)
        error = (_conditionals(net, changed, context) - truth)[:, net.sites[place]].abs().max()
        if not float(error) <= tolerance:
            raise_leak(net, x, context, place)
    return tried


def raise_leak(net: Autoregressive, x: Tensor, context: Tensor | None, place: int) -> None:
    """Names one value that conditional number `place` sees and must not."""
    at = int(net.sites[place])
    truth = _conditionals(net, x, context)[:, at]
    later = net.order[place * (net.space.dims // len(net.sites)) :]
    seen = [int(j) for j in later if _differs(_conditionals(net, _replace(net, x, j[None]), context)[:, at], truth)]
    own = bool(seen) and seen[0] in _values(net, at).tolist()
    culprit = f"value {seen[0]}" + (", itself" if own else ", which comes later") if seen else "later values"
    require(False, f"The conditional of value {at} (number {place} in the order) depends on {culprit}.")


def visible(net: Autoregressive, x: Tensor, context: Tensor | None = None) -> Tensor:
    """(S, S): [i, j] is whether the conditional of site i changes with the values of site j, for some row of x.

    Sites are numbered as they lie in the event; they are its values, or its pixels where colours are drawn together.
    """
    sites = len(net.sites)
    truth = _conditionals(net, x, context)
    columns = []
    for j in range(sites):
        changed = _conditionals(net, _replace(net, x, _values(net, j)), context)
        columns.append(((changed - truth).abs() > SEEN * max(1.0, float(truth.abs().max()))).any(0).any(-1))
    return torch.stack(columns, dim=1)


def _dependence(net: Autoregressive, x: Tensor, context: Tensor | None, tried: int) -> str:
    sites = len(net.sites)
    if sites == 1:
        return "One conditional, which sees nothing."
    if sites > ALL_PAIRS or tried < sites:
        before, after = net.sites[sites // 2 - 1], net.sites[sites // 2]
        changed = _conditionals(net, _replace(net, x, _values(net, int(before))), context)
        truth = _conditionals(net, x, context)
        require(_differs(changed[:, after], truth[:, after]), "No conditional depends on the value before it.")
        return f"No conditional of {tried} tried sees itself or a later value."
    seen = visible(net, x, context)[net.sites][:, net.sites]
    require(not bool(seen.triu().any()), "A conditional depends on its own value or on a later one.")
    require(bool(seen.diagonal(-1).any()), "No conditional depends on the value just before it.")
    share = float(seen.sum()) / (sites * (sites - 1) / 2)
    return f"No conditional sees itself or a later value; {share:.0%} of earlier values are seen."


def _conditionals(net: Autoregressive, x: Tensor, context: Tensor | None) -> Tensor:
    """(B, S, params)"""
    reseed(net, 0)
    with torch.no_grad():
        return net.conditionals(net.space.events(x, net.dtype), context).flatten(1, -2)


def _values(net: Autoregressive, site: int) -> Tensor:
    """The values of a site, as indices into the flattened event."""
    return torch.arange(site, net.space.dims, len(net.sites), device=net.order.device)


def _replace(net: Autoregressive, x: Tensor, places: Tensor) -> Tensor:
    """x with the flattened values at `places` changed to others."""
    flat, other = x.flatten(1).clone(), net.space.other(x).flatten(1)
    flat[:, places] = other[:, places]
    return flat.reshape(x.shape)


def _differs(a: Tensor, b: Tensor) -> bool:
    return bool(((a - b).abs() > SEEN * max(1.0, float(b.abs().max()))).any())
