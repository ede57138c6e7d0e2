"""Levels keep their values, however many there are: none wraps around in a type too narrow for it."""

import numpy as np
import pytest
import torch

from loglik import Integer
from loglik.data import as_source


@pytest.mark.parametrize("levels", [2, 255, 256, 257, 300, 65_536, 100_000])
@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_the_highest_level_is_read_as_it_is(levels: int, kind: type) -> None:
    values = np.array([[0, levels - 1], [levels // 2, 1]], dtype=kind)
    rows = as_source(values, space=Integer((2,), levels)).read()
    assert torch.equal(rows.x.long(), torch.from_numpy(values.astype(np.int64)))
