"""Few rows that carry a mean, medians, and the test on signs."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from loglik.uncertainty import few_rows, median, sign_test


def test_one_row_carries_the_mean() -> None:
    x = torch.randn(320, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1.5
    assert few_rows(x) is None
    x[17] = -1399.0
    few = few_rows(x)
    assert few is not None
    assert few.rows == 1
    assert few.share > 0.99


def test_rows_that_carry_the_mean_are_counted() -> None:
    """Squares of 198 in 297 rows; three rows of 4 add 48, less than half of all, and three of 9 add 243 of 441."""
    x = torch.tensor([0.0, 1.0, -1.0]).double().repeat(99)
    assert few_rows(torch.cat([x, torch.tensor([4.0, 4.0, -4.0]).double()])) is None
    few = few_rows(torch.cat([x, torch.tensor([9.0, 9.0, -9.0]).double()]))
    assert few is not None
    assert few.rows == 3  # two have 162, less than the half
    assert few.share == pytest.approx(243 / 441)


def test_ordinary_rows_are_not_called_few() -> None:
    generator = np.random.default_rng(0)
    for rows in (20, 100, 1000):
        found = sum(few_rows(torch.from_numpy(generator.normal(size=rows))) is not None for _ in range(300))
        assert found <= 0.02 * 300


def test_nothing_is_said_of_few_rows_of_constants_or_of_infinities() -> None:
    assert few_rows(torch.tensor([0.0] * 18 + [1000.0]).double()) is None
    assert few_rows(torch.full((50,), 3.0).double()) is None
    assert few_rows(torch.tensor([0.0, 1.0] * 20 + [-math.inf]).double()) is None


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_median_is_numpys(n: int) -> None:
    x = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    assert median(x) == pytest.approx(float(np.median(x.numpy())))
    assert math.isnan(median(torch.cat([x, torch.tensor([math.nan]).double()])))


@pytest.mark.parametrize(("ahead", "rows"), [(15, 15), (70, 100), (60, 100), (50, 100)])
def test_sign_test_is_never_surer_than_the_exact_one(ahead: int, rows: int) -> None:
    signs = torch.tensor([1.0] * ahead + [-1.0] * (rows - ahead)).double()
    exact = float(binomtest(ahead, rows).pvalue)
    assert exact <= sign_test(signs) <= min(1.0, 20 * exact)


def test_sign_test_counts_groups_not_rows() -> None:
    signs = torch.ones(400, dtype=torch.float64)
    assert sign_test(signs) < 1e-80
    assert sign_test(signs, torch.arange(400) // 100) == pytest.approx(2 * math.exp(-2))
    assert sign_test(signs, stream=True) > 1e-7
    assert sign_test(torch.zeros(5).double()) == 1.0
