"""Fitting by expectation and maximisation, streaming over batches; a closed form is EM that needs one pass."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch

from loglik.contract import Model
from loglik.data import Source
from loglik.errors import Diverged
from loglik.inference.evaluate import evaluating
from loglik.inference.randomness import seeded

ROWS_AT_ONCE = 65536
VALUES_AT_ONCE = 1 << 25


@dataclass(frozen=True)
class Pass:
    """One EM pass: the mean log-likelihood in nats per event *before* its M-step, and the gain over the pass before."""

    step: int
    nats: float
    gain: float  # of log p(X|theta) + log p(theta), in nats per event


def em(model: Model, source: Source, *, seed: int) -> Iterator[Pass]:
    """Alternate `expect` over all rows and `maximize`; the caller decides when to stop.

    Every pass draws the same noise (a dequantised model draws some), so that the likelihood of the same noisy data is
    compared from pass to pass, and cannot fall. What cannot fall is log p(X) + log p(theta), where there is a prior.
    """
    rows = max(1, min(ROWS_AT_ONCE, VALUES_AT_ONCE // model.space.dims))
    last = -math.inf
    for step in itertools.count():
        with seeded(seed), evaluating(model):
            batches = (
                model.expect(x.to(model.device), None if c is None or model.context is None else c.to(model.device))
                for x, c in source.batches(rows)
            )
            stats = reduce(add, batches)
            nats = float(stats.log_likelihood / stats.events)
            if not torch.isfinite(stats.log_likelihood):
                raise Diverged("the log-likelihood of the training data", step)
            value = nats + float(model.log_prior() / stats.events) if model.has_prior else nats
            model.maximize(stats)
        yield Pass(step, nats, value - last)
        last = value
