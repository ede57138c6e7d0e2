"""Evaluation: every row counts, whatever the batches, and the claim comes along."""

import math

import numpy as np
import pytest
import torch

import loglik
from loglik import Claim, Integer, Real, build, evaluate
from loglik.data import Memory, open_dataset
from loglik.errors import ContextError, NotFinite, OutsideSpace, ShapeMismatch, UsageError
from loglik.inference import evaluate as module


def test_uniform_on_digits_is_exactly_log2_17() -> None:
    digits = open_dataset("digits")
    score = evaluate(build("uniform", digits.space), digits)
    assert score.bits_per_dim == pytest.approx(math.log2(17), abs=1e-12)
    assert score.stderr == pytest.approx(0.0, abs=1e-12)
    assert score.events == 359
    assert f"{score.bits_per_dim:.3f}" == "4.087"


def test_batches_do_not_change_the_score_and_the_ragged_last_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randint(5, (103, 4))
    model = build("made", Integer((4,), 5), hidden=(8,)).double()
    whole = evaluate(model, x)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 16)
    pieces = evaluate(model, x)
    assert whole.events == pieces.events == 103
    assert torch.allclose(whole.values, pieces.values, atol=1e-12)
    assert whole.rows == pieces.rows
    assert whole.nats == pytest.approx(float(model.log_likelihood(x).detach().mean()), abs=1e-12)


def test_a_row_without_finite_score_makes_the_score_not_finite() -> None:
    class Half(loglik.ExactModel):
        def log_prob(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
            return torch.log((self.events(x) > 0).float().prod(1))

        def sample(self, n: int, context: torch.Tensor | None = None) -> torch.Tensor:
            return torch.rand(n, 1)

    score = evaluate(Half(Real((1,))), torch.tensor([[1.0], [-1.0], [2.0]]))
    assert score.not_finite == [1]
    assert score.nats == -math.inf


def test_samples_tighten_a_bound_and_are_recorded() -> None:
    model = build("gaussian", Integer((3,), 4))
    x = torch.randint(4, (200, 3))
    loglik.fit(model, x)
    one, many = evaluate(model, x, samples=1), evaluate(model, x, samples=64)
    assert one.claim is many.claim is Claim.LOWER_BOUND
    assert (one.samples, many.samples) == (1, 64)
    assert many.nats > one.nats
    assert "K=64" in str(many)


def test_exact_models_have_nothing_to_sample() -> None:
    assert evaluate(build("uniform", Integer((2,), 3)), torch.zeros(4, 2, dtype=torch.int64), samples=9).samples is None


def test_same_seed_same_score_and_the_callers_generator_is_left_alone() -> None:
    model = build("vae", Integer((3,), 4), hidden=(8,))
    x = torch.randint(4, (20, 3))
    before = torch.get_rng_state()
    a, b = evaluate(model, x, seed=3), evaluate(model, x, seed=3)
    assert torch.equal(a.values, b.values)
    assert not torch.equal(a.values, evaluate(model, x, seed=4).values)
    assert torch.equal(before, torch.get_rng_state())


def test_the_mode_of_the_model_comes_back() -> None:
    model = build("made", Real((2,)), hidden=(4,))
    model.train()
    evaluate(model, torch.randn(5, 2))
    assert model.training


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (torch.zeros(4, 3), ShapeMismatch),
        (torch.tensor([[0.0, -float("inf")]]), NotFinite),
        (np.array([[np.inf, 0.0]]), NotFinite),
    ],
)
def test_rows_that_are_no_events_of_a_real_space(x: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        evaluate(build("gaussian", Real((2,))), x)


def test_levels_outside_the_space_are_refused() -> None:
    with pytest.raises(OutsideSpace):
        evaluate(build("uniform", Integer((2,), 3)), torch.tensor([[0, 3]]))


def test_context_is_needed_or_refused_by_name() -> None:
    conditional = build("made", Integer((2,), 3), hidden=(4,), context=loglik.Category((), 2))
    x, c = torch.randint(3, (6, 2)), torch.randint(2, (6,))
    with pytest.raises(ContextError, match="context"):
        evaluate(conditional, x)
    assert evaluate(conditional, Memory(conditional.space, x, c, conditional.context)).events == 6
    assert evaluate(conditional, x, context=c).events == 6


def test_scores_under_other_contexts_are_not_of_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    space, labels = Integer((2,), 3), loglik.Category((), 2)
    conditional = build("made", space, hidden=(4,), context=labels)
    x, c = torch.randint(3, (40, 2)), torch.randint(2, (40,))
    score = evaluate(conditional, x, context=c)
    with pytest.raises(UsageError, match="under different contexts"):
        score - evaluate(conditional, x, context=1 - c)
    with pytest.raises(UsageError, match="on different rows"):
        score - evaluate(conditional, 2 - x, context=c)
    assert score.rows == Memory(space, x, c, labels).fingerprint
    # What takes no context is one and the same under all.
    marginal = build("uniform", space)
    assert (score - evaluate(marginal, x)).error.units == 40
    assert (score - evaluate(marginal, x, context=c)).error.units == 40
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 16)
    assert evaluate(conditional, x, context=c).rows == score.rows


def test_groups_and_streams_of_the_data_come_along() -> None:
    space = Integer((2,), 3)
    x, groups = torch.randint(3, (40, 2)), torch.arange(40) // 8
    model = build("histogram", space)
    loglik.fit(model, x)
    by_group = evaluate(model, Memory(space, x, groups=groups))
    assert (by_group.error.by, by_group.error.units) == ("groups", 5)
    assert evaluate(model, Memory(space, x, stream=True)).error.by == "blocks"
    assert evaluate(model, x).error.by == "rows"


def test_samples_must_be_positive() -> None:
    with pytest.raises(UsageError, match="samples to be a whole number, 1 to"):
        evaluate(build("uniform", Integer((2,), 3)), torch.zeros(1, 2), samples=0)
