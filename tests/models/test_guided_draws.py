"""Guided draws follow p^(1/temperature), or p among the k likeliest levels, as counted by hand."""

import pytest
import torch

from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.spaces import Integer
from loglik.zoo import build

SHARE = torch.tensor([0.1, 0.5, 0.15, 0.25], dtype=torch.float64)
DRAWS = 20_000


def counted(**guidance: float) -> torch.Tensor:
    """The shares of levels among draws from a new model, which has the marginal of its data."""
    model = build("made", Integer((1,), 4), hidden=(4,)).double()
    assert isinstance(model, Autoregressive)
    model.initialize(torch.arange(4).repeat_interleave((4_000 * SHARE).round().long())[:, None])
    drawn = model.sample_guided(DRAWS, **guidance)  # type: ignore[arg-type]
    return torch.bincount(drawn.flatten(), minlength=4).double() / DRAWS


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_temperature_is_a_power_of_the_probabilities(temperature: float) -> None:
    truth = SHARE ** (1.0 / temperature)
    torch.testing.assert_close(counted(temperature=temperature), truth / truth.sum(), atol=0.02, rtol=0)


def test_the_likeliest_levels_keep_their_proportions() -> None:
    truth = torch.tensor([0.0, 0.5, 0.0, 0.25], dtype=torch.float64) / 0.75
    torch.testing.assert_close(counted(top_k=2), truth, atol=0.02, rtol=0)


def test_both_at_once() -> None:
    truth = torch.tensor([0.0, 0.25, 0.0, 0.0625], dtype=torch.float64) / 0.3125
    torch.testing.assert_close(counted(top_k=2, temperature=0.5), truth, atol=0.02, rtol=0)
