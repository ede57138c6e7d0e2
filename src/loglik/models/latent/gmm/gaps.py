"""The E-step of a Gaussian mixture where values are missing: full information, nothing filled in, nothing left out.

Of an event only y_o is observed. With mu and S those of component k, delta = y - mu and A = S_uo S_oo^-1,

    r_nk = p(k|y_o),  from  log p(k, y_o) = log pi_k + log N(y_o|mu_o, S_oo)
    E[delta|y_o, k] = B delta_o,  B = [I; A]          Cov[delta|y_o, k] = C,  C_uu = S_uu - A S_ou, 0 elsewhere
    counts sum r     first sum r B delta_o     second sum r (B delta_o delta_o^T B^T + C)

Events with the same values missing share S_oo: its factors come once for a pattern, those of many patterns in one call,
and B and C act on the sums of a pattern, not on its events. Diagonal covariances need no factors: their B is [I; 0].

Ghahramani & Jordan 1994, Supervised learning from incomplete data via an EM approach, section 3.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from loglik.densities import LOG_2PI
from loglik.models.latent.gmm.covariances import Covariance, Full
from loglik.models.latent.gmm.fast_expectation import WHITENED_VALUES, MixtureStats, Tally
from loglik.ops import number_of_mask

FACTOR_VALUES = 1 << 21  # of the factors of all patterns that are at work together


def gap_statistics(
    covariance: Covariance, means: Tensor, log_pi: Tensor, y: Tensor, *, log_unit: Tensor,
    responsibilities: Tensor | None, weights: Tensor | None,
) -> MixtureStats:  # fmt: skip
    """(D, N) with NaN -> the statistics; the likelihood is that of x_o = y_o unit_o, the responsibilities (K, N)."""
    sums = (ByPatterns if isinstance(covariance, Full) else ByValues)(covariance, means, log_pi, log_unit)
    seen = ~y.isnan()
    sums.add(torch.where(seen, y, 0.0), seen, responsibilities, weights)
    return MixtureStats(
        events=sums.events, log_likelihood=sums.log_likelihood,
        counts=sums.counts, first=sums.first, second=sums.second,
    )  # fmt: skip


class GapSums(Tally):
    """counts (K,), first (K, D), second in the shape of the covariances."""

    def __init__(self, covariance: Covariance, means: Tensor, log_pi: Tensor, log_unit: Tensor) -> None:
        super().__init__(means.device)
        self.covariance, self.means, self.log_pi = covariance, means, log_pi
        self.volume = log_unit + 0.5 * LOG_2PI  # (D,): what each observed value takes off, but for its component
        self.counts = torch.zeros_like(log_pi)
        self.first = torch.zeros_like(means)
        self.second = torch.zeros_like(covariance.scale)
        self.rows = max(64, WHITENED_VALUES // means.numel())


class ByValues(GapSums):
    """Diagonal and spherical covariances: every value by itself, whatever else is missing."""

    def add(self, y: Tensor, seen: Tensor, given: Tensor | None, weights: Tensor | None) -> None:
        scale = self.covariance.scale.expand(-1, len(y))
        volume = scale.abs().log() + self.volume  # (K, D)
        observed = torch.zeros_like(self.means)  # events in which a value is there, (K, D)
        square = torch.zeros_like(self.means)
        for start in range(0, y.shape[1], self.rows):
            part = slice(start, start + self.rows)
            m = seen[:, part].to(y.dtype)
            z = ((y[:, part] - self.means[:, :, None]) / scale[:, :, None]).mul_(m)
            joint = z.square().sum(1).mul_(-0.5).add_(self.log_pi[:, None]).addmm_(volume, m, alpha=-1.0)
            r = self.respond(joint, *_part(given, weights, part))
            weighted = z * r[:, None]
            self.counts += r.sum(1)
            observed += r @ m.T
            self.first += scale * weighted.sum(2)
            square += (weighted * z).sum(2)
        each = scale.square() * (square + self.counts[:, None] - observed)
        self.second += self.covariance.outer(each[:, :, None], torch.ones_like(each[:1, :, None]))


class ByPatterns(GapSums):
    """Full and tied covariances: events that lack the same values go together."""

    def add(self, y: Tensor, seen: Tensor, given: Tensor | None, weights: Tensor | None) -> None:
        which = number_of_mask(seen.T)
        order = which.argsort(stable=True)
        y, seen = y[:, order], seen[:, order]
        given = None if given is None else given[:, order]
        weights = None if weights is None else weights[order]
        sizes = torch.bincount(which)
        ends = sizes.cumsum(0)
        at_once = max(1, FACTOR_VALUES // (len(self.covariance.scale) * len(y) ** 2))
        for first in range(0, len(sizes), at_once):
            some = slice(first, first + at_once)
            pattern = Patterns(self, seen[:, ends[some] - 1].T)
            start = int(ends[first] - sizes[first])
            for p, size in enumerate(sizes[some].tolist()):
                for part in _slices(start, start + size, self.rows):
                    pattern.add(p, y[:, part], *_part(given, weights, part))
                start += size
            pattern.lift()


class Patterns:
    """The sums of P patterns `seen` (P, D) in their own whitened values z = W (y - mu), W = L^-1, S_oo = L L^T.

    All are (P, K, D) or (P, K, D, D), with zeros at what is not observed; K is 1 where a covariance is tied.
    """

    def __init__(self, sums: GapSums, seen: Tensor) -> None:
        self.sums, self.seen, dims = sums, seen, seen.shape[1]
        self.both = (seen[:, :, None] & seen[:, None, :])[:, None]
        lower = sums.covariance.scale.tril()
        self.dense = lower @ lower.mT  # S, (K, D, D)
        identity = torch.eye(dims, dtype=lower.dtype, device=lower.device)
        root = torch.linalg.cholesky(torch.where(self.both, self.dense, identity))
        inverse = torch.linalg.solve_triangular(root, identity.expand_as(root), upper=False)
        self.whitening = torch.where(self.both, inverse, 0.0)
        self.centre = self.whitening @ sums.means[:, :, None]
        log_det = root.diagonal(dim1=2, dim2=3).log().sum(2)
        self.constant = (sums.log_pi - log_det - (seen.to(lower.dtype) @ sums.volume)[:, None])[:, :, None]
        self.counts = self.constant.new_zeros(len(seen), len(sums.means))
        self.first = self.counts.new_zeros(*self.counts.shape, dims)
        self.mixed = torch.zeros_like(self.whitening)  # sum r z y^T

    def add(self, p: int, y: Tensor, given: Tensor | None, weights: Tensor | None) -> None:
        """Events of the pattern p, (D, n), with 0 for what is missing."""
        whitening = self.whitening[p]
        z = (whitening.flatten(0, 1) @ y).view(len(whitening), *y.shape) - self.centre[p]
        joint = z.square().sum(1).mul_(-0.5).add_(self.constant[p])
        r = self.sums.respond(joint, given, weights)
        weighted = z.mul_(r[:, None])
        self.counts[p] += r.sum(1)
        self.first[p] += weighted.sum(2)
        self.mixed[p] += self.sums.covariance.outer(weighted, y[None])

    def lift(self) -> None:
        """Add what the sums over z say of whole events: E[delta] = G z, G = [L; S_uo W^T], B = G W, C = S - G G^T."""
        sums, tied = self.sums, len(self.dense) < len(self.sums.means)
        lifting = torch.where(self.seen[:, None, None, :], self.dense, 0.0) @ self.whitening.mT
        completing = lifting @ self.whitening
        mu = torch.where(self.seen[:, None, :], sums.means, 0.0)
        about = self.first[:, :, :, None] * mu[:, :, None, :]
        counts = self.counts
        if tied:
            about, counts = about.sum(1, keepdim=True), counts.sum(1, keepdim=True)
        missing = ~self.seen
        rest = torch.where((missing[:, :, None] & missing[:, None, :])[:, None], self.dense - lifting @ lifting.mT, 0.0)
        second = lifting @ (self.mixed - about) @ completing.mT + counts[:, :, None, None] * rest
        sums.counts += self.counts.sum(0)
        sums.first += (lifting @ self.first[:, :, :, None]).sum(0)[:, :, 0]
        sums.second += second.sum(0)


def _slices(start: int, stop: int, rows: int) -> Iterator[slice]:
    return (slice(at, min(at + rows, stop)) for at in range(start, stop, rows))


def _part(given: Tensor | None, weights: Tensor | None, part: slice) -> tuple[Tensor | None, Tensor | None]:
    return None if given is None else given[:, part], None if weights is None else weights[part]
