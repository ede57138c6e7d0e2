"""RESULTS.md and docs/results are what the recorded runs say, and nothing else; RESULTS.md names every miss first."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from recipes.recipe import read, recipes, record, run
from recipes.records import read_records
from recipes.table import results, stale, write
from recipes.verdicts import verdicts

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


SPEED, LIKELIHOODS = "docs/results/speed.md", "docs/results/likelihoods.md"


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "tiny.toml").write_text(RECIPE)
    recipe = read(folder / "tiny.toml")
    record(recipe, run(recipe), folder / "results")
    return folder


@pytest.fixture
def tiny(measured: Path) -> Path:
    """The recipe as it was measured, with no benchmarks yet."""
    (measured / "tiny.toml").write_text(RECIPE)
    for path in (*measured.glob("benchmarks/*"), *measured.glob("open.toml")):
        path.unlink()
    (measured / "benchmarks").mkdir(exist_ok=True)
    return measured


def written(folder: Path) -> dict[str, str]:
    return results(folder, folder / "results", folder / "benchmarks")


def timed(folder: Path, **entries: Any) -> dict[str, str]:
    """The texts, with one more benchmark."""
    entry = {**BENCHMARK, **entries}
    (folder / "benchmarks" / f"{entry['row']}.json").write_text(json.dumps(entry))
    return written(folder)


def ratios(bar: float | None = 2.0, **medians: float) -> dict[str, Any]:
    return {
        peer: {"median": m, "min": m - 0.5, "max": m + 0.5, "bar": bar, "reached": None if bar is None else m >= bar}
        for peer, m in medians.items()
    }


def section(text: str, title: str) -> str:
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_measured_stands_beside_published(tiny):
    text = written(tiny)[LIKELIHOODS]
    assert "| moons | gaussian | = -3.302 +- 0.006 nats | exact | -3.30 | exact | 10000 |" in text
    assert "    loglik compare moons --models gaussian,ppca --budget 5s --samples 2 --seed 0\n" in text
    assert "Published: Nobody 2020." in text
    assert "thread" in text


def test_the_same_records_give_the_same_text(tiny):
    assert written(tiny) == written(tiny)


def test_benchmarks_have_their_own_table(tiny):
    text = timed(tiny)[SPEED]
    ratio = "| em | 2.0 ms | peer 1.0 | 4.00x | 2.00x: reached | 3.5 to 4.5 in 3 rounds | 1e-12 "
    assert ratio + "| a processor, 2 threads | 2026-01-02 |" in text
    text = timed(tiny, ratios=ratios(5.0, peer=4.0))[SPEED]
    assert "| 4.00x | 5.00x: not reached |" in text
    assert "| em | 2.0 ms | other | not installed |" in text


def test_the_best_of_each_data_set_stands_beside_its_source(tiny):
    best = section(written(tiny)["RESULTS.md"], "The best of each data set")
    assert best.count("[moons]") == 1
    assert "= -2.390 +- 0.007 nats | exact, the source itself |" in best


def test_a_benchmark_is_one_line_with_its_worst_ratio(tiny):
    timed(tiny, row="em-6", ratios=ratios(2.0, peer=4.0, fast=9.0))
    text = timed(tiny, row="em-21", ratios=ratios(3.0, peer=4.5) | ratios(None, unjudged=0.1))["RESULTS.md"]
    # 4.5 of 3 is less than 4 of 2; what has no bar does not count beside what has one
    assert "| [em](docs/results/speed.md) | 4.50x | 3.00x | peer, 21 | 3 |\n" in text
    assert text.count("[em]") == 1


def test_every_miss_is_listed_and_first(tiny):
    timed(tiny, row="em-21", ratios=ratios(2.0, peer=1.5, other=0.5, third=7.0))
    timed(tiny, row="em-6", ratios=ratios(2.0, peer=1.25))
    text = timed(tiny, row="fine", ratios=ratios(2.0, peer=2.0))["RESULTS.md"]
    misses = section(text, "Not reached")
    line = "| [em](docs/results/speed.md) | 0.50x | 2.00x | other, 21 | 6: peer 1.25x; 21: peer 1.50x, other 0.50x |"
    assert line in misses
    assert "[fine]" not in misses
    assert "em-6 beside other: not installed" in misses
    assert text.index("## Not reached") < text.index("## The best") < text.index("[fine]")


def test_values_too_far_apart_are_a_miss(tiny):
    apart = {"peer": {"relative_difference": 0.3, "tolerance": 1e-3, "reached": False}}
    misses = section(timed(tiny, agreement=apart)["RESULTS.md"], "Not reached")
    assert "| values differ by 3e-01 | 1e-03 | peer |" in misses


def test_what_is_published_and_better_is_a_miss(tiny):
    assert "| gaussian |" not in section(written(tiny)["RESULTS.md"], "Not reached")  # -3.302 is the published -3.30
    (tiny / "tiny.toml").write_text(RECIPE.replace("-3.30", "-3.10"))
    misses = section(written(tiny)["RESULTS.md"], "Not reached")
    assert "| gaussian | = -3.302 +- 0.006 nats | exact | -3.10 | exact | 0.20 |" in misses


def test_a_recipe_that_nobody_ran_is_named(tiny):
    (tiny / "open.toml").write_text(RECIPE)
    assert "Recipes without a run: `open`." in section(written(tiny)["RESULTS.md"], "Not reached")


def test_no_recorded_number_is_lost():
    """Every score and every ratio of the records stands in a page; every miss stands in RESULTS.md."""
    texts, records = results(), read_records()
    likelihoods, misses = texts[LIKELIHOODS], section(texts["RESULTS.md"], "Not reached")
    for recipe, found in records.runs:
        rows = [row for row in likelihoods.splitlines() if row.startswith("|") and f"(#{recipe.name})" in row]
        assert len(rows) == len(found["standings"]) + bool(found.get("truth"))
        assert all(f"| {one['name']} |" in row for one, row in zip(found["standings"], rows, strict=False))
    for entry in records.timed:
        for one in entry["ratios"].values():
            assert f"| {one['median']:.2f}x |" in texts[SPEED]
    for name, entries, kind in (("libraries", records.learned, "libraries"), ("solvers", records.solved, "accuracy"),
                                ("memory", records.weighed, "peaks")):  # fmt: skip
        there = [row for row in texts[f"docs/results/{name}.md"].splitlines() if row.startswith("| ")]
        assert len(there) == 2 + sum(len(entry[kind]) for entry in entries)
    judged = verdicts(records)
    assert all(math.isfinite(one.margin) for one in judged)
    for one in judged:
        if one.reached is False:
            line = next(row for row in misses.splitlines() if row.startswith(f"| [{one.benchmark}]"))
            assert f"{one.beside} {one.measured}" in line
            assert f"{one.size}:" in line or not one.size


def test_the_summary_is_short():
    """A line for each data set, each benchmark and each kind of miss, and few besides."""
    text, records = results()["RESULTS.md"], read_records()
    lines = sum(line.startswith("| [") for line in text.splitlines())
    worse = section(text, "Not reached").split("| benchmark |")[0].count("| [")
    data = {run["data"]["name"] for _, run in records.runs}
    assert lines == worse + len(data) + len({one.benchmark for one in verdicts(records)})
    assert len(text.splitlines()) <= lines + 35


def test_a_mistyped_entry_is_refused(tmp_path):
    (tmp_path / "wrong.toml").write_text(RECIPE.replace("budget", "buget"))
    with pytest.raises(TypeError, match="buget"):
        read(tmp_path / "wrong.toml")


def test_the_recipes_can_be_read():
    assert {"uniform-cifar10", "gaussian-cifar10", "gaussian-mnist", "digits"} <= recipes().keys()


def test_results_are_not_edited_by_hand():
    assert stale(results()) == [], "These differ from the recorded runs: run `make results`."


def test_pages_without_records_are_removed(tmp_path):
    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "docs" / "results" / "old.md").write_text("Of records that are gone.")
    texts = {"RESULTS.md": "a", "docs/results/speed.md": "b"}
    assert stale(texts, tmp_path) == ["RESULTS.md", "docs/results/old.md", "docs/results/speed.md"]
    write(texts, tmp_path)
    assert stale(texts, tmp_path) == []
    assert not (tmp_path / "docs" / "results" / "old.md").exists()


def test_a_predictive_is_to_be_ahead_by_two_standard_errors(tiny):
    def told(stderr: float) -> dict[str, str]:
        ahead = {"nats": 3.0, "stderr": stderr, "median": 0.5}
        entry = {
            "paired": "t-8", "data": "t", "rows": 8, "dims": 4, "split": "half", "date": "2026-01-02", "command": "few",
            "base": {"name": "ml", "nats": -9.0, "stderr": 0.5},
            "others": {"bayes": {"nats": -6.0, "stderr": 0.25, "ahead": ahead, "bar": True}},
        }  # fmt: skip
        (tiny / "benchmarks" / "few.json").write_text(json.dumps(entry))
        return written(tiny)

    assert (
        "| t | 8 | 4 | bayes | -6.000 +- 0.250 | ml | +3.000 +- 1.000 | +0.500 |"
        in told(1.0)["docs/results/few-rows.md"]
    )
    assert "few rows, bayes" not in section(told(1.0)["RESULTS.md"], "Not reached")
    assert "few rows, bayes" in section(told(2.0)["RESULTS.md"], "Not reached")
