"""The leaderboard and the strangest rows as text."""

import torch

from loglik import Claim, Comparison, Real, Score
from loglik.cli.leaderboard import leaderboard, strangest
from loglik.data import Dataset, Memory
from loglik.tasks.compare import Entrant

SPACE = Real((1,))
X = torch.randn(40, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def compared(values: dict[str, torch.Tensor], groups: torch.Tensor | None = None) -> str:
    rows = Memory(SPACE, X, groups=groups)
    entrants = [Entrant(n, score=Score(v, SPACE, Claim.EXACT, groups=groups)) for n, v in values.items()]
    return leaderboard(Comparison(Dataset("toy", rows, rows, rows, {}), entrants))


def test_what_the_errors_come_from_is_said_once() -> None:
    values = {"a": X[:, 0], "b": X[:, 0] - 1.0 + 0.1 * X[:, 0].flip(0)}
    assert "40 held-out rows, +- over 10 groups; log density" in compared(values, torch.arange(40) // 4)
    assert "40 held-out rows; log density" in compared(values)


def test_means_that_few_rows_carry_are_said_below_the_table() -> None:
    far = X[:, 0].clone()
    far[3] = -1399.0
    text = compared({"a": X[:, 0], "far": far})
    assert "\nfar: 1 row carries the mean (99 % of the squared deviations); median " in text
    assert "a: 1 row" not in text


def test_strangest_rows_are_counted_from_1_and_left_out_where_all_are_equal() -> None:
    text = strangest(Score(torch.tensor([0.5, -7.25, float("nan"), 1.0]), SPACE, Claim.EXACT))
    assert text == "strangest, in nats: row 3 (nan), row 2 (-7.25), row 1 (0.50), row 4 (1.00); rows are counted from 1"
    assert strangest(Score(torch.full((9,), -2.0), SPACE, Claim.EXACT)) == ""
