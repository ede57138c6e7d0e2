"""Markov text by enumeration: mass 1, the stated entropy, a stationary start, a sampler that follows."""

import itertools

import pytest
import torch
from scipy.stats import chisquare

from loglik.data.synthetic.markov import MarkovText, load_markov, uneven_transition
from loglik.errors import UsageError

CASES = [(2, 1, 1), (3, 1, 5), (3, 2, 5), (2, 3, 3)]  # levels, order, length


def strings(levels: int, length: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product(range(levels), repeat=length)))


@pytest.mark.parametrize(("levels", "order", "length"), CASES)
def test_mass_and_entropy_by_enumeration(levels: int, order: int, length: int) -> None:
    text = MarkovText(uneven_transition(levels, order, seed=1), length)
    log_p = text.log_prob(strings(levels, length))
    assert float(log_p.exp().sum()) == pytest.approx(1.0, abs=1e-10)
    assert text.entropy == pytest.approx(float(-(log_p.exp() * log_p).sum()), abs=1e-10)


def test_start_is_stationary() -> None:
    text = MarkovText(uneven_transition(3, 2, seed=1), 4)
    p = text.log_prob(strings(3, 4)).exp().reshape(3, 3, 3, 3)
    torch.testing.assert_close(p.sum(dim=(2, 3)), p.sum(dim=(0, 1)), atol=1e-12, rtol=0.0)


def test_log_prob_is_the_product_of_conditionals() -> None:
    P = torch.tensor([[0.9, 0.1], [0.4, 0.6]], dtype=torch.float64)
    text = MarkovText(P, 3)
    expected = torch.tensor([0.8 * 0.9 * 0.1], dtype=torch.float64).log()  # pi = (0.8, 0.2)
    torch.testing.assert_close(text.log_prob(torch.tensor([[0, 0, 1]])), expected)


def test_samples_follow_the_probabilities_and_only_them() -> None:
    text, other = (MarkovText(uneven_transition(3, 2, seed), 4) for seed in (1, 2))
    x = text.sample(20_000, torch.Generator().manual_seed(0)).long()
    counts = torch.bincount((x * 3 ** torch.arange(3, -1, -1)).sum(dim=1), minlength=81)

    def p_value(source: MarkovText) -> float:
        expected = source.log_prob(strings(3, 4)).exp() * 20_000
        likely = expected >= 5
        observed = torch.cat([counts[likely].double(), counts[~likely].sum()[None].double()])
        wanted = torch.cat([expected[likely], expected[~likely].sum()[None]])
        return float(chisquare(observed.numpy(), wanted.numpy()).pvalue)

    assert p_value(text) > 1e-4
    assert p_value(other) < 1e-4


def test_load_markov_has_its_entropy() -> None:
    data = load_markov()
    assert data.log_density is not None
    assert data.entropy is not None
    log_p = data.log_density(data.test.x)
    error = float(log_p.std()) / 100.0
    assert abs(-float(log_p.mean()) - data.entropy) < 4.0 * error
    data.space.events(data.test.x)


def test_shorter_than_the_order_is_refused() -> None:
    with pytest.raises(UsageError, match="order"):
        MarkovText(uneven_transition(2, 2, seed=0), 1)
