"""The evidence of a log-likelihood and a prior, by name of the method."""

import dataclasses
import time

from loglik.arguments.ranges import Range, whole
from loglik.errors import UnknownName
from loglik.inference.evidence.ais import by_ais
from loglik.inference.evidence.importance import by_importance
from loglik.inference.evidence.nested import by_nested
from loglik.inference.evidence.result import Evidence
from loglik.inference.evidence.smc import by_smc
from loglik.inference.evidence.target import LogLikelihood, Target
from loglik.inference.randomness import seeded

METHODS = {"importance": by_importance, "ais": by_ais, "smc": by_smc, "nested": by_nested}
PARTICLES = {"importance": 4000, "ais": 2000, "smc": 2000, "nested": 250}


def evidence(
    log_likelihood: LogLikelihood,
    prior: object,
    *,
    method: str = "smc",
    seed: int = 0,
    particles: int | None = None,
    repeats: int = 16,
) -> Evidence:
    """log Z = log int L(theta) p(theta) dtheta, in nats, with a standard error from independent repeats.

    Args:
        log_likelihood: theta (B, d) float64 -> log L (B,). Gradients are used where autograd finds them.
        prior: `Uniform(low, high)`, a distribution of torch over vectors, or a Model with an exact density.
        method: "smc" (tempered; the widest use), "importance" (a fitted mixture of t's; the most precise where a few
            dozen of them look like the posterior), "ais" (annealed), "nested" (dynesty).
        particles: draws of each repeat, live points of "nested"; "ais" divides them among the repeats.
        repeats: independent estimates that the standard error is made from, 2 or more.

    Raises:
        UsageError: an unknown method or prior, or a method that cannot use this prior.
        ShapeMismatch: log L is no (B,).
        NotFinite: log L is NaN or +inf.

    >>> import math, torch, loglik
    >>> box = loglik.Uniform([-5.0, -5.0], [5.0, 5.0])
    >>> found = loglik.evidence(lambda theta: -0.5 * theta.square().sum(1), box, particles=400)
    >>> abs(found.log_z - math.log(2 * math.pi / 100)) < 4 * found.stderr, str(found.claim)
    (True, 'estimate')
    """
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    repeats = whole("repeats", repeats, Range(2, 1000))
    particles = whole("particles", PARTICLES[method] if particles is None else particles, Range(40, 10**7))
    start = time.perf_counter()
    with seeded(seed):
        found = METHODS[method](Target(log_likelihood, prior), particles=particles, repeats=repeats)
    return dataclasses.replace(found, seconds=time.perf_counter() - start)
