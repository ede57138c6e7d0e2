"""The ranking says no more than the numbers do."""

import math
from collections.abc import Callable

import numpy as np
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


def test_what_noise_explains_is_level() -> None:
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


def table(values: np.ndarray) -> dict[str, Score]:
    """Models (k, N), all exact."""
    return {str(i): Score(torch.from_numpy(v), SPACE, Claim.EXACT, None, "rows") for i, v in enumerate(values)}


def says_something(values: np.ndarray) -> bool:
    """Whether any verdict sets one model above another."""
    return any(
        word in standing.verdict
        for standing in rank(table(values))
        for word in ("behind", "ahead on", "first, for sure", "undecided")
    )


def one_far_row(generator: np.random.Generator, models: int, rows: int) -> np.ndarray:
    """Each model has one row at -1399 in every second table."""
    values = generator.normal(size=(models, rows))
    for v in values[generator.random(models) < 0.5]:
        v[generator.integers(rows)] -= 1399.0
    return values


EQUAL: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "normal": lambda g, k, n: g.normal(size=(k, n)),
    "shared rows": lambda g, k, n: 10.0 * g.normal(size=n) + g.normal(size=(k, n)),
    "unequal spread": lambda g, k, n: g.normal(size=(k, n)) * np.logspace(-2, 1, k)[:, None],
    "student 2": lambda g, k, n: g.standard_t(2, size=(k, n)),
    "student 3": lambda g, k, n: g.standard_t(3, size=(k, n)),
    "log-normal": lambda g, k, n: -g.lognormal(size=(k, n)),
    "one far row": one_far_row,
    "two values": lambda g, k, n: g.integers(2, size=(k, n)).astype(float),
}


@pytest.mark.parametrize(("models", "rows"), [(2, 2), (2, 10), (2, 1000), (10, 2), (10, 50), (20, 5), (20, 300)])
def test_equal_models_are_set_apart_in_at_most_6_percent_of_tables(models: int, rows: int) -> None:
    generator = np.random.default_rng(1)
    tables = 1000 if models == 2 else 200
    assert sum(says_something(EQUAL["normal"](generator, models, rows)) for _ in range(tables)) <= 0.06 * tables


@pytest.mark.parametrize("kind", EQUAL)
@pytest.mark.parametrize(("models", "rows"), [(2, 3), (2, 50), (5, 20), (5, 300)])
def test_equal_models_of_every_kind_are_seldom_set_apart(kind: str, models: int, rows: int) -> None:
    generator = np.random.default_rng(2)
    tables = 1500 if models == 2 else 300
    assert sum(says_something(EQUAL[kind](generator, models, rows)) for _ in range(tables)) <= 0.06 * tables


@pytest.mark.parametrize(("models", "share"), [(2, 0.95), (5, 0.92), (10, 0.86), (20, 0.76)])
def test_a_lead_of_four_standard_errors_is_found(models: int, share: float) -> None:
    """One model leads all others by 4 standard errors of each difference; the share of them found to be behind."""
    generator = np.random.default_rng(3)
    found, tables, rows = 0, 200, 200
    for _ in range(tables):
        values = generator.normal(size=(models, rows))
        values[0] += 4.0 * math.sqrt(2.0 / rows)
        found += sum(s.verdict == "behind 0" for s in rank(table(values)))
    assert found / (tables * (models - 1)) >= share


def test_models_far_behind_do_not_blunt_the_verdict_on_the_others() -> None:
    """Of 20 models 18 are hopeless; the second is 4 standard errors behind. Bonferroni over all pairs finds 64 %."""
    generator = np.random.default_rng(4)
    found = 0
    for _ in range(200):
        values = generator.normal(size=(20, 200))
        values[1] -= 4.0 * math.sqrt(2.0 / 200)
        values[2:] -= 10.0
        found += rank(table(values))[0].verdict == "first, for sure"
    assert found / 200 >= 0.93


def test_two_that_lead_together_are_not_set_apart_by_hopeless_ones() -> None:
    generator = np.random.default_rng(5)
    apart = 0
    for _ in range(1000):
        values = generator.normal(size=(6, 100))
        values[2:] -= 10.0
        apart += "level" not in rank(table(values))[1].verdict
    assert apart <= 60


def test_groups_count_as_one_row_each() -> None:
    """A hundred rows of four photographs, on each of which one model is ahead by chance."""
    generator = np.random.default_rng(6)
    groups, apart = torch.arange(100) // 25, 0
    for _ in range(400):
        values = generator.normal(size=(2, 4)).repeat(25, axis=1) + 0.1 * generator.normal(size=(2, 100))
        scores = {
            name: Score(torch.from_numpy(v), SPACE, Claim.EXACT, groups=groups)
            for name, v in zip("ab", values, strict=True)
        }
        apart += "level" not in rank(scores)[1].verdict
    assert apart <= 0.06 * 400


def test_a_lead_within_rounding_is_level() -> None:
    values = -100.0 + NOISE.numpy()
    first, second = rank(table(np.stack([values, values * (1.0 + 2e-16)])))
    assert first.verdict == "leads; surely ahead of 0 of 1"
    assert second.verdict.startswith("level with")


def test_a_mean_that_few_rows_carry_leaves_the_word_to_the_rows() -> None:
    good = 20.0 + NOISE.numpy()
    typically_better, typically_worse = good + 0.5, good - 0.5
    typically_better[7], typically_worse[7] = -1399.0, -60000.0
    verdict = rank(table(np.stack([good, typically_better])))[1].verdict
    assert verdict == "level with 0; ahead on 99 % of rows, but 1 row carries the mean"
    verdict = rank(table(np.stack([good, typically_worse])))[1].verdict
    assert verdict == "level with 0; behind on 100 % of rows, but 1 row carries the mean"


def test_rows_say_nothing_of_a_bound_that_would_be_behind() -> None:
    good = score(20.0, Claim.EXACT)
    worse = good.values - 0.5
    worse[7] = -60000.0
    bound = Score(worse, SPACE, Claim.LOWER_BOUND, 4, "rows")
    assert rank({"good": good, "bound": bound})[1].verdict == "level with good"


@pytest.mark.parametrize(
    "order", [("alone", "first", "second"), ("first", "alone", "second"), ("first", "second", "alone")]
)
def test_contexts_that_differ_are_told_apart_whatever_stands_beside(order: tuple[str, ...]) -> None:
    """A model that takes no context can be compared with either of the two others; they with each other cannot."""
    rows = {"alone": "rows", "first": "rows-a", "second": "rows-b"}
    values = -4.0 + 0.1 * NOISE
    standings = rank({name: Score(values, SPACE, Claim.EXACT, None, rows[name]) for name in order})
    assert [standing.place for standing in standings] == [1, 2, None]
    assert "alone" in {standings[0].name, standings[1].name}
    assert standings[2].verdict == "not ranked: they were scored under different contexts"
