"""Fitting by expectation and maximisation, streaming over batches; a closed form is EM that needs one pass.

The statistics of all batches add up, and so do those of all processes: under `torchrun` each process gives its own
rows, and all take the same step.
"""

import itertools
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from loglik.contract import Model, Stats
from loglik.data import Source
from loglik.errors import Diverged, FitWarning, UsageError
from loglik.inference.evaluate import evaluating
from loglik.inference.gaps import check_learns
from loglik.inference.processes import any_process, summed_over_processes
from loglik.inference.randomness import seeded
from loglik.ops import has_gaps

ROWS_AT_ONCE = 65536
VALUES_AT_ONCE = 1 << 25
ROUNDING = 1e-9  # of a value: by less no pass is said to have lowered it


@dataclass(frozen=True)
class Pass:
    """One EM pass: the mean log-likelihood in nats per event *before* its M-step, and the gain over the pass before."""

    step: int
    nats: float
    gain: float  # of log p(X|theta) + log p(theta), in nats per event
    gaps: bool = False  # whether values of the rows are missing; then no closed form ends in one pass


def em(model: Model, source: Source, *, seed: int, weights: Tensor | None = None) -> Iterator[Pass]:
    """Alternate `expect` over all rows and `maximize`; the caller decides when to stop.

    Every pass draws the same noise (a dequantised model draws some), so that the likelihood of the same noisy data is
    compared from pass to pass, and cannot fall. What cannot fall is log p(X) + log p(theta), where there is a prior.

    Args:
        weights: (N,), how many times each row counts; by default as the source says, or once.

    Raises:
        Diverged: a log-likelihood that is not finite. NotFinite: missing values, of which the model cannot learn.
        UsageError: weights that are all 0.
    """
    last = -math.inf
    for step in itertools.count():
        missing: list[int] = []
        with seeded(seed), evaluating(model):
            stats = summed_over_processes(expected(model, source, weights, missing))
            if not stats.events > 0:
                raise UsageError("Expected weights that are not all 0; got 0 for every row. Give some row a weight.")
            nats = float(stats.log_likelihood / stats.events)
            if not torch.isfinite(stats.log_likelihood):
                raise Diverged("the log-likelihood of the training data", step)
            value = nats + float(model.log_prior() / stats.events) if model.has_prior else nats
            model.maximize(stats)
        if value < last - ROUNDING * max(1.0, abs(value)):
            _warn_of_a_fall(step, value - last)
        yield Pass(step, nats, value - last, any_process(sum(missing) > 0))
        last = value


def value_of(model: Model, source: Source, *, seed: int) -> float:
    """What EM raises, as the parameters stand: log p(X|theta) + log p(theta), in nats per event."""
    with seeded(seed), evaluating(model):
        stats = summed_over_processes(expected(model, source))
        prior = model.log_prior() if model.has_prior else torch.zeros_like(stats.events)
        return float((stats.log_likelihood + prior) / stats.events)


def expected(model: Model, source: Source, weights: Tensor | None = None, missing: list[int] | None = None) -> Stats:
    """The statistics of all rows, batch by batch: memory does not grow with them.

    Args:
        missing: takes in how many values of each batch are missing, where some are.
    """
    return reduce(add, _each(model, source, weights, missing))


def _each(model: Model, source: Source, weights: Tensor | None, missing: list[int] | None) -> Iterator[Stats]:
    rows = max(1, min(ROWS_AT_ONCE, VALUES_AT_ONCE // model.space.dims))
    start = 0
    for x, c, own in source.weighted_batches(rows):
        w = own if weights is None else weights[start : start + len(x)]
        start += len(x)
        if has_gaps(x):
            gaps = int(x.isnan().sum())
            check_learns(model, gaps)
            if missing is not None:
                missing.append(gaps)
        context = None if c is None or model.context is None else c.to(model.device)
        yield model.expect(x.to(model.device), context, weights=None if w is None else w.to(model.device))


def _warn_of_a_fall(step: int, gain: float) -> None:
    warnings.warn(
        f"Pass {step} of EM found the likelihood lowered by {-gain:.2g} nats per event, which EM never does: the model "
        "breaks a law, or its noise differs from pass to pass. Run loglik.check on it.",
        FitWarning,
        stacklevel=3,
    )
