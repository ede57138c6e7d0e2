"""The law of total mass: probabilities sum to one, densities integrate to one.

A bound is judged by its weights: E w(x, z) = p(x) for z ~ q(z|x), so their total is one too, up to their known noise.
"""

import math

import torch
from torch import Tensor

from loglik.contract import Claim, LatentModel, Model
from loglik.laws.enumeration import COUNTED, all_events, enumerable, mass_outside, mean_weights, weights_per_event
from loglik.laws.quadrature import Grid, resolved_integral
from loglik.laws.subject import context_rows, given
from loglik.laws.verdict import Broken, NotApplicable, Result, within
from loglik.spaces import Discrete

ENUMERATED = 1e-9  # rounding of a sum of up to MOST_EVENTS float64 probabilities is far below
INTEGRATED = 1e-4
STANDARD_ERRORS = 5.0
RESOLUTION = 0.05  # a total of weights whose standard error is above this decides nothing
QUADRATURE_DIMS = 2


def total_mass(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """sum_x p(x) = 1 by enumeration, int p(x) dx = 1 by quadrature in one and two dimensions."""
    if model.claim is Claim.ESTIMATE:
        raise NotApplicable("The number is an estimate, which may lie on either side of log p(x).")
    space = model.space
    counted = enumerable(space)
    if isinstance(space, Discrete) and not counted:
        raise NotApplicable(f"{space.levels}^{space.dims} events are too many to enumerate.")
    if not isinstance(space, Discrete) and space.dims > QUADRATURE_DIMS:
        raise NotApplicable(f"Quadrature is for 1 and 2 dimensions; this density has {space.dims}.")
    results = []
    for row in context_rows(context, 2):
        if model.claim is Claim.EXACT:
            results.append(_sum(model, row) if counted else _integral(model, x, row))
        elif isinstance(model, LatentModel):
            results.append(_sum_of_weights(model, row) if counted else _integral_of_weights(model, x, row))
        else:
            raise NotApplicable("A bound that is not a LatentModel has no weights to sum.")
    return max(results, key=lambda result: result.severity)


def _sum(model: Model, row: Tensor | None) -> Result:
    events = all_events(model)
    with torch.no_grad():
        total = float(model.log_likelihood(events, given(row, len(events))).double().exp().sum())
    return within(abs(total - 1.0), ENUMERATED, f"All {len(events)} probabilities sum to {total:.12g}.")


def _sum_of_weights(model: LatentModel, row: Tensor | None) -> Result:
    events = all_events(model)
    found = mean_weights(model, events, row, weights_per_event(len(events)))
    total, stderr = float(found.weight.sum()), float(found.variance.sum().sqrt())
    elbo = float(found.log_weight.exp().sum())
    outside = mass_outside(model, row)
    return _judged(total + outside, stderr, f"{len(events)} events; the ELBO alone accounts for {elbo:.4f}", outside)


def _integral(model: Model, x: Tensor, row: Tensor | None) -> Result:
    def density(points: Tensor) -> Tensor:
        with torch.no_grad():
            return model.log_likelihood(points, given(row, len(points))).double().exp()

    total, points = resolved_integral(density, x)
    return within(abs(total - 1.0), INTEGRATED, f"The density integrates to {total:.7g} ({points} points).")


def _integral_of_weights(model: LatentModel, x: Tensor, row: Tensor | None) -> Result:
    grid = Grid.over(x, reach=7.0, points=1025 if model.space.dims == 1 else 161)
    found = mean_weights(model, grid.points, row, weights_per_event(len(grid.points)))
    total = float((grid.volumes * found.weight).sum())
    stderr = float((grid.volumes.square() * found.variance).sum().sqrt())
    elbo = float((grid.volumes * found.log_weight.exp()).sum())
    return _judged(total, stderr, f"{len(grid.points)} points; the ELBO alone accounts for {elbo:.4f}", 0.0)


def _judged(total: float, stderr: float, what: str, outside: float) -> Result:
    if not math.isfinite(total):
        raise Broken(f"The total of the weights is {total}.")
    if stderr > RESOLUTION:
        raise NotApplicable(f"The weights vary too much to resolve their total, {total:.3f} +- {stderr:.3f}.")
    share = f", {outside:.4f} of the density lies outside the levels" if outside else ""
    # A mass counted by samples has an error of its own.
    noise = math.hypot(stderr, math.sqrt(outside * (1.0 - outside) / COUNTED))
    return within(
        abs(total - 1.0), STANDARD_ERRORS * noise + INTEGRATED, f"The weights total {total:.4f} ({what}{share})."
    )
