"""Factor analysis.   Rubin & Thayer 1982, EM algorithms for ML factor analysis, Psychometrika 47, 69-76."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from loglik.arguments.ranges import Count, Share
from loglik.contract import EMModel, FittedBy, Model
from loglik.densities import LOG_2PI, normal_log_prob
from loglik.errors import UsageError
from loglik.models.dequantized import density_space
from loglik.models.flows.gaussianized import gaussianized
from loglik.models.latent.factor_analysis.profile import Profile, best_noise
from loglik.models.latent.posteriors import NormalPosterior
from loglik.models.latent.standard_latents import StandardLatents
from loglik.models.normals import MixtureOfNormals, Normals
from loglik.moments import DECISIVE, Moments
from loglik.ops import has_gaps, sum_event
from loglik.spaces import Real, Space

START_ROWS = 4096  # tell how large the noise of a column may be


class FactorAnalysis(MixtureOfNormals, StandardLatents, EMModel):
    """x = W z + mu + eps,  z ~ N(0, I_q),  eps ~ N(0, Psi), Psi diagonal;  so p(x) = N(mu, C), C = W W^T + Psi.

        p(z|x) = N(M^-1 W^T Psi^-1 (x - mu), M^-1),   M = I + W^T Psi^-1 W
        log|C| = log|M| + log|Psi|,   |x - mu|^2_C^-1 = |x - mu|^2_Psi^-1 - |L^-1 W^T Psi^-1 (x - mu)|^2,   M = L L^T

    Each column has a noise of its own, so units do not matter. The covariance S of the events is all that the fit needs
    to know, so one pass over them is enough; then two steps follow each other until the likelihood stands still:

        W   <- Psi^1/2 U_q (Lambda_q - I)^1/2   of the eigenvectors and values of Psi^-1/2 S Psi^-1/2, the best W
        Psi <- diag(S - W W^T), the step of EM at that W, raised to `floor` times diag(S)

    (Joereskog 1967, Psychometrika 32, 443-482), and Newton's step of log Psi where it climbs (`Profile`). Where values
    are missing, EM expects the covariance of whole events. float64 throughout.
    """

    def __init__(self, space: Real, latents: int, *, floor: float) -> None:
        super().__init__(space, dtype=torch.float64)
        self.floor = floor
        self.register_buffer("mean", torch.zeros(space.dims, dtype=torch.float64))
        self.register_buffer("weight", torch.zeros(space.dims, latents, dtype=torch.float64))
        self.register_buffer("noise", torch.ones(space.dims, dtype=torch.float64))

    @property
    def fitted_by(self) -> FittedBy:
        return FittedBy.CLOSED_FORM

    @property
    def learns_gaps(self) -> bool:
        return True

    @property
    def remark(self) -> str:
        """Where the floor decides the density, and where there are more factors than can be told apart."""
        dims, latents = self.weight.shape
        covariance = self.normals().covariances[0]
        left = 1.0 / (torch.cholesky_inverse(torch.linalg.cholesky(covariance)).diagonal() * covariance.diagonal())
        place = int(left.argmin())
        if float(left[place]) < DECISIVE * self.floor:
            return (
                f"The other columns determine column {place + 1} but for {float(left[place]):.1g} of its variance, of "
                f"which the floor is {self.floor:.1g}. The density there follows from the floor, not from the data; "
                "give more rows, or leave columns out."
            )
        if latents > most_latents(dims):
            return f"{latents} factors of {dims} columns are more than a covariance can tell apart; take fewer latents."
        return ""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        centred = self.events(x, context).flatten(1) - self.mean
        root, scaled = self._root(), self.weight / self.noise[:, None]
        explained: Tensor = torch.linalg.solve_triangular(root, (centred @ scaled).T, upper=False)
        distance = (centred.square() / self.noise).sum(1) - explained.square().sum(0)
        log_det = 2.0 * root.diagonal().log().sum() + self.noise.log().sum()
        log_prob: Tensor = -0.5 * (len(self.mean) * LOG_2PI + log_det + distance)
        return log_prob

    @property
    def infers(self) -> bool:
        return True

    @property
    def latent_dims(self) -> int:
        return self.weight.shape[1]

    def posterior(self, x: Tensor, context: Tensor | None = None) -> NormalPosterior:
        """p(z|x) = N(M^-1 W^T Psi^-1 (x - mu), M^-1)."""
        centred = self.events(x, context).flatten(1) - self.mean
        root = self._root()
        mean = torch.cholesky_solve((centred @ (self.weight / self.noise[:, None])).T, root).T
        return NormalPosterior(mean, torch.linalg.cholesky(torch.cholesky_inverse(root))[None], exact=True)

    def log_joint(self, x: Tensor, z: Tensor, context: Tensor | None = None) -> Tensor:
        """log N(x|W z + mu, Psi) + log N(z|0, I)."""
        flat = self.events(x, context).flatten(1)
        log_p = normal_log_prob(flat, z @ self.weight.T + self.mean, 0.5 * self.noise.log())
        return sum_event(log_p) + self.log_latent(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        """W E[z|x] + mu, (B, *event): what the factors explain of the events."""
        return (self.posterior(x).mean @ self.weight.T + self.mean).reshape(-1, *self.space.shape)

    def normals(self) -> Normals:
        covariance = self.weight @ self.weight.T + torch.diag(self.noise)
        return Normals(self.mean.new_zeros(1), self.mean[None], covariance[None])

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        dims, latents = self.weight.shape
        z = torch.randn(n, latents, dtype=self.dtype, device=self.device)
        eps = torch.randn(n, dims, dtype=self.dtype, device=self.device)
        return (z @ self.weight.T + self.mean + self.noise.sqrt() * eps).reshape(n, *self.space.shape)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        flat = self.events(x, context).flatten(1)
        self.mean.copy_(flat.nanmean(0) if has_gaps(flat) else flat.mean(0))
        some = flat[:START_ROWS]
        self.noise.copy_(_some(torch.where(some.isnan(), self.mean, some).var(0, correction=0)))
        self.weight.zero_()

    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Moments:
        flat = self.events(x, context).flatten(1)
        covariance = self.normals().covariances[0]
        if has_gaps(flat):
            return Moments.expected(flat, self.mean.clone(), self.mean, covariance, weights)
        stats = Moments.of(flat, self.mean.clone(), flat.new_zeros(()), weights)
        return replace(stats, log_likelihood=stats.log_normal(self.mean, torch.linalg.cholesky(covariance)))

    def maximize(self, stats: Moments) -> None:
        covariance = stats.covariance
        variance = _some(covariance.diagonal())
        # In units of the columns' deviations, so that no column is small beside another.
        scaled = covariance / torch.outer(variance.sqrt(), variance.sqrt())
        before = (self.noise / variance).clamp(self.floor, 1.0)
        noise = best_noise(
            scaled, before if bool(self.weight.any()) else self._start(scaled), self.weight.shape[1], self.floor
        )
        weight = Profile.at(scaled, noise, self.weight.shape[1]).weight
        self.mean.copy_(stats.mean)
        self.noise.copy_(noise * variance)
        self.weight.copy_(weight * variance.sqrt()[:, None])

    def _start(self, scaled: Tensor) -> Tensor:
        """What the other columns leave of each, as Joereskog began; half of it where that cannot be told."""
        dims, latents = self.weight.shape
        values = torch.linalg.eigvalsh(scaled)
        if float(values[0]) <= 1e-8 * float(values[-1]):
            return torch.full_like(scaled.diagonal(), 0.5)
        left: Tensor = 1.0 / torch.linalg.inv(scaled).diagonal()
        return ((1.0 - 0.5 * latents / dims) * left).clamp(self.floor, 1.0)

    def _root(self) -> Tensor:
        """L of M = L L^T, (q, q)."""
        identity = torch.eye(self.weight.shape[1], dtype=self.dtype, device=self.device)
        root: Tensor = torch.linalg.cholesky(identity + self.weight.T @ (self.weight / self.noise[:, None]))
        return root

    def flaw(self) -> str:
        return "" if bool((self.noise > 0).all()) else "the noise of a column is not above 0"

    mean: Tensor
    weight: Tensor
    noise: Tensor


def _some(variance: Tensor) -> Tensor:
    """The variances of columns; a constant one takes the mean of the others, or 1."""
    varies = variance > 0
    others = variance[varies].mean() if bool(varies.any()) else torch.ones_like(variance[0])
    return torch.where(varies, variance, others)


def most_latents(dims: int) -> int:
    """The most factors that a covariance can tell apart, (D - q)^2 >= D + q; at least 1. Ledermann 1937."""
    return max(1, math.floor(dims + 0.5 - math.sqrt(2.0 * dims + 0.25)))


def factor_analysis(space: Space, *, latents: Count | None = None, floor: Share = 1e-6) -> Model:
    """Factor analysis with `latents` < D factors, which defaults to sqrt(D), rounded, or fewer where those could not
    be told apart.

    Unlike in `ppca`, each column has its own noise: what factors explain is what columns share. `floor` is the least
    noise, as a share of a column's variance. Integer data are seen through Gaussianised marginals.

    Raises:
        UsageError: fewer than 2 dimensions, or as many latents as dimensions.

    >>> import torch, loglik
    >>> z = torch.randn(300, 1, generator=torch.Generator().manual_seed(0))
    >>> noise = torch.randn(300, 4, generator=torch.Generator().manual_seed(1))
    >>> x = z * torch.tensor([1.0, 2.0, 3.0, 4.0]) + noise * torch.tensor([4.0, 1.0, 1.0, 1.0])
    >>> model = loglik.build("factor-analysis", loglik.Real((4,)), latents=1)
    >>> history = loglik.fit(model, x)
    >>> [round(deviation) for deviation in model.noise.sqrt().tolist()]
    [4, 1, 1, 1]
    """
    real = density_space(space, "factor-analysis")
    if real.dims < 2:
        raise UsageError(f"`factor-analysis` needs at least 2 dimensions, so that latents < D; got {space}.")
    latents = min(round(real.dims**0.5), most_latents(real.dims)) if latents is None else latents
    if not 1 <= latents < real.dims:
        raise UsageError(f"Expected 1 <= latents < {real.dims}, the dimensions of the data; got {latents}.")
    return gaussianized(space, FactorAnalysis(real, latents, floor=floor))
