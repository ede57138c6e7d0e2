"""Whether samples come from a density that cannot be counted out: detailed balance.

Let T be an involution of the space, d(x) = log p(Tx) - log p(x) + log|det dTx/dx|, and a(x) = sigmoid(d(x)) Barker's
acceptance of Tx. Then p(x) a(x) = p(Tx) a(Tx) |det dTx/dx|, so for every bounded h with h(x, Tx) = -h(Tx, x)

    E_{x ~ p} [a(x) h(x, Tx)] = 0.

Only the density that the model scores enters a; only the sampler gives x. A sampler from another distribution q has
E_q [a h] = E_p [(q/p) a h], which is zero for all h and T only if q/p is unchanged by all T, that is constant. Fisher's
identity (the score has mean zero) would need parameters in which p stays normalised, which models fitted by EM and
histograms do not have; this needs neither parameters nor gradients, and holds for integers too. Two kinds of T:

    mirror      one value, chosen at random, about a random centre; of discrete values, modulo the levels
    stretch     (x, u) -> (c + (x - c) exp(u), -u),  u ~ N(0, 1/D), c the mean;  log|det| = D u      (reals alone)
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.laws.patience import affordable, enough, pool
from loglik.laws.subject import scores
from loglik.laws.verdict import Result, require, within
from loglik.ops import sum_event
from loglik.spaces import Discrete

STANDARD_ERRORS = 5.0
FEWEST, PILOT = 100, 400
SCORINGS = 5  # of each sample
EACH = 50  # samples given one context, of which a mean has a standard error


def _drawn(model: Model, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """A pilot (P, D), samples (N, *event) that can be scored in time, their contexts, and which row each context is."""
    drawn = pool(model, context, FEWEST)
    few = max(FEWEST // 4, min(PILOT, len(drawn) // 4))
    which = torch.arange(len(drawn), device=drawn.device)[few:] % (1 if context is None else len(context))
    pilot, x, c = drawn[:few].double().flatten(1), drawn[few:], None if context is None else context[which]

    def work(k: int) -> None:
        rows = torch.arange(SCORINGS * k, device=x.device) % len(x)
        scores(model, x[rows], None if c is None else c[rows])

    n = affordable(work, len(x))
    return pilot, enough(x[:n], FEWEST // 2, "scored"), None if c is None else c[:n], which[:n]


@dataclass(frozen=True)
class Values:
    """a h of each sample, (N,), and what has the mean of its variance if p is right, (N,).

    p a is the same at x and Tx, so E (a h)^2 = E a h^2 (a(x) + a(Tx)) / 2 = E a h^2 / 2. That sees moves from unlikely
    to likely events, of which there may be none among the samples, by those back.
    """

    each: Tensor
    variance: Tensor

    def of(self, rows: Tensor) -> "Values":
        return Values(self.each[rows], self.variance[rows])


def detailed_balance(model: Model, context: Tensor | None) -> Result:
    """The largest of several means that are zero if samples and density agree, in standard errors.

    Samples are given the rows of the context in turn, so that neighbours in a batch differ; means are judged over all
    and for each context.
    """
    # Where T mirrors and stretches must not depend on the samples it is applied to.
    pilot, x, c, which = _drawn(model, context)
    centre, spread = pilot.mean(0), pilot.std(0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    values = _mirror(model, c, x, centre, spread)
    if not isinstance(model.space, Discrete):
        values |= _stretch(model, c, x, centre)
    deviations = {name: _standard_errors(value) for name, value in values.items()}
    if context is not None and len(x) >= EACH * len(context) > EACH:
        for i in range(len(context)):
            own = {f"{name}, context {i}": value.of(which == i) for name, value in values.items()}
            deviations |= {name: _standard_errors(value) for name, value in own.items()}
    worst = max(deviations, key=lambda name: deviations[name])
    message = f"Standard errors from detailed balance, worst in {worst}; {len(x)} samples."
    seen = "" if context is None else f", {len(context)} contexts"
    return within(deviations[worst], STANDARD_ERRORS, message, f"detailed balance, {len(x)} samples{seen}")


def _mirror(model: Model, c: Tensor | None, x: Tensor, centre: Tensor, spread: Tensor) -> dict[str, Values]:
    """a h for four h: of the likelihood itself, and of level, spread and middle of the value that was mirrored."""
    flat, mirrored = x.flatten(1), x.flatten(1).clone()
    rows = torch.arange(len(flat), device=x.device)
    at = torch.randint(flat.shape[1], (len(flat),), device=x.device)
    if isinstance(model.space, Discrete):
        turn = torch.randint(model.space.levels, (len(flat),), device=x.device)
        mirrored[rows, at] = (turn - flat[rows, at].long()) % model.space.levels
    else:
        about = centre[at] + spread[at] * torch.randn(len(flat), dtype=spread.dtype, device=x.device)
        mirrored[rows, at] = 2.0 * about.to(flat.dtype) - flat[rows, at]
    d = _gain(model, c, x, mirrored.reshape(x.shape))

    def of(function: Callable[[Tensor], Tensor]) -> Tensor:
        """f(x_d) - f(Tx_d), summed over values, of which one differs; within +-10, for a mean with a standard error."""
        before, after = (function((t.double() - centre) / spread) for t in (flat, mirrored))
        return sum_event(before - after).clamp(-10.0, 10.0)

    h = {
        "likelihood": (-d).clamp(-5.0, 5.0),
        "level": of(lambda t: t),
        "spread": of(torch.square),
        "middle": of(lambda t: torch.exp(-0.5 * t.square())),
    }
    a = torch.sigmoid(d)
    return {name: Values(a * value, 0.5 * a * value.square()) for name, value in h.items()}


def _stretch(model: Model, c: Tensor | None, x: Tensor, centre: Tensor) -> dict[str, Values]:
    """a h for h = u, the mean of u and of -u: what both have in common is noise, and cancels."""
    dims = model.space.dims
    drawn = torch.randn(len(x), dtype=centre.dtype, device=x.device).clamp(-5.0, 5.0) / dims**0.5
    value = torch.zeros_like(drawn)
    for u in (drawn, -drawn):
        stretched = centre + (x.flatten(1).double() - centre) * u.exp()[:, None]
        d = _gain(model, c, x, stretched.reshape(x.shape)) + dims * u
        value += torch.sigmoid(d) * u / 2.0
    return {"scale": Values(value, torch.zeros_like(value))}


def _gain(model: Model, c: Tensor | None, x: Tensor, other: Tensor) -> Tensor:
    """log p(Tx) - log p(x)"""
    with torch.no_grad():
        log_p, log_other = (model.log_likelihood(t, c).double() for t in (x, other))
    require(bool(torch.isfinite(log_p).all()), "Samples have a log-likelihood that is not finite.")
    require(not bool(torch.isnan(log_other).any()), "log p(x) is NaN for some x near samples; where p is 0 it is -inf.")
    return log_other - log_p


def _standard_errors(values: Values) -> float:
    """|mean| / standard error; values that are all 0, such as of moves that never happen, tell nothing."""
    variance = max(float(values.each.var()), float(values.variance.mean()))
    stderr = (variance / len(values.each)) ** 0.5
    return abs(float(values.each.mean())) / stderr if stderr > 0 else 0.0
