"""Runs of an earlier loglik load and score the same rows the same. `python -m tests.recorded --strict` looks closer."""

import json
import math

import pytest
import torch
from recorded_cases import RECORDED
from recording import RUNS, difference, differences, recorded, scores

import loglik
from loglik.zoo import ZOO

# Differences by the largest number recorded. Rounding is 6e-8 in float32 and 1e-16 in float64, and a score adds up that
# of some hundred operations. Between AVX-512 and the instructions of SSE, one thread and two, the largest difference of
# any run was 7e-7, and 2e-14 in float64: both of solvers, which enlarge it. An altered formula shows in the latter.
SINGLE, DOUBLE = 1e-5, 1e-12
# What depends on torch's generator and on many steps is compared by `--strict` alone: one level drawn otherwise, for a
# number next to the border between two, changes all that follow.
STRICT_ONLY = ("sample", "double.sample", "history", "weights")


def beyond_rounding(found: dict[str, float]) -> dict[str, float]:
    judged = {name: value for name, value in found.items() if name not in STRICT_ONLY}
    return {name: value for name, value in judged.items() if value > (DOUBLE if "double" in name else SINGLE)}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_run_scores_the_same(name: str) -> None:
    model = loglik.load(RUNS / name)
    told = json.loads((RUNS / name / "run.json").read_text())
    assert str(model.claim) == told["claim"]
    assert model.space.to_json() == told["model"]["space"]
    assert not beyond_rounding(differences(model, recorded(name)))


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_draws_are_events(name: str) -> None:
    """And the draws of now: (n, *event), in the space."""
    model, then = loglik.load(RUNS / name), recorded(name)
    context = None if model.context is None else then["context"][: len(then["sample"])]
    with torch.no_grad():
        now = model.sample(len(then["sample"]), context)
    assert now.shape == then["sample"].shape
    for draws in (now, then["sample"], then["double.sample"]):
        assert torch.isfinite(model.space.events(draws)).all()


@pytest.mark.parametrize("name", [name for name in RECORDED if name != "uniform"])
def test_an_altered_weight_is_seen(name: str) -> None:
    """A thousandth of the largest weight, in the float64 scores of the first tensor whose weights scores depend on."""
    then = recorded(name)
    for place in range(len(list(loglik.load(RUNS / name).state_dict()))):
        model = loglik.load(RUNS / name).double()
        tensor = list(model.state_dict().values())[place]
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        with torch.no_grad():
            flat = tensor.flatten()
            flat[flat.abs().argmax()] *= 1.001
            tensor.copy_(flat.reshape(tensor.shape))
        now = {f"double.{key}": value for key, value in scores(model, then["x"], then.get("context")).items()}
        if beyond_rounding({key: difference(value, then[key]) for key, value in now.items()}):
            return
    raise AssertionError("no weight of this run changes its scores")


def test_every_model_of_the_zoo_is_recorded() -> None:
    assert {case.model_name for case in RECORDED.values()} >= set(ZOO)
    assert {folder.name for folder in RUNS.iterdir() if folder.is_dir()} == set(RECORDED)


def test_differences_are_by_the_largest_number_and_never_lost() -> None:
    then = torch.tensor([2.0, -4.0, math.nan])
    assert difference(then, then) == 0.0
    assert difference(torch.tensor([2.0, -4.2, math.nan]), then) == pytest.approx(0.05)
    assert difference(torch.tensor([math.nan, -4.0, math.nan]), then) == math.inf
    assert difference(torch.tensor([2.0, -4.0, 0.0]), then) == math.inf
    assert difference(then[:2], then) == math.inf
