"""Heads: probabilities that sum to one, samples that follow them, encodings that nets can read."""

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal

from loglik.heads import BernoulliHead, CategoricalHead, NormalHead, head_for
from loglik.spaces import Category, Integer, Real, Space

pytestmark = pytest.mark.usefixtures("float64")


def test_bernoulli() -> None:
    params, x = torch.randn(50, 3, 1), torch.randint(2, (50, 3))
    truth = Bernoulli(logits=params.squeeze(-1)).log_prob(x.double())
    torch.testing.assert_close(BernoulliHead().log_prob(params, x), truth)


@pytest.mark.parametrize("levels", [3, 50])
def test_categorical(levels: int) -> None:
    head = CategoricalHead(levels, ordered=True)
    params, x = torch.randn(50, 3, levels), torch.randint(levels, (50, 3))
    torch.testing.assert_close(head.log_prob(params, x), Categorical(logits=params).log_prob(x))


def test_normal() -> None:
    params, x = torch.randn(50, 3, 2), torch.randn(50, 3)
    scale = torch.exp(7.0 * torch.tanh(params[..., 1] / 7.0))
    torch.testing.assert_close(NormalHead().log_prob(params, x), Normal(params[..., 0], scale).log_prob(x))


@pytest.mark.parametrize("levels", [2, 3, 7])
def test_samples_follow_the_probabilities(levels: int) -> None:
    head = head_for(Integer((1,), levels))
    params = torch.randn(1, head.params)
    x = torch.arange(levels)
    p = head.log_prob(params.expand(levels, -1), x).exp()
    assert float(p.sum()) == pytest.approx(1.0, abs=1e-12)
    n = 40_000
    found = torch.bincount(head.sample(params.expand(n, -1)), minlength=levels) / n
    assert float(((found - p).abs() / (p * (1 - p) / n).sqrt()).max()) < 5


def test_draws_of_a_normal_are_as_wide_as_its_density() -> None:
    head = NormalHead()
    params = torch.tensor([0.7, -1.3])
    scale = torch.exp(7.0 * torch.tanh(params[1] / 7.0))
    drawn = head.sample(params.expand(40_000, 2))
    assert float(drawn.mean()) == pytest.approx(0.7, abs=5.0 * float(scale) / 200.0)
    assert float(drawn.std()) == pytest.approx(float(scale), rel=0.02)


def test_extreme_outputs_stay_finite() -> None:
    for scale in (1e3, 1e6):
        assert torch.isfinite(BernoulliHead().log_prob(torch.tensor([[scale]]), torch.tensor([0]))).all()
        assert torch.isfinite(CategoricalHead(3, ordered=False).log_prob(scale * torch.eye(3), torch.arange(3))).all()
        assert torch.isfinite(NormalHead().log_prob(torch.tensor([[0.0, -scale]]), torch.tensor([0.1]))).all()


@pytest.mark.parametrize(
    "space", [Integer((4,), 2), Integer((4,), 5), Integer((4,), 256), Category((4,), 50), Real((4,))]
)
def test_encodings_tell_values_apart(space: Space) -> None:
    head = head_for(space)
    levels = getattr(space, "levels", 9)
    values = torch.arange(levels)
    encoded = head.encode(values, torch.float64)
    assert encoded.shape == (levels, head.inputs)
    assert len(torch.unique(encoded, dim=0)) == levels
    if not isinstance(space, Real):
        assert float(encoded.abs().max()) <= 1.0
