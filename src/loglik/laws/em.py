"""The laws of expectation maximisation: no pass lowers the likelihood, statistics add up, weights count events."""

import copy
import math
from itertools import pairwise

import torch
from torch import Tensor

from loglik.contract import Claim, FittedBy, Model, Stats
from loglik.laws.subject import reseed, scores
from loglik.laws.verdict import NotApplicable, Result, Undecided, require, within
from loglik.models.flow import Flow
from loglik.spaces import Discrete

PASSES = 5
SLACK = 1e-8  # relative
STANDARD_ERRORS = 5.0
REPEATS = 24  # of a noisy model's statistics
FEWEST_TO_COMPARE, FOR_EACH_DIM = 8, 2  # events: of fewer the floor decides
WIDENED = 0.02  # a share; the likelihood is flat at its top, so a small step tells a slope from none
MISSING = 0.2  # of the values
NEAR = 1e-5  # what a floor that is a share of the start's variance may change


def em_ascends(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """From `initialize`, log p(X), and log p(theta) with it where there is a prior, never falls; a closed form stands
    still after one pass.

    The likelihood is the one the statistics carry, under the same noise in each pass where the model has noise. A
    closed form gives the events a higher likelihood than the closed form of any others, and wherever it began.
    """
    model = _initialised(model, x, context)
    found = []
    for _ in range(PASSES + 1):
        stats = _expect(model, x, context)
        prior = float(model.log_prior().detach()) if model.has_prior else 0.0
        found.append((float(stats.log_likelihood) + prior) / float(stats.events))
        if len(found) <= 2:
            _agrees(model, x, context)
        _maximize(model, stats)
    scale = max(1.0, *(abs(value) for value in found))
    fall = max((before - after) / scale for before, after in pairwise(found))
    path = f"{found[0]:.4f} to {found[-1]:.4f} nats per event in {PASSES} passes"
    if fall <= SLACK and model.fitted_by is FittedBy.CLOSED_FORM:
        _is_the_best(model, x, context)
        moved = max(abs(value - found[1]) for value in found[1:]) / scale
        return within(moved, SLACK, f"A closed form stands still after one pass: {path}.")
    return within(max(fall, 0.0), SLACK, f"Largest fall in one pass, relative; {path}.")


def _agrees(model: Model, x: Tensor, context: Tensor | None) -> None:
    """The statistics' log-likelihood is the model's own: to rounding if exact, else to within its noise.

    The noise is new, for a model has a better likelihood under the noise that it was fitted to.
    """
    if model.has_prior and model.has_evidence:
        return  # variational: what rises is the bound of log p(X), and not the likelihood of the predictive
    seeds = range(1, 2 if model.claim is Claim.EXACT else REPEATS + 1)
    stats = [_expect(model, x, context, seed) for seed in seeds]
    reported = torch.stack([(s.log_likelihood / s.events).double() for s in stats])
    own = torch.stack([scores(model, x, context, REPEATS + seed).double().mean() for seed in seeds])
    noise = 0.0 if len(seeds) == 1 else float((reported.var() + own.var()).div(len(seeds)).sqrt())
    error, size = abs(float(reported.mean() - own.mean())), max(1.0, abs(float(own.mean())))
    require(
        error <= STANDARD_ERRORS * noise + SLACK * size,
        f"expect reports {float(reported.mean()):.6f} nats per event, log_likelihood {float(own.mean()):.6f}.",
    )


def _is_the_best(model: Model, x: Tensor, context: Tensor | None) -> None:
    """Of exact models of reals: none is better that is fitted to the events widened or narrowed, or begun elsewhere.

    Where parameters are integrated over, not chosen, no likelihood is at its best; see `evidence`.
    """
    few = len(x) < max(FEWEST_TO_COMPARE, FOR_EACH_DIM * model.space.dims)
    if model.claim is not Claim.EXACT or isinstance(model.space, Discrete) or few or model.has_evidence:
        return

    def reached(start: Tensor, events: Tensor) -> float:
        """The mean log-likelihood of x under what is fitted to these events."""
        other = _begun_at(start, _initialised(model, x, context), context)
        _maximize(other, _expect(other, events, context))
        return float(scores(other, x, context).double().mean())

    best, centre = reached(x, x), x.mean(0)
    size = NEAR * max(1.0, abs(best))
    for factor in (1.0 - WIDENED, 1.0 + WIDENED):
        found = reached(x, centre + factor * (x - centre))
        message = (
            f"{found:.6f} nats per event for the closed form of the events times {factor}, {best:.6f} for their own"
        )
        require(found <= best + size, f"The closed form is not the best: {message}.")
    elsewhere = reached(x[: len(x) // 2] + x.std(0), x)
    message = f"{elsewhere:.6f} nats per event where `initialize` saw other events, else {best:.6f}"
    require(abs(elsewhere - best) <= size, f"The closed form depends on where it began: {message}.")


def _begun_at(start: Tensor, model: Model, context: Tensor | None) -> Model:
    """The model, its density begun at other events; the units that a flow measured of its data stay."""
    density, z = model, start
    given = None if context is None else context[: len(start)]
    with torch.no_grad():
        while isinstance(density, Flow):
            z, density = density.noise(z, given)[0], density.base
        density.initialize(z, given)
    return model


def statistics_add(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """expect(a) + expect(b) = expect(a, b): the same events counted, the same parameters from `maximize`."""
    if len(x) < 2:
        raise Undecided("One event cannot be split.")
    model = _initialised(model, x, context)
    _maximize(model, _expect(model, x, context))
    half = len(x) // 3
    whole = _expect(model, x, context)
    first = _expect(model, x[:half], None if context is None else context[:half])
    second = _expect(model, x[half:], None if context is None else context[half:])
    together = first + second
    require(float(together.events) == float(whole.events), f"Statistics of {len(x)} events count {together.events}.")
    parts = float(first.log_likelihood) + float(second.log_likelihood)
    error = abs(float(together.log_likelihood) - parts) / max(1.0, abs(parts))
    if _noisy(model, x, context):
        return within(error, SLACK, "Counts and log-likelihoods add; the rest has noise of each call.")
    errors = [error, abs(float(whole.log_likelihood) - parts) / max(1.0, abs(parts))]
    errors.append(_apart(model, (whole, together), x, context))
    return within(max(errors), SLACK, "Parameters from two halves against those from the whole, by their scores.")


def _apart(model: Model, stats: tuple[Stats, Stats], x: Tensor, context: Tensor | None) -> float:
    """How far the scores of x are apart, relatively, under the parameters from either statistics."""
    a, b = copy.deepcopy(model), copy.deepcopy(model)
    _maximize(a, stats[0])
    _maximize(b, stats[1])
    one, other = scores(a, x, context), scores(b, x, context)
    return float(((one - other).abs() / one.abs().clamp(min=1.0)).max())


def weights_count(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """An event of weight w counts as if it were there w times, and one of weight 0 as if it were not there."""
    model = _initialised(model, x, context)
    if _noisy(model, x, context):
        raise Undecided("The statistics have noise of each call.")
    times = torch.arange(len(x), device=x.device) % 3
    rows = torch.arange(len(x), device=x.device).repeat_interleave(times)
    weighed = _expect(model, x, context, weights=times.double())
    repeated = _expect(model, x[rows], None if context is None else context[rows])
    require(
        float(weighed.events) == len(rows), f"Weights of {len(rows)} in all count {float(weighed.events):g} events."
    )
    size = max(1.0, abs(float(repeated.log_likelihood)))
    errors = [abs(float(weighed.log_likelihood) - float(repeated.log_likelihood)) / size]
    errors.append(_apart(model, (weighed, repeated), x, context))
    return within(max(errors), SLACK, "Weights 0, 1 and 2 against events left out, once, and twice, by scores.")


def gaps_ascend(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """With values missing the statistics carry log p of those observed, and no pass lowers it."""
    if not model.learns_gaps:
        raise NotApplicable("The model does not learn from events with missing values.")
    if x[0].numel() < 2:
        raise Undecided("Events of one value have nothing left where it is missing.")
    reseed(model, 0)
    missing = torch.rand(x.shape, device=x.device) < MISSING
    missing.flatten(1)[:, 0] &= ~missing.flatten(1).all(1)  # something of each event is observed
    gaps = torch.where(missing, math.nan, x.double())
    model = _initialised(model, gaps, context)
    found = []
    for _ in range(PASSES + 1):
        stats = _expect(model, gaps, context)
        with torch.no_grad():
            own = float(model.log_marginal(x, ~missing, context).double().sum())
        off = abs(float(stats.log_likelihood) - own) / max(1.0, abs(own))
        require(off <= SLACK, f"expect reports {float(stats.log_likelihood):.6f} nats in all, log_marginal {own:.6f}.")
        prior = float(model.log_prior().detach()) if model.has_prior else 0.0
        found.append((own + prior) / float(stats.events))
        _maximize(model, stats)
    _learns_from_them(model, gaps, context)
    fall = max((before - after) / max(1.0, abs(before)) for before, after in pairwise(found))
    path = f"{found[0]:.4f} to {found[-1]:.4f} nats per event in {PASSES} passes"
    return within(max(fall, 0.0), SLACK, f"Largest fall in one pass with a fifth of the values missing; {path}.")


def _learns_from_them(model: Model, gaps: Tensor, context: Tensor | None) -> None:
    """What is observed of events with gaps counts: the parameters are not those that whole events alone would give."""
    whole = ~gaps.flatten(1).isnan().any(1)
    if int(whole.sum()) < 2 or bool(whole.all()):
        return
    given = None if context is None else context[whole]
    from_all, from_whole = copy.deepcopy(model), copy.deepcopy(model)
    for _ in range(PASSES):
        _maximize(from_all, _expect(from_all, gaps, context))
        _maximize(from_whole, _expect(from_whole, gaps[whole], given))
    a, b = (scores(fitted, gaps[whole], given).double() for fitted in (from_all, from_whole))
    apart = float(((a - b).abs() / a.abs().clamp(min=1.0)).max())
    require(apart > SLACK, "Events with missing values are left out: it learns what whole events alone would teach.")


def _noisy(model: Model, x: Tensor, context: Tensor | None) -> bool:
    """Whether the statistics depend on random numbers."""
    return float(_expect(model, x, context, 1).log_likelihood) != float(_expect(model, x, context, 2).log_likelihood)


def _initialised(model: Model, x: Tensor, context: Tensor | None) -> Model:
    if not model.fitted_by.in_passes:
        raise NotApplicable("The model is not fitted by EM.")
    model = copy.deepcopy(model)
    reseed(model, 0)
    with torch.no_grad():
        model.initialize(x, context)
    return model


def _maximize(model: Model, stats: Stats) -> None:
    with torch.no_grad():
        model.maximize(stats)


def _expect(model: Model, x: Tensor, context: Tensor | None, seed: int = 0, *, weights: Tensor | None = None) -> Stats:
    reseed(model, seed)
    with torch.no_grad():
        return model.expect(x, context) if weights is None else model.expect(x, context, weights=weights)
