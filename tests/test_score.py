"""Scores: units, claims, paired differences, and rows that are not finite."""

import math

import pytest
import torch

from loglik import Claim, Integer, Real, Score
from loglik.errors import UsageError

BYTES = Integer((2,), 256)


def score(values: list[float], claim: Claim = Claim.EXACT, space: object = BYTES, rows: str = "r") -> Score:
    return Score(torch.tensor(values, dtype=torch.float64), space, claim, None, rows)  # type: ignore[arg-type]


def test_units() -> None:
    s = score([-2 * math.log(256)] * 4)
    assert s.bits_per_dim == pytest.approx(8.0, abs=1e-12)
    assert s.nats == pytest.approx(-2 * math.log(256))
    assert s.stderr == 0.0


def test_a_density_has_no_bits_and_says_that_it_may_exceed_zero() -> None:
    s = score([1.5, 2.5], space=Real((2,)))
    assert s.bits_per_dim is None
    assert "may exceed 0" in str(s)


def test_standard_error_of_the_mean() -> None:
    assert score([1.0, 2.0, 3.0, 4.0]).stderr == pytest.approx(math.sqrt(5 / 3) / 2)
    assert score([1.0]).stderr == math.inf


def test_rows_that_are_not_finite_are_listed_and_never_dropped() -> None:
    s = score([-1.0, float("nan"), -1.0, -math.inf])
    assert s.not_finite == [1, 3]
    assert not math.isfinite(s.nats)
    assert "2 rows are not finite" in str(s)


def test_paired_difference_is_sharper_than_either_score() -> None:
    hard_and_easy = torch.linspace(-100, 0, 50).tolist()
    a, b = score([v + 0.1 for v in hard_and_easy]), score(hard_and_easy)
    assert (a - b).nats == pytest.approx(0.1)
    assert (a - b).stderr < 1e-12 < a.stderr
    assert (b - a).nats == -(a - b).nats


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (score([1.0, 2.0], space=Real((2,))), "mass"),
        (score([1.0, 2.0], space=Integer((2,), 17)), "events differ"),
        (score([1.0, 2.0], rows="others"), "different rows"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(other: Score, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        score([1.0, 2.0]) - other


@pytest.mark.parametrize(
    ("ahead", "behind", "decided"),
    [
        (Claim.EXACT, Claim.EXACT, True),
        (Claim.LOWER_BOUND, Claim.EXACT, True),  # a bound that beats an exact value has surely won
        (Claim.EXACT, Claim.LOWER_BOUND, False),  # a bound that loses may be better in truth
        (Claim.LOWER_BOUND, Claim.LOWER_BOUND, False),
        (Claim.ESTIMATE, Claim.EXACT, False),
    ],
)
def test_who_has_surely_won(ahead: Claim, behind: Claim, decided: bool) -> None:
    assert (score([-1.0, -1.1], ahead) - score([-3.0, -3.2], behind)).decided is decided


def test_claims_compose_as_their_maximum() -> None:
    assert max(Claim.EXACT, Claim.LOWER_BOUND, Claim.ESTIMATE) is Claim.ESTIMATE


def test_a_bound_on_the_likelihood_bounds_the_bits_from_above() -> None:
    text = str(score([-1.0, -2.0], Claim.LOWER_BOUND))
    assert "probability >= -1.5" in text
    assert "bits/dim <= " in text
