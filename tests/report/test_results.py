"""RESULTS.md is what the recorded runs say, and nothing else."""

import json
from pathlib import Path

import pytest
from recipes.__main__ import RESULTS_MD
from recipes.recipe import read, recipes, record, run
from recipes.table import results

RECIPE = """
title = "A tiny recipe"
data = "moons"
models = ["gaussian", "ppca"]
budget = "5s"
samples = 2
note = "For the test."

[published.gaussian]
value = -3.30
kind = "exact"
source = "Nobody 2020"
"""

BENCHMARK = {
    "row": "em", "rounds": 3, "ms": {"loglik": 2.0, "peer": 8.0}, "values": {}, "missing": {"other": "not installed"},
    "ratios": {"peer": {"median": 4.0, "min": 3.5, "max": 4.5, "bar": 2.0, "reached": True}},
    "agreement": {"peer": {"relative_difference": 1e-12}}, "versions": {"peer": "1.0"}, "cpu": "a processor",
    "threads": 2, "date": "2026-01-02T03:04:05", "command": "python -m benchmarks em",
}  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "tiny.toml").write_text(RECIPE)
    recipe = read(folder / "tiny.toml")
    record(recipe, run(recipe), folder / "results")
    return folder


def written(folder: Path) -> str:
    return results(folder, folder / "results", folder / "benchmarks")


def test_measured_stands_beside_published(tiny):
    text = written(tiny)
    assert "| moons | gaussian | = -3.302 +- 0.006 nats | exact | -3.30 | exact | 10000 |" in text
    assert "    loglik compare moons --models gaussian,ppca --budget 5s --samples 2 --seed 0\n" in text
    assert "Published: Nobody 2020." in text
    assert "thread" in text


def test_the_same_records_give_the_same_text(tiny):
    assert written(tiny) == written(tiny)


def test_benchmarks_have_their_own_table(tiny):
    (tiny / "benchmarks").mkdir()
    (tiny / "benchmarks" / "em.json").write_text(json.dumps(BENCHMARK))
    text = written(tiny)
    ratio = "| em | 2.0 ms | peer 1.0 | 4.00x | 2.00x: reached | 3.5 to 4.5 in 3 rounds | 1e-12 "
    assert ratio + "| a processor, 2 threads | 2026-01-02 |" in text
    missed = {"peer": {**BENCHMARK["ratios"]["peer"], "bar": 5.0, "reached": False}}
    (tiny / "benchmarks" / "em.json").write_text(json.dumps({**BENCHMARK, "ratios": missed}))
    assert "| 4.00x | 5.00x: not reached |" in written(tiny)
    assert "| em | 2.0 ms | other | not installed |" in text


def test_a_mistyped_entry_is_refused(tmp_path):
    (tmp_path / "wrong.toml").write_text(RECIPE.replace("budget", "buget"))
    with pytest.raises(TypeError, match="buget"):
        read(tmp_path / "wrong.toml")


def test_the_recipes_can_be_read():
    assert {"uniform-cifar10", "gaussian-cifar10", "gaussian-mnist", "digits"} <= recipes().keys()


def test_results_md_is_not_edited_by_hand():
    assert RESULTS_MD.read_text() == results(), "RESULTS.md differs from the recorded runs: run `make results`."
