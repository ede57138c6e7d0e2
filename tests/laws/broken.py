"""Models that are wrong in one way each, most of them after published code; the laws must find them out."""

import dataclasses

import torch
from torch import Tensor, nn

from loglik.contract import Claim, ExactModel, FittedBy, Model
from loglik.densities import StandardNormal, normal_log_prob
from loglik.models.baselines.gaussian import Gaussian
from loglik.models.baselines.histogram import Counts, Histogram
from loglik.models.bayes.linear_gaussian import LinearGaussian
from loglik.models.latent.posteriors import NormalPosterior
from loglik.models.latent.ppca import LatentMoments, ProbabilisticPCA
from loglik.moments import Moments
from loglik.ops import sum_event
from loglik.spaces import Real, Space

PLANE = Real((2,))


# Inputs, batches, states.


class Shape(StandardNormal):
    """log_prob for each value, not for each event."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return normal_log_prob(self.events(x, context))


class Unbounded(StandardNormal):
    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_prob(x, context) + torch.log((self.events(x, context)[:, 0] > 0).to(x.dtype))


class OffTheGrid(Histogram):
    """Samples that are not rounded (PixelCNN++'s own code), so not in the space."""

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return super().sample(n, context) + 0.3


class Transposed(StandardNormal):
    """Samples and contexts in the wrong axes (nflows with batch_size and context)."""

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return super().sample(n, context).T


class InPlace(StandardNormal):
    """Standardises the caller's own tensor (normflows' Shift)."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        x -= 0.5
        return super().log_prob(x)


class Counting(StandardNormal):
    """Scoring changes a buffer."""

    def __init__(self, space: Real) -> None:
        super().__init__(space)
        self.register_buffer("calls", torch.zeros(()))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        self.calls += 1
        return super().log_prob(x, context)


class BatchNormed(ExactModel):
    """Batch normalisation, whose log-determinant in training depends on the whole batch."""

    def __init__(self) -> None:
        super().__init__(PLANE)
        self.norm = nn.BatchNorm1d(2, affine=False)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        variance = x.var(0, correction=0) if self.training else self.norm.running_var
        assert variance is not None
        return sum_event(normal_log_prob(self.norm(x))) - 0.5 * (variance + self.norm.eps).log().sum()

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        assert self.norm.running_mean is not None
        assert self.norm.running_var is not None
        z = torch.randn(n, 2, dtype=self.dtype)
        return z * (self.norm.running_var + self.norm.eps).sqrt() + self.norm.running_mean


class Whitened(StandardNormal):
    """Scores an event relative to the batch that it happens to be in, also in evaluation."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_prob(x - x.mean(0), context)


class Remembering(StandardNormal):
    """Keeps its scale in an attribute, so a reloaded model has lost it (ikostrikov's ActNorm.initialized)."""

    scale = 1.0

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.scale = float(x.std())

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_prob(x / self.scale, context) - 2.0 * float(torch.tensor(self.scale).log())

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return super().sample(n, context) * self.scale


class Detached(ExactModel):
    """A parameter that no gradient reaches."""

    def __init__(self) -> None:
        super().__init__(PLANE)
        self.shift = nn.Parameter(torch.zeros(2))
        self.log_scale = nn.Parameter(torch.zeros(2))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return sum_event(normal_log_prob(self.events(x, context), self.shift, self.log_scale.detach()))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return self.shift + self.log_scale.exp() * torch.randn(n, 2, dtype=self.dtype)


class ContextIgnored(ExactModel):
    """Takes a context and does nothing with it."""

    def __init__(self, context: Space) -> None:
        super().__init__(PLANE, context)
        self.shift = nn.Parameter(torch.zeros(2))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return sum_event(normal_log_prob(self.events(x, context), self.shift))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return self.shift + torch.randn(n, 2, dtype=self.dtype)


class ContextSwallowed(StandardNormal):
    """Takes no context, and accepts one without a word."""

    def log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.log_prob(x)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return super().sample(n)


# Mass and claims.


class Unnormalised(Histogram):
    """Counts for probabilities."""

    def maximize(self, stats: Counts) -> None:
        self.theta.copy_((stats.table + 0.1) / stats.events)


class BoundSoldAsExact(ExactModel):
    """A one-sample ELBO returned as log_prob (survae, zuko's CNF(exact=False))."""

    def __init__(self, inner: Model) -> None:
        super().__init__(inner.space)
        self.inner = inner

    @property
    def claim(self) -> Claim:
        return Claim.EXACT

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.inner.log_likelihood(self.events(x, context))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return self.inner.sample(n)


class MeanSoldAsExact(BoundSoldAsExact):
    """The same bound with its noise frozen: deterministic, and still no probability."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        with torch.random.fork_rng(devices=()):
            rows = []
            for row in x:
                torch.default_generator.manual_seed(0)
                rows.append(self.inner.log_likelihood(row[None].expand(16, *row.shape)).mean())
        return torch.stack(rows)


class JointOfAnother(ProbabilisticPCA):
    """p(x, z) without the density of z."""

    def log_joint(self, x: Tensor, z: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_joint(x, z, context) - sum_event(normal_log_prob(z))


# Values that are left out.


class ReadsTheRest(Gaussian):
    """The marginal of all but the last value is taken for the density of all, whatever stands there."""

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        return self.log_prob(x, context)


class CountsTheMissing(Histogram):
    """A missing value takes part as if it were a level of its own."""

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_marginal(x, observed) + 0.1 * (~observed).flatten(1).sum(1) - 0.1 * observed[0].numel()


class ProbabilitiesOfTheRest(Histogram):
    """Half a nat too much for every value that is left out, but for all of them together."""

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        missing = (~observed).flatten(1).sum(1) % observed[0].numel()
        return super().log_marginal(x, observed) + 0.5 * missing


class DrawsOfTheMargins(Gaussian):
    """What is missing is drawn from its marginal, not given the observed values."""

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        return torch.where(observed, x.to(self.dtype), self.sample(len(x), context))


class Redraws(Gaussian):
    """Draws whole events, observed values too."""

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        return self.sample(len(x), context)


# EM.


class HalfStep(ProbabilisticPCA):
    """The new variance from the old W, and without the posterior's own spread."""

    def maximize(self, stats: Moments | LatentMoments) -> None:
        super().maximize(stats)
        self.variance.mul_(0.5)


class Averaged(Gaussian):
    """Statistics that average where they should add, so that a short batch weighs as much as a full one."""

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Moments:
        stats = super().expect(x, context, weights=weights)
        n = stats.events
        return dataclasses.replace(
            stats, events=n / n, first=stats.first / n, second=stats.second / n, log_likelihood=stats.log_likelihood / n
        )


class LikelihoodOfAnother(Gaussian):
    """The statistics report the likelihood without the constant."""

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Moments:
        stats = super().expect(x, context, weights=weights)
        return dataclasses.replace(stats, log_likelihood=stats.log_likelihood + 1.8379 * stats.events)


class Unweighted(Gaussian):
    """The weights of events are forgotten."""

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Moments:
        return super().expect(x, context)


class MeansFilledIn(Gaussian):
    """Missing values are read as the mean: the scores of EM are not those of what was observed."""

    @property
    def learns_gaps(self) -> bool:
        return True

    @property
    def fitted_by(self) -> FittedBy:
        return FittedBy.EM

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        self.mean.copy_(x.nanmean(0))

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Moments:
        return super().expect(torch.where(x.isnan(), self.mean, x), context, weights=weights)


class WholeRowsOnly(Gaussian):
    """Events with missing values are scored, and left out of what is learnt (listwise deletion)."""

    @property
    def fitted_by(self) -> FittedBy:
        return FittedBy.EM

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Moments:
        stats = super().expect(x, context)
        whole = ~x.isnan().any(1)
        if bool(whole.all()):
            return stats
        kept = super().expect(x[whole])
        share = stats.events / kept.events
        return dataclasses.replace(stats, first=share * kept.first, second=share * kept.second)


class WiderPosterior(ProbabilisticPCA):
    """The posterior of the slides, whose covariance is sigma^2 M: it does not even shrink as data say more."""

    def posterior(self, x: Tensor, context: Tensor | None = None) -> NormalPosterior:
        right = super().posterior(x, context)
        return NormalPosterior(right.mean, torch.linalg.cholesky(self.variance * self._m())[None], exact=True)


# Samplers.


class LogisticBase(StandardNormal):
    """NICE trained with a logistic base and sampled from a normal one (pytorch-generative says so in a comment)."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context)
        return sum_event(-x - 2.0 * nn.functional.softplus(-x))


class WithoutConstants(LinearGaussian):
    """The evidence without the gamma functions: a constant for the parameters, but not for the number of events."""

    def log_evidence(self) -> Tensor:
        gammas = torch.mvlgamma(0.5 * (self.prior.freedom + self.rows), self.space.dims)
        return super().log_evidence() - gammas
