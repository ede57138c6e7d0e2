"""The law of total mass: probabilities sum to one, densities integrate to one. It is judged by the first way that can:

    enumeration       of all events of a small discrete space
    quadrature        of densities in one and two dimensions
    bridge sampling   against a density of known mass, fitted to samples; see `normalisation`
    parts             conditionals that each sum to one, a Jacobian and a base density; see `parts`

A bound is judged by its weights: E w(x, z) = p(x) for z ~ q(z|x), so their total is one too, up to their known noise.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from loglik.contract import Claim, LatentModel, Model
from loglik.laws.enumeration import EventWeights, Share, all_events, enumerable, mass_outside, mean_weights
from loglik.laws.normalisation import bridge, weights_of_bounds
from loglik.laws.parts import by_parts
from loglik.laws.patience import SECONDS, affordable, in_time
from loglik.laws.quadrature import QuadratureGrid, resolved_integral
from loglik.laws.subject import context_rows, given, scores
from loglik.laws.verdict import Broken, NotApplicable, Result, Status, Undecided, within
from loglik.spaces import Discrete

ENUMERATED = 1e-9  # rounding of a sum of up to MOST_EVENTS float64 probabilities is far below
SINGLE = 1e-5  # of probabilities that a model gives in float32
INTEGRATED = 1e-4
STANDARD_ERRORS = 5.0
RESOLUTION = 0.05  # a total of weights whose standard error is above this decides nothing
HEAVY = 0.25  # nor does one of which single weights make up so much
QUADRATURE_DIMS, GRID = 2, 100_000  # points of a fine one
CONTEXTS = 3  # of a continuous space of contexts, or a large one


def total_mass(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """sum_x p(x|c) = 1, or int p(x|c) dx = 1, for each of few classes c, or for some contexts of many."""
    if model.claim is Claim.ESTIMATE:
        raise Undecided("The number is an estimate, which may lie on either side of log p(x).")
    if model.claim is not Claim.EXACT and not (isinstance(model, LatentModel) and model.has_weights):
        raise Undecided("A bound without importance weights has none to sum.")
    rows = context_rows(model, context, CONTEXTS if model.claim is Claim.EXACT else 1)
    results = []
    for row in in_time(rows, seconds=4.0 * SECONDS, fewest=1):
        if isinstance(model, LatentModel) and model.claim is not Claim.EXACT:
            results.append(_mass_of_bound(model, x, row))
        else:
            results.append(_mass(model, x, context, row))
        if results[-1].status is Status.FAILED:
            return results[-1]
    worst = max(results, key=lambda result: result.severity)
    seen = "" if context is None else f" for {len(results)} contexts"
    return replace(worst, how=worst.how + seen)


def _mass(model: Model, x: Tensor, context: Tensor | None, row: Tensor | None) -> Result:
    if enumerable(model.space):
        return _sum(model, row)
    reasons = []
    ways: list[Callable[[], Result]] = [lambda: bridge(model, row), lambda: _from_parts(model, x, context)]
    if not isinstance(model.space, Discrete) and model.space.dims <= QUADRATURE_DIMS and _quick(model, x, row):
        ways.insert(0, lambda: _integral(model, x, row))
    for judge in ways:
        try:
            return judge()
        except (NotApplicable, Undecided) as reason:
            reasons.append(str(reason))
    raise Undecided(" ".join(reasons))


def _quick(model: Model, x: Tensor, row: Tensor | None) -> bool:
    """Whether a fine grid can be scored in time; in one dimension any can."""

    def work(n: int) -> None:
        scores(model, x[torch.arange(n, device=x.device) % len(x)], given(row, n))

    return model.space.dims == 1 or affordable(work, GRID) == GRID


def _from_parts(model: Model, x: Tensor, context: Tensor | None) -> Result:
    how = by_parts(model, x, context)
    return Result(Status.PASSED, f"By {how}.", how=how)


def _mass_of_bound(model: LatentModel, x: Tensor, row: Tensor | None) -> Result:
    if enumerable(model.space):
        return _sum_of_weights(model, row)
    if not isinstance(model.space, Discrete) and model.space.dims <= QUADRATURE_DIMS:
        return _integral_of_weights(model, x, row)
    w = weights_of_bounds(model, row)
    n, mean = len(w), float(w.mean())
    effective = mean**2 / float(w.square().mean()) * n if mean > 0 else 0.0
    how = f"importance sampling, {model.space.dims} dims, ESS {effective:.0f}"
    outside = mass_outside(model, row)
    return _total(
        mean, float(w.std()) / n**0.5, largest=float(w.max()) / n, outside=outside, message=f"{n} weights", how=how
    )


def _sum(model: Model, row: Tensor | None) -> Result:
    events = all_events(model)
    with torch.no_grad():
        log_p = model.log_likelihood(events, given(row, len(events)))
    total = float(log_p.double().exp().sum())
    allowed = ENUMERATED if log_p.dtype == torch.float64 else SINGLE
    return within(abs(total - 1.0), allowed, f"All {len(events)} probabilities sum to {total:.12g}.", "enumeration")


def _sum_of_weights(model: LatentModel, row: Tensor | None) -> Result:
    events = all_events(model)
    found = mean_weights(model, events, row)
    return _judged(found, torch.ones_like(found.weight), mass_outside(model, row), "weights of all events")


def _integral(model: Model, x: Tensor, row: Tensor | None) -> Result:
    def density(points: Tensor) -> Tensor:
        with torch.no_grad():
            return model.log_likelihood(points, given(row, len(points))).double().exp()

    total, points = resolved_integral(density, x)
    return within(
        abs(total - 1.0), INTEGRATED, f"The density integrates to {total:.7g} ({points} points).", "quadrature"
    )


def _integral_of_weights(model: LatentModel, x: Tensor, row: Tensor | None) -> Result:
    grid = QuadratureGrid.over(x, reach=6.0, points=513 if model.space.dims == 1 else 97)
    return _judged(mean_weights(model, grid.points, row), grid.volumes, Share(), "quadrature of weights")


def _judged(found: EventWeights, volumes: Tensor, outside: Share, how: str) -> Result:
    total = float((volumes * found.weight).sum())
    elbo = float((volumes * found.log_weight.exp()).sum())
    stderr = float((volumes.square() * found.variance).sum().sqrt())
    message = f"the ELBO alone accounts for {elbo:.4f}"
    largest = float((volumes * found.largest).sum())
    return _total(total, stderr, largest=largest, outside=outside, message=message, how=how)


def _total(total: float, stderr: float, *, largest: float, outside: Share, message: str, how: str) -> Result:
    """The total of the weights against one.

    Weights may have heavy tails, whose rare large values are missing from the mean and from its standard error alike.
    What is missing is about as much as the `largest` ones seen contribute, so a total may fall short by that much more,
    and one that they dominate decides nothing. A total that is too large is too large all the same.
    """
    total += outside.share
    if not math.isfinite(total):
        raise Broken(f"The total of the weights is {total}.")
    # A mass counted by samples has an error of its own.
    noise = math.hypot(stderr, outside.stderr)
    allowed = STANDARD_ERRORS * noise + INTEGRATED + (largest if total < 1.0 else 0.0)
    if (stderr > RESOLUTION or largest > HEAVY) and total <= 1.0 + allowed:
        raise Undecided(f"The weights vary too much to resolve their total, {total:.3f} +- {stderr:.3f}.")
    share = f", {outside.share:.4f} of the density lies outside the levels" if outside.share else ""
    return within(abs(total - 1.0), allowed, f"The weights total {total:.4f}; {message}{share}.", how)
