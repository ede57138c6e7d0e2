"""First and second moments of a stream of events: all that Gaussian models need to know about the data."""

from dataclasses import dataclass

import torch
from torch import Tensor

DECISIVE = 100.0  # a variance of so many floors or less owes a hundredth or more to the floor


@dataclass(frozen=True)
class Moments:
    """Sums over events, in float64, of x - shift with one fixed shift; they add over batches.

    events n ()   first sum (x - shift) (D,)   second sum (x - shift)(x - shift)^T (D, D)   log_likelihood ()
    """

    shift: Tensor
    events: Tensor
    first: Tensor
    second: Tensor
    log_likelihood: Tensor

    @classmethod
    def of(cls, x: Tensor, shift: Tensor, log_likelihood: Tensor) -> "Moments":
        """Moments of a batch (B, D). A shift near the mean keeps the digits that a large mean would swallow."""
        centred = x.double() - shift
        events = torch.tensor(float(len(x)), dtype=torch.float64, device=x.device)
        return cls(shift, events, centred.sum(0), centred.T @ centred, log_likelihood)

    def __add__(self, other: "Moments | FewRows") -> "Moments":
        if isinstance(other, FewRows):
            other = other.moments()
        return Moments(
            self.shift,
            self.events + other.events,
            self.first + other.first,
            self.second + other.second,
            self.log_likelihood + other.log_likelihood,
        )

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


@dataclass(frozen=True)
class FewRows:
    """The events themselves, less a shift: of fewer events than dimensions they are smaller than their moments.

    rows x - shift (n, D). They add to each other while they stay few, and to `Moments` as the moments they have.
    """

    shift: Tensor
    rows: Tensor
    log_likelihood: Tensor

    @classmethod
    def suit(cls, events: int, dims: int) -> bool:
        """Whether an n x n problem is the smaller one by far."""
        return 2 * events <= dims

    def __add__(self, other: "FewRows | Moments") -> "FewRows | Moments":
        if isinstance(other, FewRows) and self.suit(len(self.rows) + len(other.rows), len(self.shift)):
            rows = torch.cat([self.rows, other.rows])
            return FewRows(self.shift, rows, self.log_likelihood + other.log_likelihood)
        return self.moments() + (other.moments() if isinstance(other, FewRows) else other)

    @property
    def events(self) -> Tensor:
        return torch.tensor(float(len(self.rows)), dtype=torch.float64, device=self.rows.device)

    def moments(self) -> Moments:
        return Moments.of(self.rows + self.shift, self.shift, self.log_likelihood)


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
