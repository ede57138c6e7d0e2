"""What was recorded: the runs of the recipes and the measurements of the benchmarks, sorted by kind."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.recipe import HERE, RESULTS, Recipe, recipes

BENCHMARKS = HERE.parent / "benchmarks" / "results"

Record = dict[str, Any]


@dataclass(frozen=True)
class Records:
    """All records, in the order of their files' names.

    runs: recipes with what they measured   open: recipes that nobody has run yet   learned: likelihoods beside other
    libraries   timed: times beside other libraries   solved: evaluations of continuous flows   weighed: memory
    paired: predictives beside point estimates, of few rows
    """

    runs: list[tuple[Recipe, Record]]
    open: list[Recipe]
    learned: list[Record]
    timed: list[Record]
    solved: list[Record]
    weighed: list[Record]
    paired: list[Record]


def read_records(folder: Path = HERE, recorded: Path = RESULTS, benchmarks: Path = BENCHMARKS) -> Records:
    paths = [(recipe, recorded / f"{recipe.name}.json") for recipe in recipes(folder).values()]
    measured = [json.loads(path.read_text()) for path in sorted(benchmarks.glob("*.json"))]
    return Records(
        runs=[(recipe, json.loads(path.read_text())) for recipe, path in paths if path.exists()],
        open=[recipe for recipe, path in paths if not path.exists()],
        learned=[entry for entry in measured if "libraries" in entry],
        timed=[entry for entry in measured if "ratios" in entry],
        solved=[entry for entry in measured if "accuracy" in entry],
        weighed=[entry for entry in measured if "peaks" in entry],
        paired=[entry for entry in measured if "paired" in entry],
    )
