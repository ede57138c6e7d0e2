"""The law of the sampler: samples are drawn from the very density that the model scores.

Small discrete spaces: the counts of all events against their probabilities (Pearson's chi-square). Everywhere else, for
exact models: detailed balance, see `balance`.
"""

import math

import torch
from torch import Tensor

from loglik.contract import Claim, LatentModel, Model
from loglik.laws.balance import STANDARD_ERRORS, affordable, detailed_balance
from loglik.laws.enumeration import MOST_EVENTS, all_events, enumerable, index_of, mass_outside, mean_weights
from loglik.laws.subject import context_rows, draws, given
from loglik.laws.verdict import NotApplicable, Result, within
from loglik.spaces import Discrete

EXPECTED = 5.0  # events expected less often are counted together
SAMPLES = 8_000


def sampler(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """Samples fit the density: all events counted where they can be, detailed balance elsewhere."""
    if model.claim is Claim.ESTIMATE:
        raise NotApplicable("The number is an estimate; samples cannot be held against it.")
    counted = enumerable(model.space)
    if model.claim is not Claim.EXACT and not (counted and isinstance(model, LatentModel) and model.has_weights):
        raise NotApplicable(f"p(x) itself is unknown, and there are more than {MOST_EVENTS} events to count.")
    law = _counts if counted else detailed_balance
    return law(model, context_rows(context, 1)[0])


def _counts(model: Model, row: Tensor | None) -> Result:
    """Pearson's statistic in standard errors of a normal variable; the noise of estimated probabilities is added."""
    space = model.space
    assert isinstance(space, Discrete)
    events = all_events(model)
    n = affordable(model, row, SAMPLES)
    drawn = index_of(draws(model, n, row, seed=1), space)
    observed = torch.bincount(drawn, minlength=len(events)).double()
    if isinstance(model, LatentModel):
        found = mean_weights(model, events, row)
        p, variance = found.weight, found.variance
        if mass_outside(model, row) > 0:
            observed, p, variance = _ends_together(events, space, observed, p, variance)
    else:
        with torch.no_grad():
            p = model.log_likelihood(events, given(row, len(events))).double().exp()
        variance = torch.zeros_like(p)
    return within(*_chi_square(observed, n * p, n**2 * variance))


def _ends_together(
    events: Tensor, space: Discrete, observed: Tensor, p: Tensor, variance: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """A dequantised density: what lies outside the levels counts for the end levels in samples and not in the bound,
    so events that touch an end are counted together, with what the others leave of the mass.
    """
    flat = events.flatten(1)
    inner = ((flat > 0) & (flat < space.levels - 1)).all(1)
    if not bool(inner.any()):
        raise NotApplicable("Every event touches an end level, where samples count what the bound leaves out.")
    rest = (1.0 - p[inner].sum()).clamp(min=0.0)
    return (
        torch.cat([observed[inner], observed[~inner].sum()[None]]),
        torch.cat([p[inner], rest[None]]),
        torch.cat([variance[inner], variance[inner].sum()[None]]),
    )


def _chi_square(observed: Tensor, expected: Tensor, variance: Tensor) -> tuple[float, float, str]:
    rare = expected < EXPECTED
    if rare.any():
        observed, expected, variance = (
            torch.cat([t[~rare], t[rare].sum()[None]]) for t in (observed, expected, variance)
        )
    terms = (observed - expected).square() / (expected + variance).clamp(min=1e-300)
    # A pooled rest that is all but impossible would make any single count there a scandal.
    kept = (expected >= 1.0) | (observed > 10)
    cells, statistic = int(kept.sum()), float(terms[kept].sum())
    freedom = max(1, cells - 1)
    # Wilson & Hilferty 1931: the cube root of chi-square / freedom is nearly normal.
    share = 2.0 / (9.0 * freedom)
    deviations = ((statistic / freedom) ** (1.0 / 3.0) - (1.0 - share)) / math.sqrt(share)
    return (
        max(deviations, 0.0),
        STANDARD_ERRORS,
        f"Standard errors; chi-square {statistic:.1f} on {freedom} degrees of freedom, {int(observed.sum())} samples.",
    )
