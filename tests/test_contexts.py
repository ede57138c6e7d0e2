"""What nets are shown of a context: z-scores in any unit, held at the rim where no training context was."""

import numpy as np
import pytest
import torch

from loglik.contexts import ContextReader
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
