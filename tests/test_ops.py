"""The tensor functions that every layer shares."""

import math

import pytest
import torch

from loglik.ops import log_mean_exp


@pytest.mark.parametrize("shift", [0.0, -2000.0, 2000.0])
def test_the_log_of_a_mean_keeps_every_term_wherever_they_lie(shift: float) -> None:
    """Log weights of images lie at thousands below 0, where exp is 0."""
    t = torch.tensor([[-1.0, 0.0, -2.0], [-3.0, -3.0, -3.0]], dtype=torch.float64) + shift
    truth = [math.log((math.exp(-1) + 1 + math.exp(-2)) / 3) + shift, -3.0 + shift]
    torch.testing.assert_close(log_mean_exp(t, dim=1), torch.tensor(truth, dtype=torch.float64))
    torch.testing.assert_close(log_mean_exp(t.T, dim=0), torch.tensor(truth, dtype=torch.float64))
