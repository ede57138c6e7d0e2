"""The law of bounds: E log w <= E log (1/K) sum_k w_k, which never falls as K grows (Burda et al. 2016).

The K-sample bound is also computed here, from weights of single draws, in another way than models do: each event with
its own context, by torch's logsumexp.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from loglik.contract import LatentModel, Model
from loglik.laws.patience import affordable
from loglik.laws.subject import reseed, scores
from loglik.laws.verdict import NotApplicable, Result, require, within
from loglik.ops import sum_event

SAMPLES = (1, 4, 16)
STANDARD_ERRORS = 4.0
OF_ONE_EVENT = 8.0  # standard errors, with few repeats and many events
EVENTS = 32
REPEATS = 16  # of each event, each with noise of its own


def bounds(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """The mean K-sample bound over the same events does not fall from K = 1 to 4 to 16."""
    if not isinstance(model, LatentModel):
        if not model.infers:
            raise NotApplicable("The model has no integral inside.")
        return _exact_with_latents(model, x[:EVENTS], None if context is None else context[:EVENTS])
    if not model.has_weights:
        raise NotApplicable("The model has no importance weights, and so no bound of more than one sample.")
    reseed(model, 0)
    with torch.no_grad():
        total = torch.stack([sum_event(term) for term in model.elbo_terms(x, context).values()]).sum(0)
    same = bool(torch.allclose(total, scores(model, x, context), rtol=1e-9, atol=1e-9))
    require(same, "log_likelihood is not the sum of elbo_terms.")
    x, context = _affordable(model, x, context)
    rows, given = x.repeat_interleave(REPEATS, 0), None if context is None else context.repeat_interleave(REPEATS, 0)
    reseed(model, 0)
    with torch.no_grad():
        one = model.log_likelihood(rows, given).double().reshape(len(x), REPEATS)
        means = [model.bound(rows, given, samples=k).double().reshape(len(x), REPEATS) for k in SAMPLES]
        log_w = _single_draws(model, x, context)
    if model.infers:
        off = abs(_fall(_inferred(model, rows, given).reshape(len(x), REPEATS), one))
        require(
            off <= STANDARD_ERRORS, f"log_joint - log q(z|x) has not the mean of the ELBO: {off:.1f} standard errors."
        )
    off = abs(_fall(means[0], one))
    require(off <= STANDARD_ERRORS, f"The bound with one sample is not the ELBO: {off:.1f} standard errors.")
    for k, found in zip(SAMPLES[1:], means[1:], strict=True):
        truth = log_w[:, :, :k].logsumexp(2) - math.log(k)
        off = abs(_fall(found, truth))
        message = f"{float(found.mean()):.4f}, and {float(truth.mean()):.4f} from single draws"
        require(off <= STANDARD_ERRORS, f"The bound with K = {k} is {message}: {off:.1f} standard errors apart.")
        off = _apart(found, truth)
        require(
            off <= OF_ONE_EVENT, f"The bound with K = {k} of one event is {off:.1f} standard errors from single draws."
        )
    worst = max(_fall(before, after) for before, after in pairwise(means))
    values = ", ".join(f"{float(mean.mean()):.4f}" for mean in means)
    message = f"Standard errors by which it falls; K = 1, 4, 16: {values}, as from single draws."
    return within(max(worst, 0.0), STANDARD_ERRORS, message, f"bounds of {len(x)} events")


def _exact_with_latents(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """p(x) is known, so the mean of p(x, z) / q(z|x) must be it; from the true posterior every draw is."""
    rows, given = x.repeat_interleave(REPEATS, 0), None if context is None else context.repeat_interleave(REPEATS, 0)
    reseed(model, 0)
    off = (_inferred(model, rows, given) - scores(model, rows, given).double()).reshape(len(x), REPEATS)
    with torch.no_grad():
        exact = model.posterior(x, context).exact
    if exact:
        size = max(1.0, float(scores(model, x, context).abs().max()))
        return within(float(off.abs().max()) / size, 1e-9, "log p(x, z) - log p(z|x) against log p(x), each draw.")
    ratio = off.exp().mean(1)
    noise = off.exp().std(1) / math.sqrt(REPEATS)
    worst = float(((ratio - 1.0).abs() - OF_ONE_EVENT * noise).max())
    return within(max(worst, 0.0), 1e-8, "Mean of p(x, z) / q(z|x) p(x) against 1, beyond its noise.", "weights")


def _inferred(model: Model, x: Tensor, context: Tensor | None) -> Tensor:
    """(B,): log p(x, z) - log q(z|x), by the two methods."""
    with torch.no_grad():
        z, log_q = model.infer(x, context)
        return (model.log_joint(x, z, context) - log_q).double()


def _affordable(model: LatentModel, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """As many events as bounds can be had of in time."""
    each = REPEATS * (1 + sum(SAMPLES) + max(SAMPLES))

    def work(n: int) -> None:
        rows = torch.arange(n, device=x.device) % len(x)
        scores(model, x[rows], None if context is None else context[rows])

    n = max(2, min(EVENTS, affordable(work, each * EVENTS) // each))
    return x[:n], None if context is None else context[:n]


def _single_draws(model: LatentModel, x: Tensor, context: Tensor | None) -> Tensor:
    """(N, R, K): log weights, each draw a call of its own, so that no two can share their noise."""
    draws = [model.log_weight(x, context).double() for _ in range(REPEATS * max(SAMPLES))]
    return torch.stack(draws, dim=1).reshape(len(x), REPEATS, max(SAMPLES))


def _apart(found: Tensor, truth: Tensor) -> float:
    """Standard errors between two means of the same event, (N, R) each, where they are most apart."""
    noise = ((found.var(1) + truth.var(1)) / found.shape[1]).sqrt() + 1e-9 * (1.0 + truth.mean(1).abs())
    return float(((found.mean(1) - truth.mean(1)).abs() / noise).max())


def _fall(before: Tensor, after: Tensor) -> float:
    """Standard errors by which the mean falls, the noise being that of the repeats of each event; (N, R) each."""
    variance = (before.var(1) + after.var(1)) / before.shape[1]
    fall, stderr = float((before - after).mean()), float(variance.mean().div(len(before)).sqrt())
    # Bounds that are tight differ by rounding alone.
    return fall / stderr if stderr > 1e-12 * (1.0 + float(before.abs().mean())) else fall / 1e-9
