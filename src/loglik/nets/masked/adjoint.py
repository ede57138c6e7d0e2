"""The way back through a map that is solved value by value: cotangents from the last value to the first.

Where x_i = f(z_i; h_i) and the outputs h_i of a masked net depend on x_<i, a small change of z runs through all later
values. Backwards, each hidden unit's cotangent is computed once, as soon as it can be, as in `steps` its value.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.nets.masked.units import Connected, SortedUnits
from loglik.ops import FAR


@torch.no_grad()
def settle(
    net: Connected, x: Tensor, *, context: Tensor | None, given: Tensor, slope: Tensor, offset: Tensor
) -> Tensor:
    """Solve  v = given + N^T (slope v + offset)  for v (B, D), N = dh/dx the Jacobian of the net's outputs at x.

    N is strictly triangular in the order of the net, so v follows value by value from the last one.

    Args:
        x, given: (B, D); what lies further out than FAR the net reads as that, and it steers nothing there.
        slope, offset: (B, D, outputs); the cotangents of h_i are slope_i v_i + offset_i.
    """
    units = SortedUnits(net, context)
    within = (x.abs() <= FAR).to(x.dtype).T[units.order]
    active = _active(units, x.clamp(-FAR, FAR).T[units.order])
    v, slope, outputs = (t.movedim(0, -1)[units.order] for t in (given, slope, offset))
    # outputs (D, outputs, B) are the cotangents of the net's outputs, complete once value t is.
    hidden = [torch.zeros_like(a) for a in active]
    for t in reversed(range(units.dims)):
        later = outputs[t + 1 :].flatten(0, 1)
        if t + 1 < units.dims:
            _reach(units, t, later, hidden, active)
            read = units.direct[(t + 1) * units.outputs :, t] @ later
            if hidden:
                complete = units.units[0][t]
                read = read + units.hidden[0][complete:, t] @ hidden[0][complete:]
            v[t] += within[t] * read
        outputs[t] += slope[t] * v[t]
    solved = torch.empty_like(v)
    solved[units.order] = v
    return solved.T


def _reach(units: SortedUnits, t: int, later: Tensor, hidden: list[Tensor], active: list[Tensor]) -> None:
    """The cotangents of the units that value t completes, all of whose readers have theirs."""
    if not hidden:
        return
    assert units.last is not None
    above, weight, first = later, units.last, (t + 1) * units.outputs
    for layer in reversed(range(len(hidden))):
        start, stop = units.units[layer][t], units.units[layer][t + 1]
        if stop > start:
            new = slice(start, stop)
            hidden[layer][new] = (weight[first:, new].T @ above) * active[layer][new]
        first, weight, above = start, units.hidden[layer], hidden[layer][start:]


def _active(units: SortedUnits, x: Tensor) -> list[Tensor]:
    """For each hidden layer (H, B): 1 where the unit is above 0. x (D, B) in the order of generation."""
    below, seen, active = x, torch.arange(1, units.dims + 1, device=x.device), []
    for weight, bias, degrees in zip(units.hidden, units.biases, units.degrees, strict=True):
        h = bias + (weight * (degrees[:, None] >= seen)) @ below
        below, seen = F.relu(h), degrees
        active.append((h > 0).to(x.dtype))
    return active
