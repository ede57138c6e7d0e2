"""First and second moments of a stream of events: all that Gaussian models need to know about the data."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from loglik.contract import Stats
from loglik.densities import LOG_2PI
from loglik.ops import count, rows_by_mask, weighted_sum

ROWS_AT_ONCE = 4096
DECISIVE = 100.0  # a variance of so many floors or less owes a hundredth or more to the floor


@dataclass(frozen=True, kw_only=True)
class Moments(Stats):
    """Sums over events, in float64, of x - shift with one fixed shift; they add over batches.

    events n ()   first sum (x - shift) (D,)   second sum (x - shift)(x - shift)^T (D, D)   log_likelihood ()
    """

    shift: Tensor
    first: Tensor
    second: Tensor

    @classmethod
    def of(cls, x: Tensor, shift: Tensor, log_likelihood: Tensor, weights: Tensor | None = None) -> "Moments":
        """Moments of a batch (B, D). A shift near the mean keeps the digits that a large mean would swallow."""
        first, second = torch.zeros_like(shift), torch.zeros_like(torch.outer(shift, shift))
        for start in range(0, len(x), ROWS_AT_ONCE):  # that stay in the cache
            part = slice(start, start + ROWS_AT_ONCE)
            centred = x[part].double() - shift
            counted = centred if weights is None else centred * weights[part, None]
            first += counted.sum(0)
            second.addmm_(counted.T, centred)
        events = count(x, weights)
        return cls(events=events, log_likelihood=log_likelihood, shift=shift, first=first, second=second)

    @classmethod
    def expected(
        cls, x: Tensor, shift: Tensor, mean: Tensor, covariance: Tensor, weights: Tensor | None = None
    ) -> "Moments":
        """Moments of events (B, D) with missing values, NaN, as expected under N(mean, covariance).

            E[x_u|x_o] = mu_u + A (x_o - mu_o),    Cov[x_u|x_o] = S_uu - A S_ou,    A = S_uo S_oo^-1

        The likelihood is that of what was observed. Little & Rubin 2002, Statistical Analysis with Missing Data, 11.2.
        """
        seen, dims = ~x.isnan(), x.shape[1]
        whole, log_p = x.double().clone(), x.new_zeros(len(x), dtype=torch.float64)
        spread = torch.zeros_like(covariance)
        for mask, rows in rows_by_mask(seen):
            root = torch.linalg.cholesky(covariance[mask][:, mask])
            eps = torch.linalg.solve_triangular(root, (whole[rows][:, mask] - mean[mask]).T, upper=False)
            half = torch.linalg.solve_triangular(root, covariance[mask][:, ~mask], upper=False)  # L^-1 S_ou
            log_det = root.diagonal().log().sum()
            log_p[rows] = -0.5 * (int(mask.sum()) * LOG_2PI + eps.square().sum(0)) - log_det
            filled = whole[rows]
            filled[:, ~mask] = mean[~mask] + eps.T @ half
            whole[rows] = filled
            both = ~mask[:, None] & ~mask
            left = (covariance[~mask][:, ~mask] - half.T @ half).flatten()
            spread[both] += left * count(rows, None if weights is None else weights[rows])
        complete = cls.of(whole, shift, weighted_sum(log_p, weights), weights)
        return replace(complete, second=complete.second + spread.reshape(dims, dims))

    def moments(self) -> "Moments":
        """Itself: as `FewRows` have it."""
        return self

    def principal(self) -> tuple[Tensor, Tensor, Tensor]:
        """The mean (D,), and the eigenvalues (r,), ascending, and eigenvectors (D, r) of the covariance; r = D."""
        values, vectors = torch.linalg.eigh(self.covariance)
        return self.mean, values.clamp(min=0.0), vectors

    def log_normal(self, mean: Tensor, root: Tensor) -> Tensor:
        """The sum over these events of log N(x|mean, L L^T), L (D, D) lower triangular: moments are all it needs."""
        identity = torch.eye(len(root), dtype=root.dtype, device=root.device)
        whitening = torch.linalg.solve_triangular(root, identity, upper=False)
        move = self.shift - mean
        about = self.second + torch.outer(self.first, move) + torch.outer(move, self.first + self.events * move)
        distance: Tensor = ((whitening @ about) * whitening).sum()
        return -0.5 * distance - self.events * (root.diagonal().log().sum() + 0.5 * len(root) * LOG_2PI)

    def with_noise(self, variance: float, log_likelihood: Tensor) -> "Moments":
        """Expected moments once independent noise of mean 0 is added to every value, and their likelihood."""
        spread = variance * self.events * torch.eye(len(self.first), dtype=self.second.dtype, device=self.second.device)
        return replace(self, second=self.second + spread, log_likelihood=log_likelihood)

    @property
    def mean(self) -> Tensor:
        """(D,)"""
        return self.shift + self.first / self.events

    @property
    def covariance(self) -> Tensor:
        """(D, D): the maximum likelihood estimate, divided by n."""
        offset = self.first / self.events
        covariance = self.second / self.events - torch.outer(offset, offset)
        return 0.5 * (covariance + covariance.T)


@dataclass(frozen=True, kw_only=True)
class FewRows(Stats):
    """The events themselves, less a shift: of fewer events than dimensions they are smaller than their moments.

    rows x - shift (n, D). They add to each other while they stay few, and to `Moments` as the moments they have.
    """

    shift: Tensor
    rows: Tensor

    @classmethod
    def of(cls, x: Tensor, shift: Tensor, log_likelihood: Tensor) -> "FewRows":
        """A batch (B, D) as it is."""
        return cls(events=count(x), log_likelihood=log_likelihood, shift=shift, rows=x - shift)

    @classmethod
    def suit(cls, events: int, dims: int) -> bool:
        """Whether an n x n problem is the smaller one by far."""
        return 2 * events <= dims

    def __add__(self, other: "FewRows | Moments") -> "FewRows | Moments":  # type: ignore[override]
        if isinstance(other, FewRows) and self.suit(len(self.rows) + len(other.rows), len(self.shift)):
            events, log_likelihood = self.events + other.events, self.log_likelihood + other.log_likelihood
            rows = torch.cat([self.rows, other.rows])
            return replace(self, events=events, log_likelihood=log_likelihood, rows=rows)
        return self.moments() + other.moments()

    def __radd__(self, other: Moments) -> Moments:
        return other + self.moments()

    def principal(self) -> tuple[Tensor, Tensor, Tensor]:
        """As of `Moments`, with r = n.

        Of few events X (n, D), less their mean: X X^T u = n lambda u  <=>  (X^T X / n) X^T u = lambda X^T u.
        """
        offset = self.rows.mean(0)
        centred = self.rows - offset
        values, vectors = torch.linalg.eigh(centred @ centred.T)
        lengths = values.clamp(min=0.0).sqrt()
        # Directions without variance are not needed, and X^T u has none of them.
        scale = torch.where(lengths > 0.0, 1.0 / lengths, torch.zeros_like(lengths))
        return self.shift + offset, values.clamp(min=0.0) / len(centred), centred.T @ (vectors * scale)

    def __truediv__(self, copies: float) -> "FewRows":
        """The rows stay: copies of events have the moments that the events have."""
        return replace(self, events=self.events / copies, log_likelihood=self.log_likelihood / copies)

    def of_fixed_size(self) -> Moments:
        return self.moments()

    def moments(self) -> Moments:
        copies = len(self.rows) / float(self.events) if len(self.rows) else 1.0
        whole = Moments.of(self.rows + self.shift, self.shift, copies * self.log_likelihood)
        return whole if copies == 1.0 else whole / copies


def floored(covariance: Tensor, floor: float) -> Tensor:
    """The covariance plus `floor` times each column's own variance on its diagonal, so that it has a Cholesky factor.

    A constant column, fewer events than dimensions or repeated rows make the maximum likelihood estimate singular and
    the likelihood unbounded; the added term is noise worth `floor` of the variance of each column, in whatever unit.
    """
    variance = covariance.diagonal()
    varies = variance > 0
    # A constant column takes the average of the others, and if there is none, 1: any positive number will do.
    others = variance.sum() / varies.sum() if bool(varies.any()) else torch.ones_like(variance[0])
    return covariance + floor * torch.diag(torch.where(varies, variance, others))
