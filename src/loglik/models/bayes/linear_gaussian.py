"""The linear Gaussian model under its conjugate prior: of x given a context, and without one of x alone."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.contract import Claim, Stats
from loglik.densities import LOG_2PI
from loglik.models.bayes.conjugate import Conjugate
from loglik.models.bayes.prior import Prior, PriorChoice
from loglik.models.bayes.student_t import StudentTs, stretch, student_t_log_prob
from loglik.ops import count, weighted_sum
from loglik.spaces import Real, Space


@dataclass(frozen=True, kw_only=True)
class Products(Stats):
    """Sums over events of products of the features f (P,) and r = x - W_0^T f (D,), what the prior's mean leaves.

    gram f f^T (P, P)   cross f r^T (P, D)   square r r^T (D, D)
    """

    gram: Tensor
    cross: Tensor
    square: Tensor


class LinearGaussian(Conjugate):
    """x = W^T f + eps,  eps ~ N(0, Sigma),  with P features f = (1, c - centre) of the context c; without one f = 1.

        Sigma ~ inverse Wishart(S_0, nu_0),    W|Sigma ~ matrix normal(W_0, Lambda_0^-1, Sigma)
        Lambda = Lambda_0 + F^T F    W_N = W_0 + Lambda^-1 F^T R    nu = nu_0 + N
        S = S_0 + R^T R - (W_N - W_0)^T Lambda (W_N - W_0)
        p(x|c, X) = t_(nu-D+1)(W_N^T f,  s S / (nu - D + 1)),    s = 1 + f^T Lambda^-1 f
        log p(X) = -ND/2 log pi + log G_D(nu/2) - log G_D(nu_0/2) + nu_0/2 log|S_0| - nu/2 log|S|
                   + D/2 (log|Lambda_0| - log|Lambda|)

    with the rows F (N, P) of the features, R (N, D) of x - W_0^T f, and G_D the multivariate gamma function. For D = 1
    it is the normal-inverse-gamma prior of a = nu_0/2, b = S_0/2. Where Sigma = diag(known^2) is known:

        p(x|c, X) = N(W_N^T f, s Sigma)
        log p(X) = -ND/2 log 2 pi - N/2 log|Sigma| + D/2 (log|Lambda_0| - log|Lambda|) - 1/2 tr Sigma^-1 (S - S_0)

    Minka 2000, Bayesian linear regression; Murphy 2007, Conjugate Bayesian analysis of the Gaussian distribution,
    section 9; Bishop 2006, section 3.3. float64, in the units of the data.
    """

    def __init__(self, space: Real, context: Space | None, choice: PriorChoice) -> None:
        super().__init__(space, context, dtype=torch.float64)
        self.choice = choice
        features = 1 + (0 if context is None else context.width)
        self.prior = Prior(features, space.dims, choice)
        for name, shape in {"gram": (features, features), "cross": (features, space.dims)}.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("square", torch.zeros(space.dims, space.dims, dtype=torch.float64))
        self.register_buffer("rows", torch.zeros((), dtype=torch.float64))
        self.register_buffer("weight", self.prior.weight.clone())
        self.register_buffer("root", self.prior.scatter().sqrt().diag())

    @property
    def evidence_claim(self) -> Claim:
        """An estimate where part of the prior was set from the rows."""
        return Claim.ESTIMATE if self.prior.from_data else Claim.EXACT

    @property
    def remark(self) -> str:
        return self.prior.remark

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        flat = self.events(x, context).flatten(1)
        f = self.features(context, len(flat))
        eps = torch.linalg.solve_triangular(self.root, (flat - f @ self.weight).T, upper=False)  # (D, B)
        spread, dims = self._spread(f) * self._unit(), self.space.dims
        log_root_det = self.root.diagonal().log().sum() + 0.5 * dims * spread.log()
        return student_t_log_prob(eps.square().sum(0) / spread, log_root_det, self.freedom, dims)

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        f = self.features(self.contexts(n, context), n)
        eps = torch.randn(n, self.space.dims, dtype=self.dtype, device=self.device)
        size = (self._spread(f) * self._unit()).sqrt() * stretch(self.freedom.expand(n))
        return (f @ self.weight + size[:, None] * (eps @ self.root.T)).reshape(n, *self.space.shape)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """What of the prior is not given follows from these events."""
        flat = self.events(x, context).flatten(1)
        given = None if context is None or self.context is None else self.context.features(context)
        self.prior.measure(flat, given)
        self.forget()

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Products:
        flat = self.events(x, context).flatten(1)
        f = self.features(context, len(flat))
        left = flat - f @ self.prior.weight
        counted = f if weights is None else f * weights[:, None]
        weighed = left if weights is None else left * weights[:, None]
        return Products(
            events=count(flat, weights), log_likelihood=weighted_sum(self.log_prob(x, context), weights),
            gram=counted.T @ f, cross=counted.T @ left, square=weighed.T @ left,
        )  # fmt: skip

    def forget(self) -> None:
        for sums in (self.gram, self.cross, self.square, self.rows):
            sums.zero_()
        self.weight.copy_(self.prior.weight)
        self.root.copy_(self._known_or(self.prior.scatter().diag()))

    def absorb(self, stats: Products) -> None:
        for sums, more in ((self.gram, stats.gram), (self.cross, stats.cross), (self.square, stats.square)):
            sums.add_(more)
        self.rows.add_(stats.events)
        moved = torch.cholesky_solve(self.cross, self._precision_root())
        self.weight.copy_(self.prior.weight + moved)
        self.root.copy_(self._known_or(self.prior.scatter().diag() + self._left()))

    def log_evidence(self) -> Tensor:
        dims, n = self.space.dims, self.rows
        prior, root = self.prior, self._precision_root()
        log_p = dims * (0.5 * prior.precision.log().sum() - root.diagonal().log().sum())
        if prior.known is not None:
            left = (self._left().diagonal() / prior.known.square()).sum()
            return log_p - 0.5 * n * dims * LOG_2PI - n * prior.known.log().sum() - 0.5 * left
        before, after = torch.full_like(n, prior.freedom), prior.freedom + n
        log_p = log_p + torch.mvlgamma(0.5 * after, dims) - torch.mvlgamma(0.5 * before, dims)
        log_p = log_p + 0.5 * before * prior.scatter().log().sum() - after * self.root.diagonal().log().sum()
        evidence: Tensor = log_p - 0.5 * n * dims * math.log(math.pi)
        return evidence

    def mode(self) -> tuple[Tensor, Tensor]:
        """W (P, D) and Sigma (D, D) of the greatest posterior density, the MAP estimate."""
        scatter = self.root @ self.root.T
        if self.prior.known is not None:
            return self.weight.clone(), scatter
        return self.weight.clone(), scatter / (self.prior.freedom + self.rows + self.space.dims + 1 + len(self.weight))

    def sample_parameters(self, n: int) -> tuple[Tensor, Tensor]:
        """n draws of W (n, P, D) and Sigma (n, D, D) from the posterior.

        Sigma^-1 = L^-T A A^T L^-1 with S = L L^T and Bartlett's factor A of a Wishart matrix (Smith & Hocking 1972).
        """
        dims = self.space.dims
        root = self.root.expand(n, dims, dims)
        if self.prior.known is None:
            normal = torch.randn(n, dims, dims, dtype=self.dtype, device=self.device).tril(-1)
            freedom = self.prior.freedom + self.rows - torch.arange(dims, dtype=self.dtype, device=self.device)
            chi = torch.distributions.Chi2(freedom).sample((n,)).sqrt()
            root = torch.linalg.solve_triangular(normal + torch.diag_embed(chi), root.mT, upper=False).mT
        eps = torch.randn(n, *self.weight.shape, dtype=self.dtype, device=self.device)
        moved = torch.linalg.solve_triangular(self._precision_root().T, eps, upper=True)
        return self.weight + moved @ root.mT, root @ root.mT

    def conditions(self, observed: Tensor) -> Claim:
        return Claim.EXACT

    def log_marginal(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        flat, observed, size = self._centred(x, observed, context)
        log_p, dims = self._centre().log_marginal(flat, observed), observed.sum(1)
        return log_p - dims * size.log()

    def sample_given(self, x: Tensor, observed: Tensor, context: Tensor | None = None) -> Tensor:
        flat, observed, size = self._centred(x, observed, context)
        drawn = self._centre().sample_given(flat, observed) * size[:, None]
        drawn = drawn + self.features(context, len(x)) @ self.weight
        return torch.where(observed, x.to(drawn).flatten(1), drawn).reshape(x.shape)

    def _centred(self, x: Tensor, observed: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """(x - W^T f) / sqrt(s) (B, D), the masks (B, D), and sqrt(s) (B,): one density serves all contexts."""
        observed = self.masks(observed, x)
        flat = self.events(torch.where(observed, x.to(self.device), 0.0), context).flatten(1)
        f = self.features(context, len(flat))
        size = self._spread(f).sqrt()
        return (flat - f @ self.weight) / size[:, None], observed.flatten(1), size

    def _centre(self) -> StudentTs:
        root = self.root * self._unit().sqrt()
        return StudentTs(root.new_zeros(1), torch.zeros_like(root[:1]), root[None], self.freedom[None])

    @property
    def freedom(self) -> Tensor:
        """Degrees of freedom of the predictive, (): nu - D + 1, infinite where Sigma is known."""
        if self.prior.known is not None:
            return torch.full_like(self.rows, math.inf)
        return self.prior.freedom + self.rows - self.space.dims + 1.0

    def features(self, context: Tensor | None, rows: int) -> Tensor:
        """(B, *c) -> f (B, P)."""
        one = torch.ones(rows, 1, dtype=self.dtype, device=self.device)
        if context is None or self.context is None:
            return one
        return torch.cat([one, self.context.features(context).to(self.device) - self.prior.centre], dim=1)

    def _spread(self, f: Tensor) -> Tensor:
        """s = 1 + f^T Lambda^-1 f, (B,)."""
        whitened: Tensor = torch.linalg.solve_triangular(self._precision_root(), f.T, upper=False)
        return 1.0 + whitened.square().sum(0)

    def _unit(self) -> Tensor:
        """The square of the predictive's scale in units of L, but for s: 1 / (nu - D + 1), or 1, ()."""
        return torch.ones_like(self.rows) if self.prior.known is not None else 1.0 / self.freedom

    def _precision_root(self) -> Tensor:
        """The factor of Lambda, (P, P)."""
        root: Tensor = torch.linalg.cholesky(self.gram + self.prior.precision.diag())
        return root

    def _left(self) -> Tensor:
        """S - S_0, (D, D)."""
        moved = torch.linalg.solve_triangular(self._precision_root(), self.cross, upper=False)
        left: Tensor = self.square - moved.T @ moved
        return 0.5 * (left + left.T)

    def _known_or(self, scatter: Tensor) -> Tensor:
        """The root of Sigma where it is known, else that of S."""
        known = self.prior.known
        root: Tensor = torch.linalg.cholesky(scatter) if known is None else known.diag()
        return root

    def flaw(self) -> str:
        """The volume is read off the diagonal, and what was seen has weights above 0."""
        upright = bool((self.root.tril() == self.root).all()) and bool((self.root.diagonal() > 0).all())
        if not upright:
            return "the factor of the scatter is not lower triangular with a positive diagonal"
        return "" if float(self.rows) >= 0 else "the number of events seen is below 0"

    gram: Tensor
    cross: Tensor
    square: Tensor
    rows: Tensor
    weight: Tensor
    root: Tensor
