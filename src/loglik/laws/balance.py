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

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from loglik.contract import Model
from loglik.laws.subject import draws, given
from loglik.laws.verdict import NotApplicable, Result, require, within
from loglik.ops import sum_event
from loglik.spaces import Discrete

STANDARD_ERRORS = 5.0
SAMPLES, FEWEST, PILOT = 3_000, 100, 400
WORK = 100e9  # multiplications and additions that samples may take; a measure of time that is the same everywhere


def detailed_balance(model: Model, row: Tensor | None) -> Result:
    """The largest of several means that are zero if samples and density agree, in standard errors."""
    n = affordable(model, row, SAMPLES)
    # Where T mirrors and stretches must not depend on the samples it is applied to.
    pilot = draws(model, min(PILOT, n // 2), row, seed=1).double().flatten(1)
    centre, spread = pilot.mean(0), pilot.std(0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    x = draws(model, n, row, seed=2)
    values = _mirror(model, row, x, centre, spread)
    if not isinstance(model.space, Discrete):
        values |= _stretch(model, row, x, centre)
    deviations = {name: _standard_errors(value) for name, value in values.items()}
    worst = max(deviations, key=lambda name: deviations[name])
    return within(
        deviations[worst], STANDARD_ERRORS, f"Standard errors from detailed balance, worst in {worst}; {n} samples."
    )


def affordable(model: Model, row: Tensor | None, most: int) -> int:
    """How many samples to draw, from the work that one takes: autoregressive models pass their net for each value."""
    with FlopCounterMode(display=False) as counter:
        draws(model, 1, row)
    work = counter.get_total_flops()
    n = min(most, int(WORK / max(1, work)))
    if n < FEWEST:
        raise NotApplicable(f"One sample takes {work:.1g} operations, too many for {FEWEST} samples.")
    return n


def _mirror(model: Model, row: Tensor | None, x: Tensor, centre: Tensor, spread: Tensor) -> dict[str, Tensor]:
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
    d = _gain(model, row, x, mirrored.reshape(x.shape))

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
    return {name: torch.sigmoid(d) * value for name, value in h.items()}


def _stretch(model: Model, row: Tensor | None, x: Tensor, centre: Tensor) -> dict[str, Tensor]:
    """a h for h = u, the mean of u and of -u: what both have in common is noise, and cancels."""
    dims = model.space.dims
    drawn = torch.randn(len(x), dtype=centre.dtype, device=x.device).clamp(-5.0, 5.0) / dims**0.5
    value = torch.zeros_like(drawn)
    for u in (drawn, -drawn):
        stretched = centre + (x.flatten(1).double() - centre) * u.exp()[:, None]
        d = _gain(model, row, x, stretched.reshape(x.shape)) + dims * u
        value += torch.sigmoid(d) * u / 2.0
    return {"scale": value}


def _gain(model: Model, row: Tensor | None, x: Tensor, other: Tensor) -> Tensor:
    """log p(Tx) - log p(x)"""
    with torch.no_grad():
        log_p, log_other = (model.log_likelihood(t, given(row, len(t))).double() for t in (x, other))
    require(bool(torch.isfinite(log_p).all()), "Samples have a log-likelihood that is not finite.")
    require(not bool(torch.isnan(log_other).any()), "log p(x) is NaN for some x near samples; where p is 0 it is -inf.")
    return log_other - log_p


def _standard_errors(values: Tensor) -> float:
    """|mean| / standard error; values that are all equal, such as of moves that never happen, tell nothing."""
    stderr = float(values.std()) / len(values) ** 0.5
    return abs(float(values.mean())) / stderr if stderr > 0 else 0.0
