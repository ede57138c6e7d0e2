"""The ranking says no more than the numbers do."""

import math

import pytest
import torch

from loglik import Claim, Integer, Real, Score
from loglik.spaces import Space
from loglik.tasks.ranking import rank

SPACE = Integer((4,), 5)
NOISE = torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def score(nats: float, claim: Claim, space: Space = SPACE, spread: float = 0.1) -> Score:
    values = nats + spread * NOISE
    return Score(values, space, claim, 4 if claim is Claim.LOWER_BOUND else None, "rows")


def test_a_bound_that_beats_exact_values_has_surely_won() -> None:
    first, second = rank({"exact": score(-5.0, Claim.EXACT, spread=0.2), "bound": score(-4.0, Claim.LOWER_BOUND)})
    assert (first.name, first.place, first.open, first.verdict) == ("bound", 1, False, "first, for sure")
    assert (second.name, second.place, second.open) == ("exact", 2, False)
    assert second.verdict == "behind bound"
    assert second.behind is not None
    assert second.behind.nats == pytest.approx(1.0, abs=0.05)


def test_a_bound_that_loses_is_undecided() -> None:
    first, second = rank({"exact": score(-4.0, Claim.EXACT, spread=0.2), "bound": score(-5.0, Claim.LOWER_BOUND)})
    assert first.verdict == "leads; surely ahead of 0 of 1"
    assert second.open
    assert second.verdict.startswith("undecided")


def test_differences_within_two_standard_errors_are_level() -> None:
    other = Score(-4.0 + 0.1 * NOISE.flip(0), SPACE, Claim.EXACT, None, "rows")
    _, second = rank({"a": score(-4.0, Claim.EXACT), "b": other})
    assert second.verdict.startswith("level with")


def test_pairing_decides_what_single_errors_could_not() -> None:
    """Rows differ by tens of nats, models by a tenth on every row."""
    a, b = score(-4.0, Claim.EXACT, spread=30.0), score(-4.1, Claim.EXACT, spread=30.01)
    assert abs(a.nats - b.nats) < a.stderr
    assert rank({"a": a, "b": b})[1].verdict.startswith("behind a")


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (score(-1.0, Claim.EXACT, Real((4,))), "mass"),
        (score(-1.0, Claim.EXACT, Integer((4,), 9)), "events differ"),
        (score(-1.0, Claim.ESTIMATE), "estimate"),
        (Score(torch.full((200,), -math.inf, dtype=torch.float64), SPACE, Claim.EXACT, None, "rows"), "not finite"),
        (Score(torch.zeros(200, dtype=torch.float64), SPACE, Claim.EXACT, None, "other rows"), "different rows"),
    ],
)
def test_what_cannot_be_compared_is_not_ranked_and_told_why(odd: Score, reason: str) -> None:
    standings = rank({"odd": odd, "a": score(-4.0, Claim.EXACT), "b": score(-6.0, Claim.EXACT)})
    assert [s.place for s in standings] == [1, 2, None]
    assert standings[2].name == "odd"
    assert standings[2].verdict.startswith("not ranked: ")
    assert reason in standings[2].verdict


def test_nothing_to_rank() -> None:
    assert rank({}) == []
    assert rank({"only": score(-1.0, Claim.ESTIMATE)})[0].place is None
    assert rank({"only": score(-1.0, Claim.EXACT)})[0].verdict == "alone"
