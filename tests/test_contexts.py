"""What nets are shown of a context: z-scores in any unit, held at the rim where no training context was."""

import numpy as np
import pytest
import torch

from loglik.contexts import ContextReader
from loglik.contract import ExactModel
from loglik.errors import ContextError
from loglik.spaces import Category, Real

ROWS = np.random.default_rng(0).normal([1.7e9, 3e-9], [400.0, 1e-12], (500, 2))


def reader() -> ContextReader:
    read = ContextReader(Real((2,)))
    read.measure(torch.from_numpy(ROWS))
    return read


def test_real_contexts_are_read_as_z_scores() -> None:
    z = (ROWS - ROWS.mean(0)) / ROWS.std(0)
    read = reader()(torch.from_numpy(ROWS), torch.float32)
    assert read.dtype == torch.float32
    assert read.numpy() == pytest.approx(z, abs=1e-5)
    assert reader().inverse(torch.from_numpy(z)).numpy() == pytest.approx(ROWS, rel=1e-9, abs=0.0)


def test_a_context_far_from_all_others_is_read_as_ten_deviations_away() -> None:
    far = torch.from_numpy(ROWS.mean(0) + np.array([[1e6, -1e6], [1e300, 11.0]]) * ROWS.std(0))
    assert reader()(far, torch.float64).tolist() == [[10.0, -10.0], [10.0, 10.0]]


def test_labels_are_read_as_they_are() -> None:
    read = ContextReader(Category((1,), 3))
    read.measure(torch.tensor([[2], [2], [1]]))
    assert read(torch.tensor([[2], [0]]), torch.float32).tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


class Careless(ExactModel):
    """A normal that looks at no context, and checks none."""

    def log_prob(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        return -0.5 * (x.square() + torch.log(torch.tensor(2.0 * torch.pi))).sum(1)

    def sample(self, n: int, context: torch.Tensor | None = None) -> torch.Tensor:
        return torch.randn(n, *self.space.shape)


def test_a_context_is_asked_for_and_refused_whatever_log_prob_does_with_it() -> None:
    x, context = torch.zeros(4, 1), torch.zeros(4, 1)
    alone, given = Careless(Real((1,))), Careless(Real((1,)), Real((1,)))
    assert torch.equal(alone.log_likelihood(x), given.log_likelihood(x, context))
    for model, wrong in ((alone, context), (given, None), (given, context[:3])):
        with pytest.raises(ContextError):
            model.log_likelihood(x, wrong)
