"""The law of leaving out: what a model says of some values of an event is a distribution, and its own.

Each of a few values is left out in turn, beside others that are not observed. What the model says of it, given those
that are, must sum to one over all that it may be, and draws must follow it.
"""

import torch
from torch import Tensor

from loglik.contract import Claim, Model
from loglik.laws.patience import affordable
from loglik.laws.quadrature import QuadratureGrid
from loglik.laws.sampling import chi_square
from loglik.laws.subject import in_turn, reseed, scores
from loglik.laws.verdict import NotApplicable, Result, Status, require, within

ROWS = 4
TOLERANCE = 1e-9  # relative to the scores, in float64
LEFT_OUT = 3  # values of an event that are left out in turn
REACH, POINTS = 12.0, 4_001  # sinh(12) spreads on both sides
INTEGRATED = 1e-4
FEWEST, MOST = 100, 2_000  # draws
BINS = 20
MOST_LEVELS = 64


def leaving_out(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """Of whole events it is the score, of none 0; the conditional of a value sums to one, and draws follow it."""
    x, context = x[:ROWS], None if context is None else context[:ROWS]
    every = torch.ones(x.shape, dtype=torch.bool, device=x.device)
    if model.conditions(~every) is None and model.conditions(_without(every, x[0].numel() - 1)) is None:
        raise NotApplicable("The model leaves no value out.")
    exact = model.conditions(every) is Claim.EXACT
    if exact:
        off = _relative(_marginal(model, x, every, context), scores(model, x, context))
        require(off <= TOLERANCE, f"With every value observed, log_marginal differs from the score by {off:.1e}.")
    if model.conditions(~every) is Claim.EXACT:
        off = float(_marginal(model, x, ~every, context).abs().max())
        require(off <= TOLERANCE, f"With nothing observed, log_marginal is {off:.1e} and not 0.")
    worst, tried = 0.0, 0
    for value in _to_leave_out(model, every):
        observed = _without(every, value)
        _ignores_the_rest(model, x, observed, context)
        _keeps_what_is_observed(model, x, observed, context)
        if model.conditions(observed) is Claim.EXACT and exact and _few_enough(model):
            worst = max(worst, _conditional(model, x[:1], value, None if context is None else context[:1]))
            tried += 1
    if not tried:
        many = f"values have more than {MOST_LEVELS} levels, and no conditional was summed"
        why = many if exact and not _few_enough(model) else "the sums are bounds"
        return Result(Status.PASSED, f"What is left out is ignored, and what is observed is kept; {why}.")
    return within(worst, 4.5, f"Standard errors of draws from the conditionals of {tried} values, which sum to one.")


def _without(every: Tensor, value: int) -> Tensor:
    """All values observed but one."""
    observed = every.clone().flatten(1)
    observed[:, value] = False
    return observed.reshape(every.shape)


def _to_leave_out(model: Model, every: Tensor) -> list[int]:
    """Single values, spread over the event, that the model can leave out."""
    values = [v for v in range(every[0].numel()) if model.conditions(_without(every, v)) is not None]
    return values[:: max(1, len(values) // LEFT_OUT)][:LEFT_OUT]


def _marginal(model: Model, x: Tensor, observed: Tensor, context: Tensor | None) -> Tensor:
    reseed(model, 0)
    with torch.no_grad():
        return model.log_marginal(x, observed, context).double()


def _ignores_the_rest(model: Model, x: Tensor, observed: Tensor, context: Tensor | None) -> None:
    other = torch.where(observed, x, model.space.other(x).to(x.dtype))
    off = _relative(_marginal(model, other, observed, context), _marginal(model, x, observed, context))
    require(off <= TOLERANCE, f"log_marginal changes by {off:.1e} with values that are not observed.")


def _keeps_what_is_observed(model: Model, x: Tensor, observed: Tensor, context: Tensor | None) -> None:
    reseed(model, 0)
    with torch.no_grad():
        drawn = model.sample_given(x, observed, context)
    require(drawn.shape == x.shape, f"sample_given returns {tuple(drawn.shape)} for events {tuple(x.shape)}.")
    require(bool((drawn == x.to(drawn.dtype))[observed].all()), "sample_given changes values that are observed.")
    model.space.check(drawn)


def _few_enough(model: Model) -> bool:
    """Whether the levels of a value, if it has levels, can be summed over with draws enough for each."""
    limits = model.space.limits
    return limits is None or limits[1] - limits[0] < MOST_LEVELS


def _conditional(model: Model, x: Tensor, value: int, context: Tensor | None) -> float:
    """Of one event: the conditional of one value given the others sums to one; standard errors of draws from it."""
    limits = model.space.limits
    observed = _without(torch.ones(x.shape, dtype=torch.bool, device=x.device), value)

    def drawn_of(n: int) -> Tensor:
        reseed(model, 1)
        many = x.expand(n, *x.shape[1:])
        with torch.no_grad():
            return model.sample_given(many, observed.expand_as(many), in_turn(context, n)).flatten(1)[:, value]

    drawn = drawn_of(max(FEWEST, affordable(drawn_of, MOST)))
    if limits is None:
        grid = QuadratureGrid.over(drawn.double()[:, None], reach=REACH, points=POINTS)
        places, volumes = grid.points.flatten(), grid.volumes
    else:
        places, volumes = torch.arange(limits[0], limits[1] + 1, device=x.device), torch.ones(1, device=x.device)
    filled = x.flatten(1).expand(len(places), -1).clone()
    filled[:, value] = places.to(filled.dtype)
    log_p = scores(model, filled.reshape(-1, *x.shape[1:]), in_turn(context, len(places))).double()
    p = (log_p - _marginal(model, x, observed, context)).exp() * volumes
    total, allowed = float(p.sum()), TOLERANCE if limits is not None else INTEGRATED
    require(abs(total - 1.0) <= allowed, f"Given the others, the probabilities of a value sum to {total:.9g}.")
    if limits is None:  # as many bins of equal probability
        edges = places[torch.searchsorted(p.cumsum(0), torch.arange(1, BINS, device=x.device) / BINS)]
        counts = torch.bincount(torch.bucketize(drawn.double().contiguous(), edges), minlength=BINS).double()
        p = torch.full((BINS,), 1.0 / BINS, dtype=torch.float64, device=x.device)
    else:
        counts = torch.bincount(drawn.long() - limits[0], minlength=len(p)).double()
    return chi_square(counts, len(drawn) * p, torch.zeros_like(p), 1)[0]


def _relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max()) / max(1.0, float(b.abs().max()))
