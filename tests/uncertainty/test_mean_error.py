"""Standard errors and intervals of means: closed forms, and coverage in simulation."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from scipy.stats import ttest_1samp
from torch import Tensor

from loglik.uncertainty import mean_error

Draw = Callable[[np.random.Generator], tuple[Tensor, Tensor | None]]


TRIALS = 1000


def coverage(draw: Draw, truth: float, *, stream: bool = False) -> float:
    """The share of trials whose 95 % interval holds the truth; its standard error is 0.007."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(TRIALS):
        values, groups = draw(generator)
        low, high = mean_error(values, groups, stream=stream).interval()
        held += low <= truth <= high
    return held / TRIALS


def test_interval_of_symmetric_rows_is_students() -> None:
    x = torch.tensor([-3.0, -1.0, 0.5, -0.5, 1.0, 3.0], dtype=torch.float64) + 7.0
    error = mean_error(x)
    expected = ttest_1samp(x.numpy(), 0.0).confidence_interval(0.95)
    assert error.stderr == pytest.approx(float(x.std()) / math.sqrt(6))
    assert error.interval() == pytest.approx((expected.low, expected.high))
    assert (error.by, error.units, error.df) == ("rows", 6, 5)


def test_skewed_rows_have_a_longer_interval_on_the_side_of_the_tail() -> None:
    error = mean_error(-torch.distributions.Exponential(1.0).icdf((torch.arange(20.0).double() + 0.5) / 20))
    low, high = error.interval()
    assert error.mean - low > 1.2 * (high - error.mean)
    inner = error.interval(0.5)
    assert low < inner[0] < error.mean < inner[1] < high


def test_equal_groups_are_as_many_rows_of_group_means() -> None:
    x = torch.randn(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shuffled = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    groups = torch.arange(12).repeat_interleave(5) * 7 - 30
    by_group = mean_error(x.flatten()[shuffled], groups[shuffled])
    by_mean = mean_error(x.mean(1))
    assert by_group.stderr == pytest.approx(by_mean.stderr)
    assert by_group.interval() == pytest.approx(by_mean.interval())
    assert (by_group.by, by_group.units) == ("groups", 12)
    assert by_group.df == pytest.approx(11)


def test_copies_of_a_row_tell_nothing_new() -> None:
    x = torch.tensor([1.0, 4.0, 2.0, 7.0], dtype=torch.float64)
    copies = mean_error(x.repeat_interleave(100), torch.arange(4).repeat_interleave(100))
    assert copies.stderr == pytest.approx(mean_error(x).stderr)


def test_standard_error_of_unequal_groups_is_right_on_average() -> None:
    """Values shared within groups of 1, 2, 4, 8 and 16 rows: the variance of the mean is sum h^2, known exactly."""
    sizes = torch.tensor([1, 2, 4, 8, 16])
    groups = torch.arange(5).repeat_interleave(sizes)
    h = sizes.double() / sizes.sum()
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(2000, 5, dtype=torch.float64, generator=generator)
    single = torch.randn(2000, 31, dtype=torch.float64, generator=generator)
    # Corrected for rows that vary alone: there the estimate of the variance has no bias.
    squares = [mean_error(x, groups).stderr ** 2 for x in single]
    assert np.mean(squares) == pytest.approx(1 / 31, rel=0.05)
    # What groups share is underrated, as the largest of them is the half of all rows; never by rows as if independent.
    squares = [mean_error(x[groups], groups).stderr ** 2 for x in shared]
    assert np.mean(squares) > 0.6 * float(h.square().sum())
    assert np.mean([mean_error(x[groups]).stderr ** 2 for x in shared]) < 0.1 * float(h.square().sum())


def test_one_group_has_no_error_and_one_row_neither() -> None:
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    one = mean_error(x, torch.zeros(3, dtype=torch.int64))
    assert (one.stderr, one.by, one.units) == (math.inf, "groups", 1)
    assert one.interval() == (-math.inf, math.inf)
    assert mean_error(x[:1]).interval() == (-math.inf, math.inf)


def test_a_stream_of_one_group_is_cut_in_blocks() -> None:
    x = torch.randn(100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert mean_error(x, torch.ones(100, dtype=torch.int64), stream=True).by == "blocks"
    assert mean_error(x[:5], stream=True).by == "rows"


def test_constants_and_values_that_are_not_finite() -> None:
    ten = torch.full((10,), -3.0, dtype=torch.float64)
    for error in (mean_error(ten), mean_error(ten, torch.arange(10) // 2), mean_error(ten, stream=True)):
        assert error.interval() == (-3.0, -3.0)
    ten[4] = math.nan
    for error in (mean_error(ten), mean_error(ten, torch.arange(10) // 2), mean_error(ten, stream=True)):
        assert math.isnan(error.stderr)
        assert all(math.isnan(end) for end in error.interval())


def test_standard_error_of_a_stream_is_that_of_its_autocorrelation() -> None:
    """An AR(1) stream of unit noise: the variance of the mean of N values tends to 1 / (N (1 - rho)^2)."""
    generator = np.random.default_rng(0)
    for rho in (-0.5, 0.0, 0.8):
        x = [autoregressive(generator, 2000, rho)[0] for _ in range(50)]
        found = np.mean([mean_error(values, stream=True).stderr for values in x])
        assert found == pytest.approx(1.0 / (math.sqrt(2000) * (1.0 - rho)), rel=0.06)


def autoregressive(generator: np.random.Generator, rows: int, rho: float) -> tuple[Tensor, None]:
    noise = generator.normal(size=rows + 200)
    return torch.from_numpy(lfilter([1.0], [1.0, -rho], noise)[200:].copy()), None


def slow_under_noise(generator: np.random.Generator, rows: int) -> tuple[Tensor, None]:
    """Noise of variance 1 with a trend of variance 1/4 beneath that lasts some ten rows."""
    trend, _ = autoregressive(generator, rows, 0.9)
    return torch.from_numpy(generator.normal(size=rows)) + 0.5 * math.sqrt(1.0 - 0.81) * trend, None


def unequal(generator: np.random.Generator, count: int, share: float) -> tuple[Tensor, Tensor]:
    """Groups of log-normal sizes; `share` of the variance is between groups."""
    sizes = np.maximum(1, generator.lognormal(2.0, 1.0, count).astype(int))
    groups = np.repeat(np.arange(count), sizes)
    between, within = generator.normal(size=count)[groups], generator.normal(size=len(groups))
    return torch.from_numpy(math.sqrt(share) * between + math.sqrt(1.0 - share) * within), torch.from_numpy(groups)


@pytest.mark.parametrize("rows", [3, 20, 300])
def test_coverage_of_normal_rows(rows: int) -> None:
    assert 0.93 <= coverage(lambda g: (torch.from_numpy(g.normal(size=rows)), None), 0.0) <= 0.97


@pytest.mark.parametrize("rows", [20, 100, 1000])
def test_coverage_of_skewed_rows(rows: int) -> None:
    assert 0.93 <= coverage(lambda g: (torch.from_numpy(-g.exponential(size=rows)), None), -1.0) <= 0.97
    log_normal = coverage(lambda g: (torch.from_numpy(-g.lognormal(size=rows)), None), -math.exp(0.5))
    assert 0.92 <= log_normal <= 0.97


@pytest.mark.parametrize("groups", [6, 20, 100])
@pytest.mark.parametrize("share", [0.2, 1.0])
def test_coverage_of_groups_of_unequal_sizes(groups: int, share: float) -> None:
    assert 0.92 <= coverage(lambda g: unequal(g, groups, share), 0.0) <= 0.98


@pytest.mark.parametrize("rows", [50, 500, 5000])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_coverage_of_streams(rows: int, rho: float) -> None:
    assert 0.93 <= coverage(lambda g: autoregressive(g, rows, rho), 0.0, stream=True) <= 0.98


def test_coverage_of_a_slow_trend_under_noise() -> None:
    """Rows as if independent are off by a factor 2 here: their interval holds the mean in two of three trials."""
    assert 0.91 <= coverage(lambda g: slow_under_noise(g, 900), 0.0, stream=True) <= 0.97
    assert coverage(lambda g: slow_under_noise(g, 900), 0.0) <= 0.7
