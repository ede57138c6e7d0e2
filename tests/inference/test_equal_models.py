"""Two models that are equally good are told apart about as often as 95 % intervals promise: in one trial of twenty."""

import torch
from torch import Tensor

from loglik import ExactModel, Real, evaluate

TRIALS, ROWS = 400, 60


class Column(ExactModel):
    """A model whose log-likelihood of a row is one of its values: what a simulation wants it to be."""

    def __init__(self, column: int) -> None:
        super().__init__(Real((2,)))
        self.column = column

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.events(x, context)[:, self.column]

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return torch.randn(n, 2)


def test_equal_models_are_seldom_told_apart_and_unequal_ones_often() -> None:
    a, b = Column(0), Column(1)
    found = {0.0: 0, 1.0: 0}
    for trial in range(TRIALS):
        generator = torch.Generator().manual_seed(trial)
        rows = torch.randn(ROWS, 2, generator=generator)
        for lead in found:
            x = rows + torch.tensor([lead, 0.0])
            found[lead] += (evaluate(a, x) - evaluate(b, x)).significant
    assert 0.02 * TRIALS < found[0.0] < 0.08 * TRIALS
    assert found[1.0] > 0.95 * TRIALS
