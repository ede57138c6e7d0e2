"""The law of the sampler: samples are drawn from the very density that the model scores.

Small discrete spaces: the counts of all events against their probabilities (Pearson's chi-square). Everywhere else, for
exact models: detailed balance, see `balance`.
"""

import math

import torch
from torch import Tensor

from loglik.contract import Claim, LatentModel, Model
from loglik.laws.balance import STANDARD_ERRORS, detailed_balance
from loglik.laws.enumeration import MOST_EVENTS, all_events, enumerable, index_of, mass_outside, mean_weights
from loglik.laws.patience import affordable, enough
from loglik.laws.subject import context_rows, draws, given, in_turn, scores
from loglik.laws.verdict import Result, Undecided, within
from loglik.spaces import Discrete

EXPECTED = 5.0  # events expected less often are counted together
FEWEST, SAMPLES, FOR_EACH = 100, 8_000, 2_000  # for each context, where there are several
CONTEXTS, NOISY = 4, 2  # contexts of a space with many, and for models whose p(x) takes many draws


def sampler(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """Samples fit the density: all events counted where they can be, detailed balance elsewhere."""
    if model.claim is Claim.ESTIMATE:
        raise Undecided("The number is an estimate; samples cannot be held against it.")
    counted = enumerable(model.space)
    if model.claim is not Claim.EXACT and not (counted and isinstance(model, LatentModel) and model.has_weights):
        raise Undecided(f"p(x) itself is unknown, and there are more than {MOST_EVENTS} events to count.")
    rows = [row for row in context_rows(model, context, CONTEXTS) if row is not None]
    some = torch.cat(rows) if rows else None
    if some is not None and isinstance(model, LatentModel):
        some = some[:NOISY]
    return (_counts if counted else detailed_balance)(model, some)


def _counts(model: Model, context: Tensor | None) -> Result:
    """Pearson's statistic in standard errors of a normal variable; the noise of estimated probabilities is added.

    Samples are given the rows of the context in turn, so that neighbours in a batch differ.
    """
    space = model.space
    assert isinstance(space, Discrete)
    most = SAMPLES if context is None or len(context) == 1 else FOR_EACH * len(context)
    n = affordable(lambda k: draws(model, k, in_turn(context, k)), most)
    drawn = enough(index_of(draws(model, n, in_turn(context, n), seed=1), space), FEWEST, "drawn")
    cells = []
    for i, row in enumerate([None] if context is None else torch.split(context, 1)):
        own = drawn if context is None else drawn[i :: len(context)]
        cells.append(_cells(model, space, own, row))
    observed, expected, variance = (torch.cat(parts) for parts in zip(*cells, strict=True))
    return within(*chi_square(observed, expected, variance, len(cells)), f"counts of {n} samples")


def _cells(model: Model, space: Discrete, drawn: Tensor, row: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """How often each event was drawn given one context, how often it was to be expected, and the variance of that."""
    events, n = all_events(model), len(drawn)
    observed = torch.bincount(drawn, minlength=len(events)).double()
    if isinstance(model, LatentModel):
        found = mean_weights(model, events, row)
        p, variance = found.weight, found.variance
        if mass_outside(model, row).share > 0:
            observed, p, variance = _ends_together(events, space, observed, p, variance)
    else:
        p = scores(model, events, given(row, len(events))).double().exp()
        variance = torch.zeros_like(p)
    return observed, n * p, n**2 * variance


def _ends_together(
    events: Tensor, space: Discrete, observed: Tensor, p: Tensor, variance: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """A dequantised density: what lies outside the levels counts for the end levels in samples and not in the bound,
    so events that touch an end are counted together, with what the others leave of the mass.
    """
    flat = events.flatten(1)
    inner = ((flat > 0) & (flat < space.levels - 1)).all(1)
    if not bool(inner.any()):
        raise Undecided("Every event touches an end level, where samples count what the bound leaves out.")
    rest = (1.0 - p[inner].sum()).clamp(min=0.0)
    return (
        torch.cat([observed[inner], observed[~inner].sum()[None]]),
        torch.cat([p[inner], rest[None]]),
        torch.cat([variance[inner], variance[inner].sum()[None]]),
    )


def chi_square(observed: Tensor, expected: Tensor, variance: Tensor, groups: int) -> tuple[float, float, str]:
    """`groups` of cells have totals that are given."""
    rare = expected < EXPECTED
    if rare.any():
        observed, expected, variance = (
            torch.cat([t[~rare], t[rare].sum()[None]]) for t in (observed, expected, variance)
        )
    terms = (observed - expected).square() / (expected + variance).clamp(min=1e-300)
    # A pooled rest that is all but impossible would make any single count there a scandal.
    kept = (expected >= 1.0) | (observed > 10)
    cells, statistic = int(kept.sum()), float(terms[kept].sum())
    freedom = max(1, cells - groups)
    # Wilson & Hilferty 1931: the cube root of chi-square / freedom is nearly normal.
    share = 2.0 / (9.0 * freedom)
    deviations = ((statistic / freedom) ** (1.0 / 3.0) - (1.0 - share)) / math.sqrt(share)
    return (
        max(deviations, 0.0),
        STANDARD_ERRORS,
        f"Standard errors; chi-square {statistic:.1f} on {freedom} degrees of freedom, {int(observed.sum())} samples.",
    )
