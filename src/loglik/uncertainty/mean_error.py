"""How far the mean of N values may be from its expectation, where values of one group or stream depend on each other.

    rows      stderr^2 = sum (v - mean)^2 / (N (N - 1)), Student's t with N - 1 degrees of freedom
    groups    e_g = S_g - h_g S, h_g = n_g / N, for group sums S_g and sizes n_g: the residuals of the ratio S / N.
              stderr^2 = sum e_g^2 / (1 - h_g) / N^2; for equal sizes G / (G - 1) sum e_g^2 / N^2, with G - 1 degrees
              of freedom. Unequal sizes have fewer.
    blocks    of one stream: AR(1) residuals r_t = v_t - mean - rho (v_{t-1} - mean) are averaged in blocks, the
              standard error of their mean is that of the block means, and 1 / (1 - rho) takes it back to v. rho is
              corrected for its bias, and its own uncertainty counts in the degrees of freedom.

Sources: Bell, McCaffrey (2002), "Bias reduction in standard errors for linear regression with multi-stage samples";
Andrews, Monahan (1992), "An improved heteroskedasticity and autocorrelation consistent covariance matrix estimator";
Hall (1992), "On the removal of skewness by transformation", for skewed values.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SHORTEST_STREAM = 6  # rows; a shorter stream says nothing of its autocorrelation, and its rows count as independent


@dataclass(frozen=True)
class MeanError:
    """A mean, its standard error, and what its interval needs.

    units: the independent parts it comes from; `by` names them: "rows", "groups" or "blocks".
    df: degrees of freedom of Student's t. skew: sum e^3 / (sum e^2)^(3/2) over the deviations e of the units.
    """

    mean: float
    stderr: float
    units: int
    by: str
    df: float
    skew: float = 0.0

    @property
    def source(self) -> str:
        """What the standard error was estimated from, in words; nothing is to be said of rows."""
        if self.by == "rows":
            return ""
        return f"+- over {self.units} {self.by if self.units > 1 else self.by.removesuffix('s')}"

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Holds the expectation with probability `level`: Student's interval, made longer where Hall's for skewed
        values is longer. Both rest on the values seen; what is rarer than one row in N is in neither.
        """
        if not 0.0 < self.stderr < math.inf:
            return (self.mean, self.mean) if self.stderr == 0.0 else (-self.stderr, self.stderr)
        from scipy.special import stdtrit  # only where it is needed: it is slow to import

        t = float(stdtrit(self.df, 0.5 + 0.5 * level))
        highest = max(t, _straightened(t, self.skew))
        lowest = min(-t, _straightened(-t, self.skew))
        return self.mean - highest * self.stderr, self.mean - lowest * self.stderr


def _straightened(t: float, skew: float) -> float:
    """The quantile of (mean - mu) / stderr that Hall's cubic transformation takes to t."""
    if abs(skew) < 1e-6:
        return t
    return 3.0 / skew * (math.cbrt(1.0 + skew * (t - skew / 6.0)) - 1.0)


def mean_error(values: Tensor, groups: Tensor | None = None, *, stream: bool = False) -> MeanError:
    """The error of the mean of `values` (N,): by groups where they are given, by blocks for a stream, else by rows."""
    if groups is not None and int(groups.min()) != int(groups.max()):
        return by_groups(values, groups)
    if stream and len(values) >= SHORTEST_STREAM:
        return by_blocks(values)
    if groups is not None and len(values) > 1 and not stream:
        return MeanError(float(values.mean()), math.inf, 1, "groups", 1.0)
    return by_rows(values)


def by_rows(values: Tensor) -> MeanError:
    """Of independent values; the standard error of a single one is infinite, and 0 if all are equal."""
    n = len(values)
    mean = float(values.mean())
    if n < 2:
        return MeanError(mean, math.inf, n, "rows", 1.0)
    return MeanError(mean, float(values.std()) / math.sqrt(n), n, "rows", n - 1.0, _skew(values - mean))


def by_groups(values: Tensor, groups: Tensor) -> MeanError:
    """Of values that depend on each other where their numbers in `groups` (N,) are equal; at least two groups."""
    _, place = torch.unique(groups.to(values.device), return_inverse=True)
    size = torch.bincount(place).to(values.dtype)
    n, h = len(values), size / len(values)
    mean = float(values.mean())
    e = torch.zeros_like(h).index_add_(0, place, values - mean)
    stderr = math.sqrt(float((e.square() / (1.0 - h)).sum())) / n
    return MeanError(mean, stderr, len(h), "groups", _freedom(h), _skew(e))


def _freedom(h: Tensor) -> float:
    """Bell and McCaffrey's degrees of freedom for groups with shares h (G,) of the rows: (tr M)^2 / tr M^2, where M has
    the elements (w_i w_j)^(1/2) (delta_ij h_i - h_i h_j), w = 1 / (1 - h), and tr M = 1; G - 1 for equal shares.
    """
    w = 1.0 / (1.0 - h)
    whole = (w * h.square()).sum().square()  # sum over all i, j of w_i w_j h_i^2 h_j^2
    own = (w.square() * ((h * (1.0 - h)).square() - h**4)).sum()  # the diagonal has h - h^2 in place of h^2
    return float(1.0 / (whole + own))


def by_blocks(values: Tensor) -> MeanError:
    """Of a stationary sequence, at least `SHORTEST_STREAM` values: blocks of AR(1) residuals."""
    n = len(values)
    mean = float(values.mean())
    d = values - mean
    rho = _autocorrelation(d)
    e = d[1:] - rho * d[:-1]
    length = block_length(n - 1)
    blocks = (n - 1) // length
    e = e[n - 1 - blocks * length :].reshape(blocks, length).mean(1)
    stderr = float(e.std()) * math.sqrt(length / n) / (1.0 - rho)
    df = 1.0 / (1.0 / (blocks - 1) + (0.0 if rho == 0.0 else (1.0 + rho) / (n * (1.0 - rho))))
    return MeanError(mean, stderr, blocks, "blocks", max(1.0, df), _skew(e - e.mean()))


def block_length(n: int) -> int:
    """Rows of a block of a stream of n: 5 blocks or more, 0.15 n^(2/3) in a long stream.

    More blocks make shorter intervals, and miss what AR(1) does not know: a slow trend under noise, as texts have it.
    """
    return max(1, n // max(5, int(0.15 * n ** (2 / 3))))


def _autocorrelation(d: Tensor) -> float:
    """Of neighbours, with the correction (1 + 3 rho) / n of its bias; 0 where it is within two standard errors of 0."""
    n, square = len(d), float(d.square().sum())
    if not 0.0 < square < math.inf:
        return 0.0
    rho = float((d[1:] * d[:-1]).sum()) / square
    rho = min(max(rho + (1.0 + 3.0 * rho) / n, -0.9), 1.0 - 1.5 / n)
    return rho if abs(rho) > 2.0 / math.sqrt(n) else 0.0


def _skew(e: Tensor) -> float:
    largest = float(e.abs().max())
    if not 0.0 < largest < math.inf:
        return 0.0
    e = e / largest
    return float(e.pow(3).sum() / e.square().sum().pow(1.5))
