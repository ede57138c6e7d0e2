"""Scores: units, claims, paired differences, and rows that are not finite."""

import math
from dataclasses import replace

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


def test_groups_and_streams_are_said_with_what_the_error_comes_from() -> None:
    rows = score(torch.linspace(-9, -1, 60).tolist())
    groups, stream = replace(rows, groups=torch.arange(60) // 6), replace(rows, stream=True)
    assert rows.error.by == "rows"
    assert "+- over" not in str(rows)
    assert "60 events, +- over 10 groups" in str(groups)
    assert f"+- over {stream.error.units} blocks" in str(stream)
    assert groups.stderr > 2 * rows.stderr  # neighbours are alike: ten groups, not sixty rows
    assert stream.stderr > 2 * rows.stderr
    assert groups.bits_per_dim_stderr == pytest.approx(groups.stderr / (2 * math.log(2)))
    assert rows == groups  # what compares is what was scored, and how


def test_a_record_says_how_sure_it_is() -> None:
    values = [-3.0, -1.0, -2.5, -2.0, -4.0, -1.5]
    fields = replace(score(values), groups=torch.tensor([0, 0, 1, 1, 2, 2])).to_json()
    assert (fields["stderr_by"], fields["stderr_units"]) == ("groups", 3)
    assert fields["interval"][0] < fields["nats"] < fields["interval"][1]
    assert fields["median"] == -2.25
    assert fields["carried_by"] is None
    assert fields["strangest"] == [[4, -4.0], [0, -3.0], [2, -2.5], [3, -2.0], [5, -1.5]]


def test_one_row_that_rules_the_mean_is_named() -> None:
    values = torch.linspace(1.0, 2.0, 320)
    values[200] = -1399.0
    s = score(values.tolist(), space=Real((2,)))
    assert s.stderr > 4.0
    assert s.median == pytest.approx(1.5, abs=0.01)
    assert "1 row carries the mean (99 % of the squared deviations); median 1.49" in str(s)
    assert s.to_json()["carried_by"] == 1
    assert s.strangest(1) == [(200, -1399.0)]
    assert "carries" not in str(score(torch.linspace(1.0, 2.0, 320).tolist()))


def test_strangest_rows_begin_with_those_that_are_not_finite() -> None:
    s = score([-1.0, -7.0, float("nan"), -2.0])
    assert [row for row, _ in s.strangest(2)] == [2, 1]
    assert len(s.strangest(9)) == 4
    told = "row 3 (nan), row 2 (-7.00), row 4 (-2.00), row 1 (-1.00)"
    assert s.strangest_in_words() == f"strangest rows, counted from 1, in nats: {told}"
    assert "none" in score([-2.0] * 9).strangest_in_words()


def test_rows_that_are_not_finite_are_listed_and_never_dropped() -> None:
    s = score([-1.0, float("nan"), -1.0, -math.inf])
    assert s.not_finite == [1, 3]
    assert not math.isfinite(s.nats)
    assert "2 rows are not finite, first 2, 4 (counted from 1)" in str(s)


def test_paired_difference_is_sharper_than_either_score() -> None:
    hard_and_easy = torch.linspace(-100, 0, 50).tolist()
    a, b = score([v + 0.1 for v in hard_and_easy]), score(hard_and_easy)
    assert (a - b).nats == pytest.approx(0.1)
    assert (a - b).stderr < 1e-12 < a.stderr
    assert (b - a).nats == -(a - b).nats


def test_differences_are_taken_by_group_too() -> None:
    a = replace(score([-1.0, -1.2, -3.0, -3.1, -2.0, -2.3]), groups=torch.tensor([0, 0, 1, 1, 2, 2]))
    b = replace(a, values=a.values - torch.tensor([0.3, 0.3, 0.1, 0.1, 0.2, 0.2]))
    assert (a - b).error.units == 3
    assert (a - b).stderr == pytest.approx(0.1 / math.sqrt(3))
    assert (-(a - b)).stderr == (a - b).stderr
    assert (-(a - b)).nats == -(a - b).nats
    assert "paired over 6 rows, +- over 3 groups" in str(a - b)


@pytest.mark.parametrize("size", [1.0, 1e6])
def test_a_lead_within_rounding_is_none(size: float) -> None:
    values = [size * (-100.0 - row) for row in range(50)]
    for rounding in (1e-15, 1e-13):
        assert not (score(values) - score([v * (1 + rounding) for v in values])).significant
    assert (score(values) - score([v * (1 + 1e-10) for v in values])).significant


def test_equal_differences_need_as_many_rows_as_a_test_of_their_signs() -> None:
    for rows, sure in ((2, False), (5, False), (6, True)):
        assert (score([-1.0] * rows) - score([-2.0] * rows)).significant is sure


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (score([1.0, 2.0], space=Real((2,))), "mass"),
        (score([1.0, 2.0], space=Integer((2,), 17)), "events differ"),
        (score([1.0, 2.0], rows="others"), "different rows"),
        (score([1.0, 2.0], rows="r-other"), "different contexts"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(other: Score, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        score([1.0, 2.0], rows="r-contexts") - other


def test_a_score_without_contexts_stands_beside_one_with_them() -> None:
    assert (score([1.0, 2.0], rows="r-contexts") - score([1.0, 3.0], rows="r")).nats == -0.5


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
