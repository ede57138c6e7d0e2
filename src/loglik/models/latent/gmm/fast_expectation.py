"""The fast E-step of a Gaussian mixture: a stream of cache-sized slices, responsibilities and the moments they weigh.

    log p(y) = logsumexp_k [log pi_k + log N(y|mu_k, Sigma_k)]        r_nk = p(k|y_n)
    counts n_k = sum_n r_nk    first sum_n r_nk (y_n - mu_k)    second sum_n r_nk (y_n - mu_k)(y_n - mu_k)^T

Two ways to the same sums. `ByFeatures` expands the square: with phi(y) = [1, y, quadratic terms] the densities of all
components are one GEMM, c phi, and all moments another, r phi^T. `ByWhitening` computes z_k = L_k^-1 (y - mu_k), one
GEMM with the whitening matrices of all components side by side, and takes the moments in z. The first does less work
while F is small, that is for diagonal and tied covariances, and for full ones of few dimensions; the second keeps all
digits when a component is tiny against its distance from the centre, where an expanded square cancels.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from loglik.contract import Stats
from loglik.densities import LOG_2PI
from loglik.models.latent.gmm.covariances import Covariance
from loglik.models.latent.gmm.fast_features import FEATURES, Features
from loglik.ops import count, weighted_sum

# Values at work in one slice. The many small operations on features want long rows, 8 MB in a shared cache; whitened
# values fit a core's own cache in 2 MB, for a shared one may be busy with others, which costs a factor of 2.
FEATURE_VALUES = 1 << 20
WHITENED_VALUES = 1 << 18
LONG_EVENT = 32  # dimensions from which on a slice is written event by event, where the features allow it
FEATURES_PER_COMPONENT = 50  # measured: the two are equally fast at D=16, K=3 (F=153) and at D=32, K=10 (F=561)
NEVER = -600.0  # log of a responsibility that counts for nothing; beyond, exp underflows, which is 30 times slower
LARGEST_TERM = 1e6  # of the expanded square: in float64 the difference of such terms is right to 1e-10 nats


@dataclass(frozen=True, kw_only=True)
class MixtureStats(Stats):
    """Sums over events of p(k|y)-weighted moments about the means mu_k that they were taken with.

    events ()   log_likelihood ()   counts n (K,)   first (K, D)   second, in the shape of the covariances
    """

    counts: Tensor
    first: Tensor
    second: Tensor

    def moved(self, step: Tensor, covariance: Covariance) -> "MixtureStats":
        """The same sums about mu_k + step_k, step (K, D)."""
        a, f, own = step[:, :, None], self.first[:, :, None], (self.counts.sqrt()[:, None] * step)[:, :, None]
        crossed = covariance.outer(f, a) + covariance.outer(a, f)
        return replace(
            self,
            first=self.first - self.counts[:, None] * step,
            second=self.second - crossed + covariance.outer(own, own),
        )


class Tally:
    """The number of events and their log-likelihood, counted while responsibilities are computed."""

    def __init__(self, device: torch.device) -> None:
        self.events = torch.zeros((), dtype=torch.float64, device=device)
        self.log_likelihood = torch.zeros((), dtype=torch.float64, device=device)

    def respond(self, joint: Tensor, given: Tensor | None, weights: Tensor | None) -> Tensor:
        """log p(k, y) (K, n) -> w p(k|y), in place; w log p(y) is counted on the way."""
        top = joint.amax(0)
        total = joint.sub_(top).clamp_(min=NEVER).exp_().sum(0)
        joint.div_(total)
        self.log_likelihood += weighted_sum(total.log_().add_(top), weights)
        self.events += count(top, weights)
        r = joint if given is None else given
        return r if weights is None else r * weights


class Expectation(Tally, ABC):
    """Sums over slices of events. Ask for a `buffer`, write y there, then `add` it. `log_pi` is (K,).

    The memory of a slice is allocated once: fresh pages for every slice would cost as much as the arithmetic.
    """

    def __init__(self, covariance: Covariance, means: Tensor, log_pi: Tensor, rows: int) -> None:
        super().__init__(means.device)
        self.covariance, self.means = covariance, means
        self.constant = (log_pi - covariance.log_det() - 0.5 * covariance.dims * LOG_2PI)[:, None]  # (K, 1)
        self.rows = max(256, rows)

    @abstractmethod
    def buffer(self, n: int) -> Tensor:
        """(D, n), n <= rows: where the next slice is to be written."""

    @abstractmethod
    def add(self, responsibilities: Tensor | None = None, weights: Tensor | None = None) -> None:
        """Count the slice: with responsibilities (K, n) if they are given instead of expected, each event w_n times."""

    @abstractmethod
    def stats(self) -> MixtureStats:
        """The sums so far."""


class ByFeatures(Expectation):
    """log p(k, y) = <c_k, phi(y)>: two GEMMs with the features phi (F, n) of a slice."""

    def __init__(self, covariance: Covariance, means: Tensor, log_pi: Tensor, features: Features) -> None:
        components, count = features.coefficients.shape
        dims = covariance.dims
        by_event = features.by_event and dims >= LONG_EVENT
        values = FEATURE_VALUES // 2 if by_event else FEATURE_VALUES
        super().__init__(covariance, means, log_pi, values // (count + 2 * components))
        self.features, self.coefficients = features, features.coefficients.clone()
        self.coefficients[:, :1] += self.constant
        self.totals = torch.zeros_like(self.coefficients)
        self.scatter = means.new_zeros(dims, dims) if features.scatters else means.new_zeros(0, 0)
        # Events with few values are transposed as they are written; long ones lie as they come, and BLAS transposes.
        self.all_phi = means.new_empty(self.rows, count).T if by_event else means.new_empty(count, self.rows)
        self.all_phi[0] = 1.0

    def buffer(self, n: int) -> Tensor:
        self.phi = self.all_phi[:, :n]
        return self.phi[1 : 1 + self.covariance.dims]

    def add(self, responsibilities: Tensor | None = None, weights: Tensor | None = None) -> None:
        self.features.complete(self.phi)
        self.totals.addmm_(self.respond(self.coefficients @ self.phi, responsibilities, weights), self.phi.T)
        if self.features.scatters:
            linear = self.phi[1 : 1 + self.covariance.dims]
            self.scatter.addmm_(linear if weights is None else linear * weights, linear.T)

    def stats(self) -> MixtureStats:
        first, second = self.features.moments(self.totals, self.scatter)
        counts = self.totals[:, 0].clone()
        return MixtureStats(
            events=self.events, log_likelihood=self.log_likelihood, counts=counts, first=first, second=second
        )


class ByWhitening(Expectation):
    """log p(k, y) = constant_k - |z_k|^2 / 2, with z (K, D, n), and the mixed moments sum_n r_nk z_nk y_n^T.

    Having one whitened factor, these lose only half the digits that products y y^T would lose next to a tiny component.
    """

    def __init__(self, covariance: Covariance, means: Tensor, log_pi: Tensor) -> None:
        super().__init__(covariance, means, log_pi, WHITENED_VALUES // (2 * means.numel()))
        self.whiten = covariance.whitener(means)
        self.counts = means.new_zeros(len(means))
        self.first = torch.zeros_like(means)
        self.mixed = torch.zeros_like(covariance.scale)
        self.memory = means.new_empty((2 * len(means) + 1) * covariance.dims * self.rows)

    def buffer(self, n: int) -> Tensor:
        components, dims = self.covariance.components, self.covariance.dims
        parts = self.memory[: (2 * components + 1) * dims * n].view(-1, dims, n)
        self.y, self.z, self.squares = parts[0], parts[1 : 1 + components], parts[1 + components :]
        return self.y

    def add(self, responsibilities: Tensor | None = None, weights: Tensor | None = None) -> None:
        z = self.whiten(self.y, out=self.z)
        joint = torch.mul(z, z, out=self.squares).sum(1).mul_(-0.5).add_(self.constant)
        r = self.respond(joint, responsibilities, weights)
        weighted = z.mul_(r[:, None])
        self.counts += r.sum(1)
        self.first += weighted.sum(2)
        self.mixed += self.covariance.outer(weighted, self.y[None])

    def stats(self) -> MixtureStats:
        mixed = self.mixed - self.covariance.outer(self.first[:, :, None], self.means[:, :, None])
        first = torch.stack([self.covariance.colour(z, k) for k, z in enumerate(self.first[:, :, None])])[:, :, 0]
        second = self.covariance.unwhiten(mixed)
        return MixtureStats(
            events=self.events, log_likelihood=self.log_likelihood, counts=self.counts, first=first, second=second
        )


def expectation(covariance: Covariance, means: Tensor, log_pi: Tensor) -> Expectation:
    """The faster of the two, unless it would lose digits."""
    kind = FEATURES.get(type(covariance))
    most = max(FEATURES_PER_COMPONENT * covariance.components, 2 * covariance.dims + 1)
    if kind is None or kind.count(covariance.dims) > most:
        return ByWhitening(covariance, means, log_pi)
    features = kind(covariance, means)
    largest = (features.precision * (1.0 + means.square().sum(1))).amax()
    if float(largest) < LARGEST_TERM:
        return ByFeatures(covariance, means, log_pi, features)
    return ByWhitening(covariance, means, log_pi)
