"""Total mass where nothing can be counted out or integrated over: a density held against one whose mass is known.

Let the model score p(x) = M p~(x), of mass M, draw x ~ p~, and let q be a proposal of mass one. For every k > 0

    E_{y ~ q} [p / (p + k q)]  =  M E_{x ~ p~} [q / (p + k q)]          (bridge sampling; Meng & Wong 1996)

for both are int p q / (p + k q). With k = M the error is the least. What is averaged lies between 0 and 1, so means
have honest standard errors; of E_{p~} [q/p] = 1/M alone the variance may be infinite, and it does not see where the
samples never go, whereas y do. All that is needed is that p~ and q overlap: the effective sample size of either mean
says how much, and where it is small nothing is decided. A sampler that does not draw from p~ breaks the equation too.

Bounds have noise, E w(y) = p(y), and do not enter nonlinear functions: of them E_{y ~ q} [w(y) / q(y)] = M is judged,
whose weights may have heavy tails, see `mass`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.laws.patience import pool, scored
from loglik.laws.proposals import fitted
from loglik.laws.verdict import Result, Undecided, require, within

FEWEST = 200  # samples
STANDARD_ERRORS = 5.0
EFFECTIVE = 50.0  # samples; of fewer, a mean and its standard error cannot be told
RESOLUTION = 0.05  # a total with a larger standard error decides nothing: five of them are a factor of 1.3
ROUNDS = 60
MOST_WEIGHTS = 20_000


@dataclass(frozen=True)
class Ratio:
    """log M, its standard error, and the smaller effective sample size of the two means."""

    log_mass: float
    stderr: float
    effective: float


def bridge(model: Model, row: Tensor | None) -> Result:
    """The mass of the model's density, by samples of its own and of a proposal fitted to others of them."""
    drawn = pool(model, row, FEWEST)
    proposal, x = fitted(model.space, drawn[: 2 * len(drawn) // 3]), drawn[2 * len(drawn) // 3 :]
    x, log_p_x = scored(model, row, x, FEWEST // 3)
    y, log_p_y = scored(model, row, proposal.sample(2 * len(x)), FEWEST // 3)
    require(bool(torch.isfinite(log_p_x).all()), "Samples have a log-likelihood that is not finite.")
    bad = bool((torch.isnan(log_p_y) | (log_p_y == math.inf)).any())
    require(not bad, "log p(x) is NaN or infinite for some x near samples; where p is 0 it is -inf.")
    found = _ratio(log_p_x - proposal.log_prob(x), log_p_y - proposal.log_prob(y))
    return _judged(found, model.space.dims, len(drawn))


def _judged(found: Ratio, dims: int, n: int) -> Result:
    if found.effective < EFFECTIVE:
        raise Undecided(
            f"Samples and a proposal fitted to others of them overlap too little: {found.effective:.0f} effective "
            f"samples of {n}."
        )
    deviations = abs(found.log_mass) / found.stderr if found.stderr > 0 else 1e9 * abs(found.log_mass)
    message = f"The density's total is {math.exp(min(found.log_mass, 700.0)):.4g}, within a share of {found.stderr:.2g}"
    if deviations > STANDARD_ERRORS and abs(found.log_mass) > 1e-6:
        return within(
            deviations, STANDARD_ERRORS, f"{message}: unless samples are of another density. Standard errors."
        )
    if found.stderr > RESOLUTION:
        raise Undecided(f"{message}, which tells too little ({found.effective:.0f} effective samples).")
    how = f"bridge sampling, {dims} dims, ESS {found.effective:.0f}, to {found.stderr:.1g}"
    return within(min(deviations, STANDARD_ERRORS), STANDARD_ERRORS, f"{message}. Standard errors from 1.", how)


def _ratio(at_samples: Tensor, at_proposals: Tensor) -> Ratio:
    """From log p - log q at x ~ p~ and at y ~ q, (N,) each; log M is where k = M, found by bisection.

    The difference of both sides, M E [q/(p + k q)] - E [p/(p + k q)] at M = k, grows with k.
    """

    def sides(log_k: float) -> tuple[Tensor, Tensor]:
        return torch.sigmoid(log_k - at_samples), torch.sigmoid(at_proposals - log_k)

    ends = torch.cat([at_samples, at_proposals[torch.isfinite(at_proposals)]])
    low, high = float(ends.min()) - 1.0, float(ends.max()) + 1.0
    for _ in range(ROUNDS):
        middle = 0.5 * (low + high)
        of_samples, of_proposals = sides(middle)
        low, high = (low, middle) if float(of_samples.mean()) > float(of_proposals.mean()) else (middle, high)
    parts = sides(0.5 * (low + high))
    effective = min(float(part.sum() ** 2 / part.square().sum().clamp(min=1e-300)) for part in parts)
    variance = sum(float(part.var() / part.mean().square().clamp(min=1e-300)) / len(part) for part in parts)
    return Ratio(0.5 * (low + high), math.sqrt(variance), effective)


def weights_of_bounds(model: Model, row: Tensor | None) -> Tensor:
    """The weights w(y) / q(y) at y ~ q, (N,), with q fitted to samples."""
    proposal = fitted(model.space, pool(model, row, FEWEST))
    y, log_w = scored(model, row, proposal.sample(MOST_WEIGHTS), FEWEST, weights=True)
    require(bool((log_w < math.inf).all()), "The log weight of some x near samples is NaN or infinite.")
    return (log_w - proposal.log_prob(y)).exp()
