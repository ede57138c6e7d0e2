"""Runs of models that have other names now: they load as what they were."""

import json

import pytest
from recording import RUNS

import loglik
from loglik.runs.former import renewed


@pytest.mark.parametrize("kind", ["realnvp", "ffjord"])
def test_a_run_of_images_is_one_of_the_model_of_images(kind: str) -> None:
    told = json.loads((RUNS / f"{kind}-images" / "run.json").read_text())["model"]
    assert told["name"] == kind
    assert told["hyperparameters"]["images"] is True
    recipe = loglik.load(RUNS / f"{kind}-images").recipe
    assert recipe is not None
    assert recipe["name"] == f"{kind}-images"
    assert not {"images", "dropout"} & recipe["hyperparameters"].keys()


def test_what_had_no_effect_is_left_out_and_all_else_stays() -> None:
    given = {"layers": None, "hidden": [8], "width": 4, "scales": 2, "dropout": 0.5, "norm": "batch"}
    images = renewed({"name": "realnvp", "space": {}, "hyperparameters": {**given, "images": True}})
    assert images == {
        "name": "realnvp-images", "space": {}, "hyperparameters": {"width": 4, "scales": 2, "norm": "batch"},
    }  # fmt: skip
    vectors = renewed({"name": "realnvp", "space": {}, "hyperparameters": {**given, "images": False}})
    assert vectors["hyperparameters"] == {"hidden": [8], "dropout": 0.5, "norm": "batch"}


@pytest.mark.parametrize(
    ("name", "given"), [("realnvp", {"width": 4}), ("ffjord", {"images": "yes"}), ("maf", {"images": True})]
)
def test_other_records_stay_as_they_are(name: str, given: dict[str, object]) -> None:
    model = {"name": name, "space": {}, "hyperparameters": given}
    assert renewed(model) is model
