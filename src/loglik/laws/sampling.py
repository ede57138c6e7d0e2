"""The law of the sampler: samples are drawn from the very density that the model scores.

Small discrete spaces: the counts of all events against their probabilities (Pearson's chi-square).

Everywhere else, for exact models: detailed balance. Let T be an involution of the space that keeps volumes (here: one
value is mirrored), d(x) = log p(Tx) - log p(x), and a(x) = p(Tx) / (p(x) + p(Tx)) = sigmoid(d(x)) Barker's acceptance.
Then p(x) a(x) = p(Tx) a(Tx), so for any bounded h with h(x, Tx) = -h(Tx, x)

    E_{x ~ p} [a(x) h(x, Tx)] = 0.

Only the density that the model scores enters a; only the sampler gives x. A sampler from another distribution q has
E_q [a h] = E_p [(q/p) a h], which is zero for all h and T only if q/p is unchanged by all T, that is constant.
Fisher's identity (the score has mean zero) would need parameters in which p stays normalised, which models fitted by EM
and histograms do not have; this needs neither parameters nor gradients. h asks about level, spread, middle and
likelihood.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from loglik.contract import Claim, LatentModel, Model
from loglik.laws.enumeration import (
    MOST_EVENTS,
    all_events,
    enumerable,
    index_of,
    mass_outside,
    mean_weights,
)
from loglik.laws.subject import context_rows, draws, given
from loglik.laws.verdict import NotApplicable, Result, require, within
from loglik.ops import sum_event
from loglik.spaces import Discrete

STANDARD_ERRORS = 5.0
EXPECTED = 5.0  # events expected less often are counted together
SAMPLES, FEWEST, PILOT = 8_000, 100, 400
WORK = 100e9  # multiplications and additions that samples may take; a measure of time that is the same everywhere


def sampler(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """Samples fit the density: all events counted where they can be, detailed balance elsewhere."""
    if model.claim is Claim.ESTIMATE:
        raise NotApplicable("The number is an estimate; samples cannot be held against it.")
    counted = enumerable(model.space)
    if model.claim is not Claim.EXACT and not (counted and isinstance(model, LatentModel)):
        raise NotApplicable(f"p(x) itself is unknown, and there are more than {MOST_EVENTS} events to count.")
    law = _counts if counted else _balance
    return law(model, context_rows(context, 1)[0])


def _counts(model: Model, row: Tensor | None) -> Result:
    """Pearson's statistic in standard errors of a normal variable; the noise of estimated probabilities is added."""
    space = model.space
    assert isinstance(space, Discrete)
    events = all_events(model)
    n = _affordable(model, row)
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


def _balance(model: Model, row: Tensor | None) -> Result:
    n = _affordable(model, row)
    pilot, drawn = draws(model, min(PILOT, n // 2), row, seed=1), draws(model, n, row, seed=2)
    mirrored = _mirror(model, drawn, pilot)
    with torch.no_grad():
        log_p, log_t = (model.log_likelihood(t, given(row, n)).double() for t in (drawn, mirrored))
    require(not bool(torch.isnan(log_t).any()), "log p(x) is NaN for some x near samples; where p is 0 it is -inf.")
    d = log_t - log_p
    accept = torch.sigmoid(d)
    centre, spread = _centre_and_spread(pilot)

    def about(function: Callable[[Tensor], Tensor]) -> Tensor:
        """sum over values of f(x_d) - f(Tx_d), held within +-10: one value differs, so the sum is that one's."""
        values = [function(((t.flatten(1) - centre) / spread).double()) for t in (drawn, mirrored)]
        return sum_event(values[0] - values[1]).clamp(-10.0, 10.0)

    tests = {
        "likelihood": (-d).clamp(-5.0, 5.0),
        "level": about(lambda t: t),
        "spread": about(torch.square),
        "middle": about(lambda t: torch.exp(-0.5 * t.square())),
    }
    deviations = {name: _standard_errors(accept * h) for name, h in tests.items()}
    worst = max(deviations, key=lambda name: deviations[name])
    return within(
        deviations[worst], STANDARD_ERRORS, f"Standard errors from detailed balance, worst in {worst}; {n} samples."
    )


def _affordable(model: Model, row: Tensor | None) -> int:
    """How many samples to draw, from the work that one takes: autoregressive models pass their net for each value."""
    with FlopCounterMode(display=False) as counter:
        draws(model, 1, row)
    n = min(SAMPLES, int(WORK / max(1.0, counter.get_total_flops())))
    if n < FEWEST:
        raise NotApplicable(
            f"One sample takes {counter.get_total_flops():.1g} operations, too many for {FEWEST} samples."
        )
    return n


def _mirror(model: Model, x: Tensor, pilot: Tensor) -> Tensor:
    """T x: one value of each event, chosen at random, is mirrored about a random centre; if discrete, modulo levels."""
    flat = x.flatten(1).clone()
    rows = torch.arange(len(flat), device=x.device)
    at = torch.randint(flat.shape[1], (len(flat),), device=x.device)
    if isinstance(model.space, Discrete):
        turn = torch.randint(model.space.levels, (len(flat),), device=x.device)
        flat[rows, at] = (turn - flat[rows, at].long()) % model.space.levels
    else:
        centre, spread = _centre_and_spread(pilot)
        about = centre[at] + spread[at] * torch.randn(len(flat), dtype=spread.dtype, device=x.device)
        flat[rows, at] = 2.0 * about.to(flat.dtype) - flat[rows, at]
    return flat.reshape(x.shape)


def _centre_and_spread(pilot: Tensor) -> tuple[Tensor, Tensor]:
    flat = pilot.double().flatten(1)
    spread = flat.std(0)
    return flat.mean(0), torch.where(spread > 0, spread, torch.ones_like(spread))


def _standard_errors(values: Tensor) -> float:
    """|mean| / standard error; rows of no information at all, such as impossible events, give 0."""
    if not bool(torch.isfinite(values).all()):
        return math.inf
    stderr = float(values.std()) / math.sqrt(len(values))
    return abs(float(values.mean())) / stderr if stderr > 0 else 0.0
