"""The leaderboard as text."""

import torch

from loglik import Claim, Comparison, Real, Score
from loglik.data import Dataset, Memory
from loglik.tasks.comparison import Entrant, leaderboard

SPACE = Real((1,))
X = torch.randn(40, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def compared(values: dict[str, torch.Tensor], groups: torch.Tensor | None = None) -> str:
    rows = Memory(SPACE, X, groups=groups)
    entrants = [Entrant(n, score=Score(v, SPACE, Claim.EXACT, groups=groups)) for n, v in values.items()]
    return leaderboard(Comparison(Dataset("toy", rows, rows, rows, {}), entrants))


def test_what_the_errors_come_from_is_said_once() -> None:
    values = {"a": X[:, 0], "b": X[:, 0] - 1.0 + 0.1 * X[:, 0].flip(0)}
    assert compared(values, torch.arange(40) // 4).count("\nerrors +- over 10 groups") == 1
    assert "errors" not in compared(values)


def test_means_that_few_rows_carry_are_said_below_the_table() -> None:
    far = X[:, 0].clone()
    far[3] = -1399.0
    text = compared({"a": X[:, 0], "far": far})
    assert "\nfar: 1 row carries the mean (99 % of the squared deviations); median " in text
    assert "a: 1 row" not in text
