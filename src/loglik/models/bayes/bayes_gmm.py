"""The variational Bayes mixture: how many components there are is found, not chosen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from loglik.arguments.ranges import Count, Finite, Positive, Spread
from loglik.contract import Claim, EMModel, ExactModel, Model, Stats
from loglik.densities import LOG_2PI
from loglik.errors import EmptyData, NotFinite, UsageError
from loglik.models.bayes.prior import numbers, varying
from loglik.models.bayes.student_t import StudentTs
from loglik.models.latent.gmm.kmeans import lloyd, plus_plus
from loglik.models.latent.posteriors import CategoricalPosterior
from loglik.ops import count, weighted_sum
from loglik.scales import centre_and_scale
from loglik.spaces import Real, Space

LLOYD_STEPS = 10
START_EVENTS = 20_000  # at most so many events are clustered at the start
SEEN = 1.0  # events that a component is expected to have, to count as found


@dataclass(frozen=True, kw_only=True)
class SoftMoments(Stats):
    """Sums over events, weighed by the responsibilities r: counts r (K,), first r y (K, D), second r y y^T (K, D, D).

    entropy sum -r log r ()
    """

    counts: Tensor
    first: Tensor
    second: Tensor
    entropy: Tensor


class BayesMixture(ExactModel, EMModel):
    """x = shift + unit y,  y|k ~ N(mu_k, Lambda_k^-1),  k ~ pi, under q(pi) prod_k q(mu_k, Lambda_k), with

        pi ~ Dirichlet(a_0, ...),   mu_k|Lambda_k ~ N(0, (b_0 Lambda_k)^-1),   Lambda_k ~ Wishart(I, nu_0)
        r_nk ~ exp(E log pi_k + E log N(y_n|mu_k, Lambda_k^-1)),    N_k = sum_n r_nk
        a_k = a_0 + N_k   b_k = b_0 + N_k   nu_k = nu_0 + N_k   m_k = sum_n r_nk y_n / b_k
        S_k = I + sum_n r_nk y_n y_n^T - b_k m_k m_k^T

    Each pass raises the bound of log p(X), sum_n log sum_k exp(...) - KL(q(theta)|p(theta)): its first part stands in
    the statistics for the log-likelihood, its second is `log_prior`. Components that are not needed go back to the
    prior, and their weights to a_0 / (K a_0 + N). `log_prob` is the predictive under q, a mixture of Student-t
    densities: exact as that, while q stands for the posterior. Bishop 2006, section 10.2; Corduneanu & Bishop 2001,
    Variational Bayesian model selection for mixture distributions. float64.
    """

    def __init__(
        self, space: Real, components: int, *, concentration: float, rows: float, freedom: float,
        mean: Sequence[float] | None, scale: Sequence[float] | None,
    ) -> None:  # fmt: skip
        super().__init__(space, dtype=torch.float64)
        dims = space.dims
        self.concentration, self.prior_rows, self.prior_freedom = concentration, rows, freedom
        self.stated_mean, self.stated_scale = mean, scale
        self.register_buffer("shift", numbers("mean", [0.0] if mean is None else mean, dims))
        root = 1.0 if scale is None else math.sqrt(freedom)
        self.register_buffer("unit", root * numbers("scale", [1.0] if scale is None else scale, dims))
        shapes = {"counts": (components,), "first": (components, dims), "second": (components, dims, dims)}
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("entropy", torch.zeros((), dtype=torch.float64))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self._predictive().log_joint(self._units(x, context)).logsumexp(0) - self.unit.log().sum()

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return (self.shift + self.unit * self._predictive().sample(n)).reshape(n, *self.space.shape)

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """What of the prior is not stated, and the clusters of k-means."""
        flat = self.events(x, context).flatten(1)
        if not len(flat):
            raise EmptyData("A mixture needs events to start from; got none.")
        centre, scale = centre_and_scale(flat)
        if not bool(torch.isfinite(centre + scale).all()):
            raise NotFinite("Expected finite values; got NaN or an infinity in the data.")
        if self.stated_mean is None:
            self.shift.copy_(centre)
        if self.stated_scale is None:
            self.unit.copy_(varying(scale))
        some = flat if len(flat) <= START_EVENTS else flat[torch.randperm(len(flat))[:START_EVENTS]]
        y = (some - self.shift) / self.unit
        components = len(self.counts)
        # Of fewer rows than components the others begin empty, as they are to end where they are not needed.
        nearest = lloyd(y, plus_plus(y, min(components, len(y))), LLOYD_STEPS)
        self.maximize(self._moments(y, nn.functional.one_hot(nearest, components).double(), None))

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> SoftMoments:
        y = self._units(x, context)
        log_rho = self._expected_log_joint(y)
        log_likelihood = weighted_sum(log_rho.logsumexp(1) - self.unit.log().sum(), weights)
        return self._moments(y, log_rho.softmax(1), weights, log_likelihood)

    @torch.no_grad()
    def maximize(self, stats: SoftMoments) -> None:
        for name in ("counts", "first", "second", "entropy"):
            getattr(self, name).copy_(getattr(stats, name))

    @property
    def has_prior(self) -> bool:
        return True

    def log_prior(self) -> Tensor:
        """-KL(q(theta)|p(theta)): what the bound pays for what q has learnt, ()."""
        alpha, beta, nu, _, root = self._posterior()
        dims = self.space.dims
        precision = self._expected_log_det(nu, root) - dims * (LOG_2PI + 1.0 / beta)
        scatter = root @ root.mT - torch.eye(dims, dtype=self.dtype, device=self.device)  # S_k - I
        mean = self.first / beta[:, None]
        about = scatter - self.prior_rows * mean[:, :, None] * mean[:, None, :]  # sum_n r_nk (y_n - m_k)(y_n - m_k)^T
        distance = nu * torch.cholesky_solve(about, root).diagonal(dim1=1, dim2=2).sum(1)
        log_pi = alpha.digamma() - alpha.sum().digamma()
        expected: Tensor = self.counts * (log_pi + 0.5 * precision) - 0.5 * distance
        return self._log_normaliser() - expected.sum()

    @property
    def has_evidence(self) -> bool:
        return True

    @property
    def evidence_claim(self) -> Claim:
        """A bound; an estimate where the prior's mean or scale is that of the rows."""
        stated = self.stated_mean is not None and self.stated_scale is not None
        return Claim.LOWER_BOUND if stated else Claim.ESTIMATE

    def log_evidence(self) -> Tensor:
        """The variational bound of log p(X), (), for the responsibilities of the last pass."""
        evidence: Tensor = self._log_normaliser() + self.entropy - self.counts.sum() * self.unit.log().sum()
        return evidence

    @property
    def infers(self) -> bool:
        return True

    def posterior(self, x: Tensor, context: Tensor | None = None) -> CategoricalPosterior:
        """p(k|x) of the component k under the predictive."""
        log_joint = self._predictive().log_joint(self._units(x, context))
        return CategoricalPosterior(log_joint.log_softmax(0).T, exact=True)

    def log_joint(self, x: Tensor, z: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(k, x) under the predictive at the components k = z, (B,)."""
        log_joint = self._predictive().log_joint(self._units(x, context)).T - self.unit.log().sum()
        return log_joint.gather(1, z[:, None])[:, 0]

    @property
    def weights(self) -> Tensor:
        """E pi, (K,)."""
        return (self.concentration + self.counts) / (self.concentration + self.counts).sum()

    @property
    def means(self) -> Tensor:
        """E mu_k in the units of x, (K, *event)."""
        m = self.first / (self.prior_rows + self.counts)[:, None]
        return (self.shift + self.unit * m).reshape(len(m), *self.space.shape)

    @property
    def found(self) -> int:
        """How many components are expected to have more than one event."""
        return int((self.counts > SEEN).sum())

    def conditions(self, observed: Tensor) -> Claim:
        return Claim.EXACT

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        observed = self.masks(observed, x)
        y = self._units(torch.where(observed, x.to(self.device), 0.0), context)
        log_p = self._predictive().log_marginal(y, observed.flatten(1))
        return log_p - torch.where(observed.flatten(1), self.unit.log(), 0.0).sum(1)

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        observed = self.masks(observed, x)
        y = self._units(torch.where(observed, x.to(self.device), 0.0), context)
        drawn = self.shift + self.unit * self._predictive().sample_given(y, observed.flatten(1))
        return torch.where(observed, x.to(drawn), drawn.reshape(x.shape))

    def _units(self, x: Tensor, context: Tensor | None) -> Tensor:
        return (self.events(x, context).flatten(1) - self.shift) / self.unit

    def _moments(
        self, y: Tensor, r: Tensor, weights: Tensor | None, log_likelihood: Tensor | None = None
    ) -> SoftMoments:
        """The sums for responsibilities r (B, K)."""
        entropy = weighted_sum(torch.special.entr(r).sum(1), weights)
        r = r if weights is None else r * weights[:, None]
        return SoftMoments(
            events=count(y, weights), log_likelihood=r.new_zeros(()) if log_likelihood is None else log_likelihood,
            counts=r.sum(0), first=r.T @ y, second=(r.T[:, :, None] * y).mT @ y, entropy=entropy,
        )  # fmt: skip

    def _posterior(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """a_k, b_k, nu_k (K,), m_k (K, D), and the factors of S_k (K, D, D)."""
        beta = self.prior_rows + self.counts
        mean = self.first / beta[:, None]
        identity = torch.eye(self.space.dims, dtype=self.dtype, device=self.device)
        scatter = identity + self.second - beta[:, None, None] * mean[:, :, None] * mean[:, None, :]
        root = torch.linalg.cholesky(0.5 * (scatter + scatter.mT))
        return self.concentration + self.counts, beta, self.prior_freedom + self.counts, mean, root

    def _predictive(self) -> StudentTs:
        alpha, beta, nu, mean, root = self._posterior()
        freedom = nu - self.space.dims + 1.0
        size = ((1.0 + 1.0 / beta) / freedom).sqrt()
        return StudentTs((alpha / alpha.sum()).log(), mean, size[:, None, None] * root, freedom)

    def _expected_log_det(self, nu: Tensor, root: Tensor) -> Tensor:
        """E log|Lambda_k|, (K,)."""
        dims = self.space.dims
        halves = 0.5 * (nu[:, None] - torch.arange(dims, dtype=self.dtype, device=self.device))
        return halves.digamma().sum(1) + dims * math.log(2.0) - 2.0 * root.diagonal(dim1=1, dim2=2).log().sum(1)

    def _expected_log_joint(self, y: Tensor) -> Tensor:
        """(B, D) -> E log pi_k + E log N(y|k), (B, K)."""
        alpha, beta, nu, mean, root = self._posterior()
        eps = torch.linalg.solve_triangular(root, (y - mean[:, None]).mT, upper=False)  # (K, D, B)
        volume = 0.5 * (self._expected_log_det(nu, root) - self.space.dims * (LOG_2PI + 1.0 / beta))
        log_pi = alpha.digamma() - alpha.sum().digamma()
        log_joint: Tensor = (log_pi + volume)[None] - 0.5 * nu * eps.square().sum(1).T
        return log_joint

    def _log_normaliser(self) -> Tensor:
        """log of int p(theta) prod_nk [pi_k N(y_n|k)]^r_nk dtheta, ()."""
        alpha, beta, nu, _, root = self._posterior()
        dims, before = self.space.dims, torch.full_like(alpha, self.concentration)
        log_z = alpha.lgamma().sum() - alpha.sum().lgamma() - before.lgamma().sum() + before.sum().lgamma()
        prior_nu = torch.full_like(nu, self.prior_freedom)
        each = torch.mvlgamma(0.5 * nu, dims) - torch.mvlgamma(0.5 * prior_nu, dims)
        each = each - nu * root.diagonal(dim1=1, dim2=2).log().sum(1) - 0.5 * self.counts * dims * math.log(math.pi)
        each = each + 0.5 * dims * (math.log(self.prior_rows) - beta.log())
        return log_z + each.sum()

    def flaw(self) -> str:
        if not bool((self.unit > 0).all()):
            return "a unit is not above 0"
        return "" if bool((self.counts >= 0).all()) else "the number of events of a component is below 0"

    shift: Tensor
    unit: Tensor
    counts: Tensor
    first: Tensor
    second: Tensor
    entropy: Tensor


def bayes_gmm(
    space: Space, *, components: Count = 10, concentration: Positive | None = None, rows: Positive = 1.0,
    freedom: Positive | None = None, mean: Sequence[Finite] | None = None, scale: Sequence[Spread] | None = None,
) -> Model:  # fmt: skip
    """A mixture of at most `components` Gaussians by variational Bayes; those that are not needed stay empty.

    `concentration` of the weights is 1 / components by default: the smaller, the fewer components. The prior of a
    component is stated in the units of the data: its mean is at `mean`, and worth `rows` rows, its deviations are
    about `scale`, with `freedom` degrees of freedom, by default D. Without `mean` or `scale` the prior follows from the
    training rows, and the bound of log p(X) is an estimate.

    >>> import torch, loglik
    >>> side = 10.0 * (torch.arange(200)[:, None] % 2)
    >>> x = side + torch.randn(200, 1, generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("bayes-gmm", loglik.Real((1,)), components=6, seed=0)
    >>> history = loglik.fit(model, x)
    >>> model.found
    2
    """
    if not isinstance(space, Real):
        raise UsageError(
            f"`bayes-gmm` models Real data; got {space}. Use gmm, or bayes-histogram, for levels and labels."
        )
    freedom = float(space.dims) if freedom is None else freedom
    if not freedom > space.dims - 1:
        raise UsageError(f"Expected freedom > {space.dims - 1}, the dimensions less one; got {freedom:g}. Give more.")
    return BayesMixture(
        space, components, concentration=1.0 / components if concentration is None else concentration, rows=rows,
        freedom=freedom, mean=mean, scale=scale,
    )  # fmt: skip
