"""Dead leaves: the sizes of discs, and the covariance of pixels that the theory of occlusion predicts."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import kstest

from loglik.data import open_dataset
from loglik.data.synthetic.dead_leaves import DeadLeaves
from loglik.errors import UsageError
from loglik.spaces import Integer


def lens(r: float, d: float) -> float:
    """The area that two discs of radius r share at distance d."""
    if d >= 2.0 * r:
        return 0.0
    return 2.0 * r * r * math.acos(d / (2.0 * r)) - 0.5 * d * math.sqrt(4.0 * r * r - d * d)


def same_leaf(leaves: DeadLeaves, d: float) -> float:
    """P(two points at distance d show one leaf) = g(d) / (2 g(0) - g(d)), g the mean area of a disc and its shift.

    The topmost disc that covers either of them covers both; Lee, Mumford, Huang 2001, section 3.
    """
    a, b = leaves.smallest, leaves.largest
    breaks = [d / 2.0] if a < d / 2.0 < b else None
    g_d = quad(lambda r: r**-3 * lens(r, d), a, b, points=breaks)[0]
    g_0 = math.pi * math.log(b / a)
    return g_d / (2.0 * g_0 - g_d)


@pytest.mark.parametrize("leaves", [DeadLeaves(12, noise=0.0), DeadLeaves(12, 2.0, 9.0, noise=10.0)], ids=str)
def test_covariance_of_pixels_is_what_theory_says(leaves: DeadLeaves) -> None:
    n = 3000
    x = leaves.sample(n, torch.Generator().manual_seed(0))[:, 0].double()
    contrast = (255.0 - 6.0 * leaves.noise) ** 2 / 12.0
    centred = x - 127.5
    for down, right in [(0, 0), (0, 1), (3, 0), (0, 5), (4, 3), (10, 5)]:
        pairs = centred[:, : 12 - down, : 12 - right] * centred[:, down:, right:]
        each = pairs.mean((1, 2))
        expected = contrast * same_leaf(leaves, math.hypot(down, right))
        if down == right == 0:
            expected = contrast + leaves.noise**2
        assert abs(float(each.mean()) - expected) < 4.0 * float(each.std()) / n**0.5 + 0.2, (down, right)


def test_every_place_is_alike() -> None:
    """No edge: discs that fall outside and reach inside are there as often as they should be."""
    x = DeadLeaves(8).sample(6000, torch.Generator().manual_seed(1))[:, 0].double()
    sides = (x[:, :, 1:] == x[:, :, :-1]).double().mean(0)
    error = (sides.mean() * (1.0 - sides.mean()) / 6000).sqrt()
    assert float((sides - sides.mean()).abs().max() / error) < 4.5


def test_radii_follow_the_power_law_weighted_by_reach() -> None:
    leaves = DeadLeaves(16)
    radii = leaves._radii(20_000, torch.Generator().manual_seed(0)).double().numpy()
    grid = np.geomspace(1.0, 32.0, 20_001)
    middle = 0.5 * (grid[1:] + grid[:-1])
    mass = np.concatenate([[0.0], np.cumsum(middle**-3 * (15.0 + 2.0 * middle) ** 2 * np.diff(grid))])
    assert kstest(radii, lambda r: np.interp(r, grid, mass / mass[-1])).pvalue > 1e-3


def test_the_same_seed_gives_the_same_images() -> None:
    leaves = DeadLeaves(5)
    first, again, other = (leaves.sample(700, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (700, 1, 5, 5)


def test_built_in() -> None:
    data = open_dataset("dead-leaves")
    assert data.space == Integer((1, 16, 16), 256)
    assert (data.train.rows, data.valid.rows, data.test.rows) == (20_000, 2_000, 4_000)
    data.space.events(data.test.x)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"smallest": 0.0}, {"largest": 1.0}, {"noise": -1.0}, {"noise": 50.0}])
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="Expected size"):
        DeadLeaves(**wrong)  # type: ignore[arg-type]
