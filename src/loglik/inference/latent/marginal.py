"""log p(x) of a latent model from draws of its latents, and how far such an estimate can be trusted."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.arguments.ranges import SAMPLES, SEEDS, whole
from loglik.contract import Claim, Model
from loglik.data import RowDigest
from loglik.errors import UnknownName, UsageError
from loglik.inference.evaluate import evaluating, rows_for
from loglik.inference.latent.annealing import annealed_log_weights
from loglik.inference.latent.joint import check_latents, check_whole, latents, log_joint_of, log_latent_of
from loglik.inference.randomness import seeded
from loglik.ops import log_mean_exp
from loglik.records import Record
from loglik.score import Score

WEIGHTS_AT_ONCE = 1 << 16  # events times draws that are evaluated together
ERROR = 0.1  # nats, of which it is told how many draws it takes
TEMPERATURES, FOR_EACH_LATENT = 200, 20  # steps from p(z) to p(z|x)


@dataclass(frozen=True)
class MarginalLikelihood:
    """log p(x) of N events, each from K weights w with E w = p(x).

        log_p = log (1/K) sum_k w_k     stderr: of log_p, from the scatter of the weights     ess = (sum w)^2 / sum w^2

    On average log_p lies below log p(x), by about half the relative variance of the mean weight: the score is a lower
    bound in expectation. `predicted` is the relative variance of one naive weight where it has a closed form, (N,),

        e^{D_2(p(z|x) | p(z))} - 1,      D_2 the Renyi divergence of order 2;

    `measured` is the one seen, which tells too little where a few weights carry all.
    """

    method: str
    samples: int
    score: Score
    log_p: Tensor
    stderr: Tensor
    ess: Tensor
    measured: Tensor
    predicted: Tensor | None

    def draws_for(self, error: float) -> Tensor:
        """(N,): how many draws make the error of log p(x) so small; naive ones as predicted, else as measured."""
        variance = self.measured if self.predicted is None else self.predicted
        return variance / error**2

    def in_words(self) -> str:
        """Method, effective draws, error, and the variance of a weight; of the middle event, the error as a mean."""
        text = f"{self.method} with {self.samples} draws, effective {float(self.ess.median()):.0f} (median)"
        text += f", mean standard error of an event {float(self.stderr.mean()):.2g}"
        text += f"; relative variance of a weight {float(self.measured.median()):.3g}"
        needed = f"{float(self.draws_for(ERROR).median()):.3g}"
        if self.predicted is not None:
            text += f", of a naive one by the formula {float(self.predicted.median()):.3g}: {needed} naive draws"
            return f"{text} for an error of {ERROR} nats"
        return f"{text}: {needed} draws for an error of {ERROR} nats, as far as these tell"

    def to_json(self) -> Record:
        """What `in_words` says, as JSON; `naive_variance` is None where it has no formula."""
        naive_variance = None if self.predicted is None else float(self.predicted.median())
        return {
            "method": self.method,
            "samples": self.samples,
            "effective": float(self.ess.median()),
            "stderr_of_an_event": float(self.stderr.mean()),
            "relative_variance": float(self.measured.median()),
            "naive_variance": naive_variance,
            f"draws_for_{ERROR}_nats": float(self.draws_for(ERROR).median()),
        }

    def __str__(self) -> str:
        return f"{self.score}; {self.in_words()}"


Weigh = Callable[[Model, Tensor, Tensor | None, int], Tensor]


def naive(model: Model, x: Tensor, context: Tensor | None, samples: int) -> Tensor:
    """log p(x|z), z ~ p(z), (K, B)."""
    z = latents(model, samples, len(x))
    return log_joint_of(model, x, z, context) - log_latent_of(model, z)


def importance(model: Model, x: Tensor, context: Tensor | None, samples: int) -> Tensor:
    """log p(x, z) - log q(z|x), z ~ q(z|x), (K, B)."""
    q = model.posterior(x, context)
    z = q.sample(samples)
    return log_joint_of(model, x, z, context) - q.log_prob(z).double()


def annealed(model: Model, x: Tensor, context: Tensor | None, samples: int) -> Tensor:
    """Log weights of annealed importance sampling, (K, B).

    Raises:
        UsageError: latents that are no real numbers.
    """
    z = latents(model, samples, len(x))
    if not z.is_floating_point() or z.ndim != 3:
        raise UsageError("Expected real latents (q,) for 'ais'; got others. Take 'importance', or the exact score.")

    def log_likelihood(z: Tensor) -> Tensor:
        return log_joint_of(model, x, z, context) - log_latent_of(model, z)

    return annealed_log_weights(
        log_likelihood, lambda z: log_latent_of(model, z), z, TEMPERATURES + FOR_EACH_LATENT * z.shape[2]
    )


METHODS: dict[str, Weigh] = {"naive": naive, "importance": importance, "ais": annealed}


def marginal_likelihood(
    model: Model, data: object, *, method: str = "importance", samples: int = 100, context: object = None, seed: int = 0
) -> MarginalLikelihood:
    """log p(x) of every row by Monte Carlo over the latents.

    Args:
        method: "naive" draws z from p(z); "importance" from q(z|x), and is the K-sample bound; "ais" walks from p(z) to
            p(z|x) (`inference.latent.annealing`), which takes a thousand times as long and needs no good q.
        samples: K, weights for each event.

    Raises:
        UsageError: a model without latents that have a density of their own. UnknownName: no such method.
        NotFinite: missing values, of a model that takes whole events here.

    >>> import torch, loglik
    >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("ppca", loglik.Real((3,)), latents=1)
    >>> history = loglik.fit(model, x)
    >>> found = loglik.marginal_likelihood(model, x, method="naive", samples=2000)
    >>> abs(found.score.nats - loglik.evaluate(model, x).nats) < 0.05
    True
    """
    source = rows_for(model, data, context)
    check_latents(model, f"evidence by {method!r}")
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    K = whole("samples", samples, SAMPLES)
    weigh, digest, parts, moments = METHODS[method], RowDigest(), [], []
    started = time.perf_counter()
    with seeded(whole("seed", seed, SEEDS)), evaluating(model):
        for x, c in source.batches(max(1, WEIGHTS_AT_ONCE // K)):
            digest.update(x, None if model.context is None else c)
            given = None if c is None or model.context is None else c.to(model.device)
            check_whole(model, x.to(model.device), given)
            parts.append(_of_weights(weigh(model, x.to(model.device), given, K).cpu()))
            moments.append(_second_moment(model, x.to(model.device), given))
    log_p, variance, ess = (torch.cat(found) for found in zip(*parts, strict=True))
    known = [moment for moment in moments if moment is not None]
    seconds = time.perf_counter() - started
    score = Score(
        log_p, model.space, max(model.claim, Claim.LOWER_BOUND), K, digest.hexdigest(), seconds,
        groups=source.groups, stream=source.stream,
    )  # fmt: skip
    return MarginalLikelihood(
        method, K, score, log_p, (variance / K).sqrt(), ess, variance,
        torch.cat(known).expm1() if known else None,
    )  # fmt: skip


def _of_weights(log_w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(K, B) -> log of the mean weight, the relative variance of a weight, and the effective number, (B,) each."""
    K, log_p = len(log_w), log_mean_exp(log_w, 0)
    relative = (log_w - log_p).exp()
    variance = relative.var(0) if K > 1 else torch.full_like(log_p, math.inf)
    return log_p, variance, K**2 / relative.square().sum(0)


def _second_moment(model: Model, x: Tensor, context: Tensor | None) -> Tensor | None:
    """D_2(p(z|x) | p(z)), (B,), where p(z|x) is known and has a formula for it."""
    posterior = model.posterior(x, context)
    if not posterior.exact:
        return None
    moment = posterior.log_second_moment(model.log_latent)
    return None if moment is None else moment.double().cpu()
