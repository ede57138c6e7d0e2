"""The variational decomposition of log p(x), for any q(z).

    log p(x) = E_q log p(x|z) - KL(q(z) | p(z)) + KL(q(z) | p(z|x))

The first two terms are the ELBO. Bishop 2006, equations (9.70) to (9.72). At fixed parameters the q of the highest ELBO
is that of the smallest KL to the posterior; over the parameters too it is not, for log p(x) moves with them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.arguments.ranges import SAMPLES, SEEDS, shown, whole
from loglik.contract import Claim, Model, Posterior
from loglik.errors import ShapeMismatch, UsageError
from loglik.inference.evaluate import evaluating
from loglik.inference.latent.joint import check_latents, check_whole, log_joint_of, log_latent_of
from loglik.inference.randomness import seeded
from loglik.ops import log_mean_exp


@dataclass(frozen=True)
class Term:
    """One term for every event: its value and its standard error, (B,), nats; an error of 0 is no estimate."""

    value: Tensor
    stderr: Tensor

    def __str__(self) -> str:
        mean, error = float(self.value.mean()), float(self.stderr.square().mean().sqrt() / len(self.value) ** 0.5)
        return f"{mean:.4f}" + (f" +- {error:.2g}" if error else "")


@dataclass(frozen=True)
class Decomposition:
    """log p(x) = reconstruction - kl_prior + kl_posterior, event by event, in nats; `elbo` is the first two.

    `exact`: all terms are sums or closed forms. Otherwise they are means over draws of q, with standard errors; then
    log p(x) is the model's own where that is exact, and else a K-sample bound, which makes kl_posterior too small.
    """

    reconstruction: Term
    kl_prior: Term
    kl_posterior: Term
    log_p: Term
    exact: bool

    @property
    def elbo(self) -> Tensor:
        """(B,)"""
        return self.reconstruction.value - self.kl_prior.value

    def __str__(self) -> str:
        how = "exact" if self.exact else "estimated"
        return (
            f"log p(x) {self.log_p} = E_q log p(x|z) {self.reconstruction} - KL(q|p(z)) {self.kl_prior} "
            f"+ KL(q|p(z|x)) {self.kl_posterior} nats per event, mean of {len(self.elbo)} ({how})"
        )


def decompose(
    model: Model, x: Tensor, q: Posterior | None = None, context: Tensor | None = None, *, samples: int = 256,
    seed: int = 0,
) -> Decomposition:  # fmt: skip
    """The terms of log p(x) under q, by default the model's own posterior(x).

    Exact for discrete latents under any q, and for latents in which log p(x, z) is quadratic (ppca, factor-analysis)
    under any normal q; else from `samples` draws of q.

    Raises:
        UsageError: a model without latents that have a density of their own; q that is no posterior.
        ShapeMismatch: q of other latents, or of other events.
        NotFinite: missing values, of a model that takes whole events here.

    >>> import torch, loglik
    >>> x = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("gmm", loglik.Real((2,)), components=2, seed=0)
    >>> history = loglik.fit(model, x)
    >>> parts = loglik.decompose(model, x)
    >>> parts.exact, bool((parts.kl_posterior.value.abs() < 1e-12).all())  # q is p(z|x) itself
    (True, True)
    """
    check_latents(model, "the terms of log p(x)")
    with seeded(whole("seed", seed, SEEDS)), evaluating(model):
        check_whole(model, x, context)
        own = model.posterior(x, context)
        q = own if q is None else _checked(q, own, seed)
        support, points = q.support, q.points() if own.exact and own.points() is not None else None
        if support is not None:
            return _summed(model, x, q, own, context)
        if points is not None:
            return _quadratic(model, x, q, own, context)
        return _drawn(model, x, q, context, whole("samples", samples, SAMPLES))


def _checked(q: object, own: Posterior, seed: int) -> Posterior:
    """q, which draws what the model's own posterior draws."""
    if not isinstance(q, Posterior):
        raise UsageError(f"Expected a posterior for q, such as model.posterior(x); got {shown(q)}. Give one.")
    with seeded(seed):  # apart, so that the terms come from the same draws as without this check
        z, wanted = q.sample(1), own.sample(1)
    if z.shape != wanted.shape or z.is_floating_point() != wanted.is_floating_point() or _count(q) != _count(own):
        raise ShapeMismatch(
            f"Expected q of the latents of these {wanted.shape[1]} events, {_latents(wanted, own)}; got q of "
            f"{z.shape[1]} events, {_latents(z, q)}. Take q = model.posterior(x) of the same model and x."
        )
    return q


def _count(q: Posterior) -> int | None:
    return None if q.support is None else len(q.support)


def _latents(z: Tensor, q: Posterior) -> str:
    return f"real {tuple(z.shape[2:])}" if z.is_floating_point() else f"one of {_count(q)} values"


def _summed(model: Model, x: Tensor, q: Posterior, own: Posterior, context: Tensor | None) -> Decomposition:
    """Over all values of z."""
    assert q.support is not None
    z = q.support[:, None].expand(-1, len(x), *q.support.shape[1:])
    log_q, log_p_z = q.log_prob(z).double(), log_latent_of(model, z)
    log_p_xz = log_joint_of(model, x, z, context)
    weight = log_q.exp()

    def mean(values: Tensor) -> Tensor:
        return torch.where(weight > 0, weight * values, 0.0).sum(0)

    log_posterior = own.log_prob(z).double() if own.exact else log_p_xz - log_p_xz.logsumexp(0)
    return _without_error(
        mean(log_p_xz - log_p_z), mean(log_q - log_p_z), mean(log_q - log_posterior), log_p_xz.logsumexp(0)
    )


def _quadratic(model: Model, x: Tensor, q: Posterior, own: Posterior, context: Tensor | None) -> Decomposition:
    """By points over which means of quadratic functions are exact; the log of a normal density is one."""
    found = q.points()
    assert found is not None
    z, weight = found
    log_q, log_p_z = q.log_prob(z).double(), log_latent_of(model, z)
    log_p_xz = log_joint_of(model, x, z, context)

    def mean(values: Tensor) -> Tensor:
        return (weight.double()[:, None] * values).sum(0)

    kl_posterior = mean(log_q - own.log_prob(z).double())
    return _without_error(
        mean(log_p_xz - log_p_z), mean(log_q - log_p_z), kl_posterior, model.log_likelihood(x, context).double()
    )


def _drawn(model: Model, x: Tensor, q: Posterior, context: Tensor | None, samples: int) -> Decomposition:
    """Means over draws of q."""
    z = q.sample(samples)
    log_q, log_p_z = q.log_prob(z).double(), log_latent_of(model, z)
    log_p_xz = log_joint_of(model, x, z, context)

    def mean(values: Tensor) -> Term:
        return Term(values.mean(0), values.std(0) / samples**0.5 if samples > 1 else values[0] * torch.inf)

    closed = q.divergence(model.log_latent)
    kl_prior = mean(log_q - log_p_z) if closed is None else Term(closed.double(), torch.zeros_like(log_p_xz[0]))
    log_w = log_p_xz - log_q
    if model.claim is Claim.EXACT:
        log_p = Term(model.log_likelihood(x, context).double(), torch.zeros_like(log_w[0]))
    else:
        value = log_mean_exp(log_w, 0)
        log_p = Term(value, (log_w - value).exp().std(0) / samples**0.5)
    reconstruction = mean(log_p_xz - log_p_z)
    gap = log_p.value - (reconstruction.value - kl_prior.value)
    kl_posterior = Term(gap, (mean(log_w).stderr.square() + log_p.stderr.square()).sqrt())
    return Decomposition(reconstruction, kl_prior, kl_posterior, log_p, exact=False)


def _without_error(reconstruction: Tensor, kl_prior: Tensor, kl_posterior: Tensor, log_p: Tensor) -> Decomposition:
    def term(value: Tensor) -> Term:
        return Term(value, torch.zeros_like(value))

    return Decomposition(term(reconstruction), term(kl_prior), term(kl_posterior), term(log_p), exact=True)
