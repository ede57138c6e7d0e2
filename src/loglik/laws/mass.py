"""The law of total mass: probabilities sum to one, densities integrate to one.

A bound is judged by its weights: E w(x, z) = p(x) for z ~ q(z|x), so their total is one too, up to their known noise.
"""

import math

import torch
from torch import Tensor

from loglik.contract import Claim, LatentModel, Model
from loglik.laws.enumeration import COUNTED, Weights, all_events, enumerable, mass_outside, mean_weights
from loglik.laws.quadrature import Grid, resolved_integral
from loglik.laws.subject import context_rows, given
from loglik.laws.verdict import Broken, NotApplicable, Result, within
from loglik.spaces import Discrete

ENUMERATED = 1e-9  # rounding of a sum of up to MOST_EVENTS float64 probabilities is far below
INTEGRATED = 1e-4
STANDARD_ERRORS = 5.0
RESOLUTION = 0.05  # a total of weights whose standard error is above this decides nothing
HEAVY = 0.25  # nor does one of which single weights make up so much
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
    for row in context_rows(context, 2 if model.claim is Claim.EXACT else 1):
        if model.claim is Claim.EXACT:
            results.append(_sum(model, row) if counted else _integral(model, x, row))
        elif isinstance(model, LatentModel) and model.has_weights:
            results.append(_sum_of_weights(model, row) if counted else _integral_of_weights(model, x, row))
        else:
            raise NotApplicable("A bound without importance weights has none to sum.")
    return max(results, key=lambda result: result.severity)


def _sum(model: Model, row: Tensor | None) -> Result:
    events = all_events(model)
    with torch.no_grad():
        total = float(model.log_likelihood(events, given(row, len(events))).double().exp().sum())
    return within(abs(total - 1.0), ENUMERATED, f"All {len(events)} probabilities sum to {total:.12g}.")


def _sum_of_weights(model: LatentModel, row: Tensor | None) -> Result:
    events = all_events(model)
    found = mean_weights(model, events, row)
    return _judged(found, torch.ones_like(found.weight), mass_outside(model, row))


def _integral(model: Model, x: Tensor, row: Tensor | None) -> Result:
    def density(points: Tensor) -> Tensor:
        with torch.no_grad():
            return model.log_likelihood(points, given(row, len(points))).double().exp()

    total, points = resolved_integral(density, x)
    return within(abs(total - 1.0), INTEGRATED, f"The density integrates to {total:.7g} ({points} points).")


def _integral_of_weights(model: LatentModel, x: Tensor, row: Tensor | None) -> Result:
    grid = Grid.over(x, reach=6.0, points=513 if model.space.dims == 1 else 97)
    return _judged(mean_weights(model, grid.points, row), grid.volumes, 0.0)


def _judged(found: Weights, volumes: Tensor, outside: float) -> Result:
    """The total of the weights against one.

    Weights may have heavy tails, whose rare large values are missing from the mean and from its standard error alike.
    What is missing is about as much as the largest ones seen contribute, so a total may fall short by that much more,
    and one that they dominate decides nothing. A total that is too large is too large all the same.
    """
    total = float((volumes * found.weight).sum()) + outside
    stderr = float((volumes.square() * found.variance).sum().sqrt())
    largest = float((volumes * found.largest).sum())
    if not math.isfinite(total):
        raise Broken(f"The total of the weights is {total}.")
    # A mass counted by samples has an error of its own.
    noise = math.hypot(stderr, math.sqrt(outside * (1.0 - outside) / COUNTED))
    allowed = STANDARD_ERRORS * noise + INTEGRATED + (largest if total < 1.0 else 0.0)
    if (stderr > RESOLUTION or largest > HEAVY) and total <= 1.0 + allowed:
        raise NotApplicable(f"The weights vary too much to resolve their total, {total:.3f} +- {stderr:.3f}.")
    elbo = float((volumes * found.log_weight.exp()).sum())
    share = f", {outside:.4f} of the density lies outside the levels" if outside else ""
    return within(
        abs(total - 1.0), allowed, f"The weights total {total:.4f}; the ELBO alone accounts for {elbo:.4f}{share}."
    )
