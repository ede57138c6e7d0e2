"""One recipe: read from TOML, run through the library, recorded as JSON."""

import json
import platform
import shlex
import tomllib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import torch

from loglik.data import open_dataset
from loglik.report import leaderboard_picture
from loglik.runs.run import versions
from loglik.tasks.compare import compare
from loglik.tasks.comparison import SAMPLES, Comparison
from recipes.fits import Fit, run_fits

HERE = Path(__file__).parent
RESULTS = HERE / "results"


@dataclass(frozen=True)
class Published:
    """What the literature says of a model: a value in the unit of the data (bits/dim or nats), its kind, the source."""

    value: float
    kind: str
    source: str


@dataclass(frozen=True)
class Recipe:
    """A comparison to be run, of one model or of several; `models` None takes all that suit the data."""

    name: str
    title: str
    data: str
    models: list[str] | None = None
    budget: str = "2m"
    samples: int = SAMPLES
    seed: int = 0
    note: str = ""
    picture: str = ""  # where the leaderboard is drawn, from the root of the repository
    unit: str = (
        ""  # of the table, where it is not that of the space: "nats" of -log p(x), "nats/value" of -log p(x) / D
    )
    context: bool = False  # whether the labels of the data condition the models
    device: str = "cpu"
    fits: list[Fit] = field(default_factory=list)  # single fits, in place of a comparison
    published: dict[str, Published] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command that does the same; single fits have one each."""
        if self.fits:
            return "\n".join(fit.command(self.data, self.context, self.seed) for fit in self.fits)
        models = ["--models", ",".join(self.models)] if self.models else []
        options = ["--budget", self.budget, "--samples", str(self.samples), "--seed", str(self.seed)]
        return shlex.join(["loglik", "compare", self.data, *models, *options])


def read(path: Path) -> Recipe:
    """A recipe from its file; the file's name is the recipe's.

    Raises:
        TypeError: an entry that no recipe has, or one that is missing.
    """
    fields = tomllib.loads(path.read_text())
    published = {model: Published(**entry) for model, entry in fields.pop("published", {}).items()}
    fits = [Fit(**entry) for entry in fields.pop("fits", [])]
    return Recipe(name=path.stem, published=published, fits=fits, **fields)


def recipes(folder: Path = HERE) -> dict[str, Recipe]:
    return {path.stem: read(path) for path in sorted(folder.glob("*.toml"))}


def run(recipe: Recipe) -> dict[str, Any]:
    """Measure: what happened, as JSON; a comparison also draws its picture, where the recipe wants one."""
    if recipe.fits:
        return run_fits(
            recipe.name, recipe.fits, recipe.data, context=recipe.context, seed=recipe.seed, device=recipe.device
        )
    comparison = run_comparison(recipe)
    picture(recipe, comparison)
    return comparison.to_json()


def run_comparison(recipe: Recipe) -> Comparison:
    data = open_dataset(recipe.data, seed=recipe.seed)
    return compare(recipe.models, data, budget=recipe.budget, samples=recipe.samples, seed=recipe.seed)


def record(recipe: Recipe, measured: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write folder/NAME.json: the scores, the command, the machine, the time, the date and the versions."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{recipe.name}.json"
    result = {
        "recipe": recipe.name,
        "command": recipe.command,
        **measured,
        "hardware": hardware(),
        "date": date.today().isoformat(),
        "versions": versions(),
    }
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path


def picture(recipe: Recipe, comparison: Comparison, root: Path = HERE.parent) -> Path | None:
    return leaderboard_picture(comparison, root / recipe.picture) if recipe.picture else None


def hardware() -> dict[str, Any]:
    """What it ran on: the processor, the threads, the accelerator."""
    return {
        "cpu": processor(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def processor() -> str:
    """The name of the processor, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
