"""Probabilistic principal component analysis.   Tipping & Bishop 1999, J. R. Statist. Soc. B 61, 611-622."""

from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.arguments.ranges import Count, Share
from loglik.contract import EMModel, FittedBy, Model, Stats
from loglik.densities import LOG_2PI, normal_log_prob
from loglik.errors import UsageError
from loglik.models.dequantized import density_space
from loglik.models.flows.gaussianized import gaussianized
from loglik.models.latent.directions import likeliest
from loglik.models.latent.posteriors import NormalPosterior
from loglik.models.latent.standard_latents import StandardLatents
from loglik.models.normals import MixtureOfNormals, Normals
from loglik.models.standardized import standardized
from loglik.moments import DECISIVE, FewRows, Moments
from loglik.ops import has_gaps, sum_event, weighted_sum
from loglik.spaces import Real, Space


@dataclass(frozen=True, kw_only=True)
class LatentMoments(Stats):
    """Expected sums over events of x - shift and of z1 = (z, 1), under q(z) = p(z|x).

    x_z1 sum (x - shift) z1^T (D, q+1)   z1_z1 sum E z1 z1^T (q+1, q+1)   square sum |x - shift|^2 ()
    """

    x_z1: Tensor
    z1_z1: Tensor
    square: Tensor


class ProbabilisticPCA(MixtureOfNormals, StandardLatents, EMModel):
    """x = W z + mu + eps,  z ~ N(0, I_q),  eps ~ N(0, sigma^2 I_D);  so p(x) = N(mu, W W^T + sigma^2 I).

        p(z|x) = N(M^-1 W^T (x - mu), sigma^2 M^-1),   M = W^T W + sigma^2 I_q
        log|C| = log|M| + (D - q) log sigma^2,          |x - mu|^2_C^-1 = (|x - mu|^2 - |L^-1 W^T (x - mu)|^2) / sigma^2

    with M = L L^T: nothing larger than q x q is ever factored. Two ways to the same maximum of the likelihood: the
    closed form from the eigenvectors of the covariance, or of the n x n products of n < D events, and EM, which needs
    no D x D matrix. Where values are missing, EM expects the moments of whole events and takes the closed form of them.
    float64 throughout.

    With `spare`, the closed form takes at most half of the n - 1 directions that n events span: sigma^2 is the mean of
    the others, and where none are left it says nothing of new events. With `evidence`, it takes as many as have the
    highest evidence (see `directions`). The rest of W is then 0.
    """

    def __init__(
        self, space: Real, latents: int, *, em: bool, floor: float, spare: bool = False, evidence: bool = False
    ) -> None:
        super().__init__(space, dtype=torch.float64)
        self.em, self.floor, self.spare, self.evidence = em, floor, spare, evidence
        dims = space.dims
        self.register_buffer("mean", torch.zeros(dims, dtype=torch.float64))
        self.register_buffer("weight", torch.eye(dims, latents, dtype=torch.float64))
        self.register_buffer("variance", torch.ones((), dtype=torch.float64))
        self.register_buffer("shift", torch.zeros(dims, dtype=torch.float64))

    @property
    def fitted_by(self) -> FittedBy:
        return FittedBy.EM if self.em else FittedBy.CLOSED_FORM

    @property
    def learns_gaps(self) -> bool:
        return True

    @property
    def remark(self) -> str:
        """Where the floor decides the density."""
        if float(self.variance) > DECISIVE * self.floor * float(self._total_variance()):
            return ""
        return (
            f"The latents leave a variance of {float(self.variance):.1g} in all other directions. The density there "
            "follows from the floor, not from the data; give more rows, or take fewer latents."
        )

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        centred = self.events(x, context).flatten(1) - self.mean
        root = torch.linalg.cholesky(self._m())
        whitened: Tensor = torch.linalg.solve_triangular(root, (centred @ self.weight).T, upper=False)  # (q, B)
        explained = whitened.square().sum(0)
        distance = (centred.square().sum(1) - explained) / self.variance
        dims, latents = self.weight.shape
        log_det = 2.0 * root.diagonal().log().sum() + (dims - latents) * self.variance.log()
        log_prob: Tensor = -0.5 * (dims * LOG_2PI + log_det + distance)
        return log_prob

    @property
    def latent_dims(self) -> int:
        return self.weight.shape[1]

    def posterior(self, x: Tensor, context: Tensor | None = None) -> NormalPosterior:
        """p(z|x) = N(M^-1 W^T (x - mu), sigma^2 M^-1)."""
        centred = self.events(x, context).flatten(1) - self.mean
        root = torch.linalg.cholesky(self._m())
        mean = torch.cholesky_solve((centred @ self.weight).T, root).T
        covariance = self.variance * torch.cholesky_inverse(root)
        return NormalPosterior(mean, torch.linalg.cholesky(covariance)[None], exact=True)

    @property
    def infers(self) -> bool:
        return True

    def log_joint(self, x: Tensor, z: Tensor, context: Tensor | None = None) -> Tensor:
        """log N(x|W z + mu, sigma^2 I) + log N(z|0, I)."""
        flat = self.events(x, context).flatten(1)
        log_p = normal_log_prob(flat, z @ self.weight.T + self.mean, 0.5 * self.variance.log())
        return sum_event(log_p) + self.log_latent(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        """W E[z|x] + mu, (B, *event): what the latents explain of the events."""
        return (self.posterior(x).mean @ self.weight.T + self.mean).reshape(-1, *self.space.shape)

    @property
    def directions(self) -> int:
        """How many columns of W are not 0."""
        return int((self.weight != 0).any(0).sum())

    def normals(self) -> Normals:
        noise = self.variance * torch.eye(len(self.mean), dtype=self.dtype, device=self.device)
        return Normals(self.mean.new_zeros(1), self.mean[None], (self.weight @ self.weight.T + noise)[None])

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        dims, latents = self.weight.shape
        z = torch.randn(n, latents, dtype=self.dtype, device=self.device)
        eps = torch.randn(n, dims, dtype=self.dtype, device=self.device)
        return (z @ self.weight.T + self.mean + self.variance.sqrt() * eps).reshape(n, *self.space.shape)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        flat = self.events(x, context).flatten(1)
        mean = flat.nanmean(0) if has_gaps(flat) else flat.mean(0)
        variance = torch.where(flat.isnan(), mean, flat).var(0, correction=0).mean()
        scale = torch.where(variance > 0, variance, torch.ones_like(variance))
        self.shift.copy_(mean)
        self.mean.copy_(self.shift)
        self.variance.copy_(scale)
        self.weight.copy_(torch.randn_like(self.weight) * scale.sqrt())

    def expect(
        self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None
    ) -> Moments | FewRows | LatentMoments:
        flat = self.events(x, context).flatten(1)
        if has_gaps(flat):
            return Moments.expected(flat, self.shift, self.mean, self.normals().covariances[0], weights)
        log_likelihood = weighted_sum(self.log_prob(x, context), weights)
        if not self.em:
            if weights is None and FewRows.suit(*flat.shape):
                return FewRows.of(flat, self.shift, log_likelihood)
            return Moments.of(flat, self.shift, log_likelihood, weights)
        q = self.posterior(x)
        z1 = torch.cat([q.mean, torch.ones_like(q.mean[:, :1])], dim=1)
        counted = z1 if weights is None else z1 * weights[:, None]
        z1_z1 = counted.T @ z1
        z1_z1[:-1, :-1] += z1_z1[-1, -1] * q.covariance[0]
        centred = flat - self.shift
        return LatentMoments(
            events=z1_z1[-1, -1], log_likelihood=log_likelihood,
            x_z1=centred.T @ counted, z1_z1=z1_z1, square=weighted_sum(centred.square().sum(1), weights),
        )  # fmt: skip

    def maximize(self, stats: Moments | FewRows | LatentMoments) -> None:
        if isinstance(stats, LatentMoments):
            self._maximize_expected(stats)
        else:  # of whole events, or as expected of them: then their best parameters are a step of EM
            self._maximize_in_closed_form(stats)

    def _maximize_in_closed_form(self, stats: Moments | FewRows) -> None:
        """W = U_q (Lambda_q - sigma^2 I)^1/2,  sigma^2 = mean of the D - q smallest eigenvalues.

        The floor is isotropic, as the noise is: it is added to every eigenvalue.
        """
        dims, latents = self.weight.shape
        mean, values, vectors = stats.principal()  # the largest last; those left out are 0
        total = values.sum()
        floor = self.floor * (total / dims if float(total) > 0.0 else torch.ones_like(total))
        kept = min(latents, len(values))
        if self.spare:
            kept = min(kept, max(1, (int(stats.events) - 1) // 2))
        if self.evidence:
            kept = min(kept, likeliest(values, float(stats.events), dims))
        variance = (values[: len(values) - kept].sum() / (dims - kept)).clamp(min=0.0) + floor
        stretch = (values[-kept:] + floor - variance).clamp(min=0.0).sqrt()
        self.mean.copy_(mean)
        self.variance.copy_(variance)
        self.weight.zero_()
        self.weight[:, latents - kept :] = vectors[:, -kept:] * stretch

    def _maximize_expected(self, stats: LatentMoments) -> None:
        """(W, mu) = sum x z1^T [sum z1 z1^T]^-1, a regression on the expected latents; sigma^2 the mean residual."""
        dims = len(self.mean)
        solution = torch.linalg.solve(stats.z1_z1, stats.x_z1.T).T  # (D, q+1)
        residual = stats.square - (solution * stats.x_z1).sum()
        self.weight.copy_(solution[:, :-1])
        self.mean.copy_(self.shift + solution[:, -1])
        least = self.floor * (stats.square / (dims * stats.events))
        variance = torch.maximum(residual / (dims * stats.events), least)
        self.variance.copy_(torch.where(variance > 0, variance, torch.full_like(variance, self.floor or 1e-12)))

    def _total_variance(self) -> Tensor:
        """The mean variance of a value, ()."""
        return self.weight.square().sum() / len(self.weight) + self.variance

    def _m(self) -> Tensor:
        """M = W^T W + sigma^2 I, (q, q)."""
        identity = torch.eye(self.weight.shape[1], dtype=self.dtype, device=self.device)
        return self.weight.T @ self.weight + self.variance * identity

    def flaw(self) -> str:
        return "" if float(self.variance) > 0 else "the variance is not above 0"

    mean: Tensor
    weight: Tensor
    variance: Tensor
    shift: Tensor


def ppca(
    space: Space, *, latents: Count | None = None, em: bool = False, standardize: bool = True, floor: Share = 1e-6,
    evidence: bool = False,
) -> Model:  # fmt: skip
    """Probabilistic PCA with `latents` < D directions; `em` fits by EM, else in closed form.

    `latents` defaults to twice sqrt(D), rounded first, and at most D - 1; of few rows the closed form then takes
    no more directions than half of those that the rows span. With `evidence` the closed form takes as many as the data
    speak for, by Minka's evidence, and `latents` is the most, by default D - 1.

    The model has one noise variance for all columns. So reals are standardised column by column first, and their units
    do not matter; with `standardize=False` it is the textbook's, for columns in one unit. Integer data are seen through
    Gaussianised marginals. `floor` is a share of the data's variance.

    >>> import torch, loglik
    >>> z = torch.randn(200, 1, generator=torch.Generator().manual_seed(0))
    >>> x = torch.cat([z, 2 * z], 1) + 0.1 * torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
    >>> model = loglik.build("ppca", loglik.Real((2,)), latents=1)
    >>> history = loglik.fit(model, x)
    >>> history.method, str(loglik.evaluate(model, x).claim)
    ('closed form', 'exact')
    """
    real = density_space(space, "ppca")
    if real.dims < 2:
        raise UsageError(f"`ppca` needs at least 2 dimensions, so that latents < D; got {space}. Use gaussian.")
    if em and evidence:
        raise UsageError(
            "Expected either em or evidence; got both. The evidence is one of the closed form: leave em out."
        )
    spare = latents is None
    if latents is None:
        latents = real.dims - 1 if evidence else min(round(real.dims**0.5) * 2, real.dims - 1)
    if not 1 <= latents < real.dims:
        raise UsageError(f"Expected 1 <= latents < {real.dims}, the dimensions of the data; got {latents}.")
    density = ProbabilisticPCA(real, latents, em=em, floor=floor, spare=spare, evidence=evidence)
    if space.limits is not None:
        return gaussianized(space, density)
    return standardized(density) if standardize else density
