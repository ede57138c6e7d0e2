"""Each toy has mass 1, and its sampler draws from its own density; both checks fail when they should."""

import functools
import math

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from loglik.data.synthetic.plane import Blurred, Toy
from loglik.data.synthetic.toys import TOYS, Checkerboard, Rings, load_toy

EDGE, FINE, CELL = 6.0, 0.0625, 8  # quadrature on [-6, 6]^2; chi-square cells are 8 x 8 of its points
ACCEPT = 1e-4  # the probability that a right sampler is refused; the seeds are fixed
NAMES = sorted(TOYS)


@functools.cache
def cell_masses(name: str) -> Tensor:
    """The mass of each cell by the midpoint rule, (24, 24)."""
    at = torch.arange(-EDGE, EDGE, FINE, dtype=torch.float64) + FINE / 2
    mass = TOYS[name][0]().log_density(torch.cartesian_prod(at, at)).exp() * FINE**2
    side = len(at) // CELL
    return mass.reshape(side, CELL, side, CELL).sum(dim=(1, 3))


def p_value(x: Tensor, mass: Tensor) -> float:
    """Of Pearson's chi-square of the counts per cell; cells that expect fewer than 5 are one."""
    side = len(mass)
    ij = ((x + EDGE) / (FINE * CELL)).floor().long().clamp(0, side - 1)
    counts = torch.bincount(ij[:, 0] * side + ij[:, 1], minlength=side * side).double()
    expected = mass.flatten() * len(x)
    full = expected >= 5
    counts = torch.cat([counts[full], counts[~full].sum()[None]])
    expected = torch.cat([expected[full], expected[~full].sum()[None].clamp_min(1e-9)])
    statistic = ((counts - expected).square() / expected)[expected > 0.5].sum()
    return float(chi2.sf(float(statistic), int((expected > 0.5).sum()) - 1))


def draws(toy: Toy, n: int = 20_000) -> Tensor:
    return toy.sample(n, torch.Generator().manual_seed(7))


@pytest.mark.parametrize("name", NAMES)
def test_mass_is_one(name: str) -> None:
    assert float(cell_masses(name).sum()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_samples_follow_the_density(name: str) -> None:
    assert p_value(draws(TOYS[name][0]()), cell_masses(name)) > ACCEPT


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_sampler_is_refused(name: str) -> None:
    assert p_value(draws(TOYS[name][0]()) * 1.05, cell_masses(name)) < ACCEPT


def test_a_density_without_its_determinant_is_refused() -> None:
    mass = cell_masses("pinwheel") * 4.0  # the scale's log-determinant left out
    assert float(mass.sum()) != pytest.approx(1.0, abs=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_draws_have_finite_log_density_in_float64(name: str) -> None:
    toy = TOYS[name][0]()
    log_p = toy.log_density(draws(toy).float())
    assert log_p.dtype == torch.float64
    assert log_p.shape == (20_000,)
    assert bool(torch.isfinite(log_p).all())


def test_one_blurred_point_is_a_normal() -> None:
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    expected = torch.distributions.Normal(0.0, 0.5).log_prob(x).sum(dim=1)
    torch.testing.assert_close(Blurred(torch.zeros(1, 2), 0.5).log_density(x), expected)


def test_rings_far_away_do_not_overflow() -> None:
    log_p = Rings().log_density(torch.tensor([[50.0, 0.0], [0.0, 0.0]]))
    assert bool(torch.isfinite(log_p).all())
    assert float(log_p[0]) == pytest.approx(-0.5 * 470.0**2, rel=1e-3)


def test_checkerboard_edges_and_outside() -> None:
    board = Checkerboard()
    x = torch.tensor([[-4.0, -4.0], [4.0, 4.0], [-3.0, -1.0], [5.0, 5.0], [-2.0, -2.0]])
    inside = board.log_density(x).isfinite()
    assert inside.tolist() == [True, True, False, False, True]
    assert float(board.log_density(x)[0]) == -math.log(32.0) == -board.entropy


def test_load_toy_is_fixed_and_its_parts_differ() -> None:
    data, again = load_toy("moons"), load_toy("moons")
    assert (data.train.rows, data.valid.rows, data.test.rows) == (100_000, 2000, 10_000)
    assert torch.equal(data.test.x, again.test.x)
    assert not torch.equal(data.valid.x, data.test.x[:2000])
    assert data.test.x.dtype == torch.float32
    assert data.split["seeds"] == {"train": 0, "valid": 1, "test": 2}
    assert data.log_density is not None
    assert data.log_density(data.test.x).shape == (10_000,)
