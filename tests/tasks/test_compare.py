"""Comparing: names and fitted models, one set of rows, errors that stop nobody else."""

import math

import pytest
import torch

import loglik
from loglik import Claim, Integer, Model, Real, build, compare, fit
from loglik.data import Memory, split_source
from loglik.errors import UnknownName, UsageError
from loglik.models.baselines.histogram import Histogram
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.tasks.comparison import Entrant


def test_names_are_built_fitted_and_scored_on_the_same_rows() -> None:
    seen: list[Entrant] = []
    result = compare(["uniform", "histogram", "made"], "ising", steps=20, done=seen.append)
    assert {e.name for e in seen} == {"uniform", "histogram", "made"}
    assert len({s.score.rows for s in result.standings}) == 1
    assert result.entrant("uniform").score.bits_per_dim == pytest.approx(1.0)
    assert result.truth is not None
    for standing in result.standings:
        regret = result.truth - standing.score
        assert regret.nats > -3 * regret.stderr


def test_fitted_models_are_scored_as_they_are() -> None:
    x = torch.randint(3, (300, 2))
    model = build("histogram", Integer((2,), 3))
    fit(model, x)
    before = model.theta.clone()
    result = compare({"mine": model, "zoo's": "uniform"}, x)
    assert torch.equal(model.theta, before)
    assert result.entrant("mine").score.nats == loglik.evaluate(model, result.data.test).nats
    assert result.entrant("zoo's").score.nats == pytest.approx(-2 * math.log(3))


def test_models_that_nobody_fitted_are_fitted_in_place_and_named_so() -> None:
    """Rows of N(3, 1): both find the entropy of the truth; scored as they were built they lose 9 nats and more."""
    x = 3.0 + torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    entropy = 1.0 + math.log(2 * math.pi)
    models = {"by steps": build("maf", Real((2,)), hidden=(16,)), "closed form": build("gaussian", Real((2,)))}
    raw = [loglik.evaluate(model, x).nats for model in models.values()]
    result = compare(models, x, steps=200)
    assert max(raw) < -entropy - 5
    for name, model in models.items():
        entrant = result.entrant(name)
        assert entrant.model is model
        assert model.fitted
        assert entrant.history is not None
        assert entrant.score.nats == pytest.approx(-entropy, abs=0.15)
    again = compare(models, x, steps=200)
    assert all(again.entrant(name).history is None for name in models)
    assert [s.score.nats for s in again.standings] == [s.score.nats for s in result.standings]


def test_an_unfitted_model_of_other_events_is_listed_and_stops_no_other() -> None:
    result = compare({"three": build("gaussian", Real((3,))), "two": build("gaussian", Real((2,)))}, torch.randn(50, 2))
    assert "Expected" in result.entrant("three").error
    assert result.entrant("two").score is not None


def test_a_comparison_prints_its_leaderboard() -> None:
    result = compare(["uniform", "histogram"], "digits")
    lines = str(result).splitlines()
    assert lines[0] == "digits: Integer(1, 8, 8) with 17 levels, 359 held-out rows; less is better"
    assert lines[1].endswith(" (seed 0): 1258 train, 180 valid, 359 test")
    assert lines[3].split()[:4] == ["model", "bits/dim", "+-", "claim"]
    assert f"= {math.log2(17):.4f}" in str(result)
    assert repr(result) == "Comparison(digits: 2 models on 359 held-out rows)"


def test_a_density_of_the_same_integers_is_not_ranked_with_a_mass() -> None:
    x = torch.randint(3, (300, 2))
    density = build("gaussian", Real((2,)))
    fit(density, x.float())
    result = compare([density, "uniform", "histogram"], x)
    assert result.standings[-1].name == "gaussian"
    assert "density" in result.standings[-1].verdict


def test_no_fit_takes_the_time_of_the_others() -> None:
    result = compare(["gmm", "made"], "digits", budget="6s", samples=1)
    assert result.entrant("gmm").seconds < 5
    assert result.entrant("made").seconds > 2.5  # its half of the budget, whatever the machine makes of it
    assert result.entrant("made").history.steps > 1


def test_unknown_names_are_refused_before_anything_is_fitted() -> None:
    with pytest.raises(UnknownName, match="'made'"):
        compare(["histogram", "nade"], "digits")
    with pytest.raises(UsageError, match="at least one"):
        compare([], "digits")


STEPS = {"ppca": 1, "gmm": 10, "vae": 400, "made": 150, "realnvp": 100, "nsf-coupling": 60, "pixelcnn": 90}


@pytest.mark.parametrize("name", STEPS)
def test_every_trained_model_beats_the_histogram_on_digits(name: str) -> None:
    """The first bar of the demo, in a few steps of each; the other baselines are there to be beaten."""
    result = compare(["histogram", name], "digits", steps=STEPS[name], samples=8)
    ahead = result.entrant(name).score - result.entrant("histogram").score
    assert ahead.decided, str(ahead)
    exact = name in ("made", "pixelcnn")
    assert result.entrant(name).score.claim is (Claim.EXACT if exact else Claim.LOWER_BOUND)


def test_same_seed_same_comparison() -> None:
    first, second = (compare(["made", "vae"], "digits", steps=10, samples=2) for _ in range(2))
    assert [s.score.nats for s in first.standings] == [s.score.nats for s in second.standings]


def test_a_registered_model_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    from loglik import zoo

    monkeypatch.setattr(zoo, "ZOO", dict(zoo.ZOO))
    loglik.register("flat", lambda space: build("uniform", space))
    assert compare(["flat"], "ising").entrant("flat").score.bits_per_dim == pytest.approx(1.0)
    with pytest.raises(UsageError, match="already"):
        loglik.register("made", lambda space: build("uniform", space))


def test_by_default_only_models_of_p_given_c_enter_where_there_are_contexts() -> None:
    c = torch.rand(60, 1, dtype=torch.float64)
    rows = Memory(Real((1,)), c + torch.randn(60, 1).double(), c, Real((1,)))
    result = compare(None, split_source("rows", rows), steps=1)
    assert {e.name for e in result.entrants} >= {"vae", "made", "realnvp", "nsf"}
    assert not [e.name for e in result.entrants if e.error]
    assert compare(["gaussian"], split_source("rows", rows)).entrant("gaussian").error  # asked for, it is told why not


def test_a_model_that_uses_up_the_memory_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*arguments: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(GaussianMixture, "log_prob", too_much)
    result = compare(["gaussian", "gmm"], torch.randn(60, 2), steps=3)
    assert result.entrant("gaussian").score is not None
    assert result.entrant("gmm").error.startswith("The memory was used up.")


class Faulty(Histogram):
    """A mistake while it scores."""

    def log_prob(self, x: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        return torch.zeros(2) @ torch.zeros(3)


def unbuilt(space: Integer) -> Model:
    return {}["no such key"]


def test_mistakes_in_models_of_the_users_own_stop_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from loglik import zoo

    monkeypatch.setattr(zoo, "ZOO", dict(zoo.ZOO))
    loglik.register("unbuilt", unbuilt)
    models = {"faulty": Faulty(Integer((3,), 4), smoothing=1.0), "unbuilt": "unbuilt", "uniform": "uniform"}
    result = compare(models, torch.randint(0, 4, (60, 3)))
    assert result.entrant("uniform").score is not None
    for name, cause in {"faulty": "RuntimeError: ", "unbuilt": "KeyError: 'no such key'"}.items():
        error = result.entrant(name).error
        assert cause in error
        assert "(test_compare.py, line " in error
        assert error in str(result)
