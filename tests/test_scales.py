"""Where columns lie and how far they spread, against numpy's mean and deviation of the rows that count."""

import numpy as np
import pytest
import torch

from loglik.scales import centre_and_scale

NORMAL = np.random.default_rng(0).normal([3.0, -50.0], [0.5, 7.0], (3000, 2))


def found(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centre, scale = centre_and_scale(torch.from_numpy(x))
    return centre.numpy(), scale.numpy()


@pytest.mark.parametrize("rows", [2, 3, 3000])
def test_without_values_far_out_they_are_mean_and_deviation(rows: int) -> None:
    centre, scale = found(NORMAL[:rows])
    assert centre == pytest.approx(NORMAL[:rows].mean(0), rel=1e-12)
    assert scale == pytest.approx(NORMAL[:rows].std(0), rel=1e-12)


def test_one_absurd_row_among_thousands_moves_them_little() -> None:
    x = NORMAL.copy()
    x[7] = [1e9, -1e300]
    centre, scale = found(x)
    assert np.all(np.abs(centre - NORMAL.mean(0)) < 0.01 * NORMAL.std(0))
    assert scale == pytest.approx(NORMAL.std(0), rel=0.03)


@pytest.mark.parametrize(("others", "held"), [(1, 1e-6), (40, 0.1)])
def test_where_nearly_all_values_are_equal_the_others_make_the_scale(others: int, held: float) -> None:
    """As in counts of rare events, in any unit; the one value they share is no scale."""
    x = np.full((1000, 2), [5.0, 5e-9])
    x[:others] += np.random.default_rng(1).normal(0.0, [1e3, 1e-12], (others, 2))
    centre, scale = found(x)
    assert np.all(np.abs(centre - x.mean(0)) <= held * x.std(0))
    assert scale == pytest.approx(x.std(0), rel=max(held, 1e-3), abs=0.0)


def test_a_constant_column_has_its_value_and_no_scale() -> None:
    centre, scale = found(np.full((100, 1), 7.3e8))
    assert centre.tolist() == [7.3e8]
    assert scale.tolist() == [0.0]


@pytest.mark.parametrize(("a", "b"), [(3e-200, 0.0), (-4e5, 1.7e9), (1e150, -3e150)])
def test_both_follow_the_unit(a: float, b: float) -> None:
    x = NORMAL.copy()
    x[7] = 1e6
    (centre, scale), (moved, stretched) = found(x), found(a * x + b)
    assert moved == pytest.approx(a * centre + b, rel=1e-9, abs=0.0)
    assert stretched == pytest.approx(abs(a) * scale, rel=1e-9, abs=0.0)


def test_few_rows_and_rare_ones_count_in_full() -> None:
    """Of four rows two nearly equal ones are no scale; nor are 99.5 % of a column whose rest lies a million wide."""
    few = np.array([[0.0], [1.0], [1.0001], [2.0]])
    assert found(few)[1] == pytest.approx(few.std(0), rel=1e-12)
    random = np.random.default_rng(2)
    x = np.r_[1e-6 * random.normal(size=(2985, 1)), random.normal(size=(15, 1))]
    assert found(x)[1] == pytest.approx(x.std(0), rel=0.2)
