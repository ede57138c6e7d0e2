"""Ising grids by enumeration: mass 1, the stated entropy, exact draws."""

import itertools

import pytest
import torch
from scipy.stats import chisquare

from loglik.data.synthetic.ising import Ising, load_ising
from loglik.errors import UsageError

CASES = [(1, 1, 0.4, 0.3), (1, 4, 0.4, 0.0), (4, 1, 0.4, 0.1), (3, 3, 0.5, 0.2), (2, 4, -0.7, 0.1), (3, 3, 0.0, 0.0)]


def grids(height: int, width: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product((0, 1), repeat=height * width))).reshape(-1, 1, height, width)


@pytest.mark.parametrize(("height", "width", "coupling", "field"), CASES)
def test_mass_and_entropy_by_enumeration(height: int, width: int, coupling: float, field: float) -> None:
    model = Ising(height, width, coupling, field)
    log_p = model.log_prob(grids(height, width))
    assert float(log_p.exp().sum()) == pytest.approx(1.0, abs=1e-10)
    assert model.entropy == pytest.approx(float(-(log_p.exp() * log_p).sum()), abs=1e-10)


def test_two_spins_by_hand() -> None:
    model = Ising(1, 2, coupling=1.0)
    same = torch.tensor([[[[1, 1]]]])
    e = torch.tensor(1.0, dtype=torch.float64).exp()
    torch.testing.assert_close(model.log_prob(same).exp()[0], e / (2 * e + 2 / e))


def test_draws_follow_the_probabilities_and_only_them() -> None:
    model, other = Ising(3, 3, 0.4, 0.1), Ising(3, 3, 0.35, 0.1)
    x = model.sample(40_000, torch.Generator().manual_seed(0)).long().reshape(-1, 9)
    counts = torch.bincount((x * 2 ** torch.arange(8, -1, -1)).sum(dim=1), minlength=512)

    def p_value(source: Ising) -> float:
        expected = source.log_prob(grids(3, 3)).exp() * 40_000
        return float(chisquare(counts.numpy(), (expected / expected.sum() * 40_000).numpy()).pvalue)

    assert p_value(model) > 1e-4
    assert p_value(other) < 1e-4


def test_load_ising_has_its_entropy() -> None:
    data = load_ising()
    assert data.log_density is not None
    assert data.entropy is not None
    log_p = data.log_density(data.test.x)
    error = float(log_p.std()) / 100.0
    assert abs(-float(log_p.mean()) - data.entropy) < 4.0 * error
    data.space.events(data.test.x)


def test_too_wide_is_refused() -> None:
    with pytest.raises(UsageError, match="width"):
        Ising(2, 30, 0.4)
