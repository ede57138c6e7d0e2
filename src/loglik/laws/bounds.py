"""The law of bounds: E log w <= E log (1/K) sum_k w_k, which never falls as K grows (Burda et al. 2016)."""

from itertools import pairwise

import torch
from torch import Tensor

from loglik.contract import LatentModel, Model
from loglik.laws.subject import reseed
from loglik.laws.verdict import NotApplicable, Result, require, within
from loglik.ops import repeat_rows, sum_event

SAMPLES = (1, 4, 16)
STANDARD_ERRORS = 4.0
EVENTS = 32
REPEATS = 16  # of each event, each with noise of its own


def bounds(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """The mean K-sample bound over the same events does not fall from K = 1 to 4 to 16."""
    if not isinstance(model, LatentModel):
        raise NotApplicable("The model has no integral inside.")
    if not model.has_weights:
        raise NotApplicable("The model has no importance weights, and so no bound of more than one sample.")
    x, context = x[:EVENTS], None if context is None else context[:EVENTS]
    reseed(model, 0)
    means = []
    with torch.no_grad():
        total = torch.stack([sum_event(term) for term in model.elbo_terms(x, context).values()]).sum(0)
        reseed(model, 0)
        require(
            bool(torch.allclose(total, model.log_likelihood(x, context), rtol=1e-9, atol=1e-9)),
            "log_likelihood is not the sum of elbo_terms.",
        )
        rows, given = repeat_rows(x, REPEATS), repeat_rows(context, REPEATS)
        assert rows is not None
        means += [model.bound(rows, given, samples=k).reshape(len(x), REPEATS) for k in SAMPLES]
        means.insert(0, model.log_likelihood(rows, given).reshape(len(x), REPEATS))
    one = _fall(means[1], means[0])
    require(abs(one) <= STANDARD_ERRORS, f"The bound with one sample is not the ELBO: {abs(one):.1f} standard errors.")
    worst = max(_fall(before, after) for before, after in pairwise(means[1:]))
    values = ", ".join(f"{float(mean.mean()):.4f}" for mean in means[1:])
    return within(max(worst, 0.0), STANDARD_ERRORS, f"Standard errors by which it falls; K = 1, 4, 16: {values}.")


def _fall(before: Tensor, after: Tensor) -> float:
    """Standard errors by which the mean falls, the noise being that of the repeats of each event; (B, R) each."""
    fall = before - after
    stderr = float((fall.var(1) / fall.shape[1]).mean().div(len(fall)).sqrt())
    mean = float(fall.mean())
    # Bounds that are tight differ by rounding alone.
    return mean / stderr if stderr > 1e-12 * (1.0 + float(before.abs().mean())) else mean / 1e-9
