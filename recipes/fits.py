"""A recipe of single fits, each with hyperparameters and options of its own, in run folders that can be resumed."""

import json
import shlex
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from loglik.data import Dataset, open_dataset
from loglik.errors import RunError
from loglik.inference.randomness import seeded
from loglik.runs.run import RUN, Run, count_parameters
from loglik.tasks.compare import build_for
from loglik.tasks.comparison import SAMPLES, Comparison
from loglik.tasks.fitting import fit_run
from loglik.training.fit import fit as train

RUNS = Path(__file__).parent.parent / "runs"
ROWS_TRIED = 2  # in a step of a recipe that is only tried
NAMED_OPTIONS = ("steps", "epochs", "budget", "batch", "lr", "precision")  # options of `fit` that have a flag


@dataclass(frozen=True)
class Fit:
    """One model of the zoo, how it is built and how it is trained; `label` tells two fits of one model apart."""

    model: str
    label: str = ""
    set: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.label or self.model

    def command(self, data: str, context: bool, seed: int) -> str:
        """The command that does the same."""
        words = ["loglik", "fit", data, "--model", self.model, "--seed", str(seed)]
        words += ["--context", "label"] if context else []
        for key, value in self.set.items():
            words += ["--set", f"{key}={spelled(value)}"]
        for key, value in self.options.items():
            words += [f"--{key}", str(value)] if key in NAMED_OPTIONS else ["--option", f"{key}={value}"]
        return shlex.join(words)


def run_fits(name: str, fits: list[Fit], data: str, *, context: bool, seed: int, device: str) -> dict[str, Any]:
    """Fit, or go on with, every run of a recipe in runs/NAME-LABEL: the record of all of them."""
    dataset = open_dataset(data, seed=seed, context=context)
    started = time.perf_counter()
    standings = [_standing(fit, dataset, RUNS / f"{name}-{fit.name}", data, context, seed, device) for fit in fits]
    about = {"name": dataset.name, "space": dataset.space.to_json(), "split": dataset.split}
    truth = Comparison(dataset).truth
    seconds = time.perf_counter() - started
    return {"data": about, "standings": standings, "failed": [], "seconds": seconds,
            "truth": None if truth is None else truth.to_json()}  # fmt: skip


def try_fits(fits: list[Fit], data: str, *, context: bool, seed: int, device: str, steps: int) -> list[str]:
    """Each fit for a few steps of few rows, unrecorded, to see that it starts: a line on each."""
    dataset = open_dataset(data, seed=seed, context=context)
    few = replace(dataset, valid=dataset.valid.subset(torch.arange(1)))
    lines = []
    for fit in fits:
        with seeded(seed):
            hyperparameters = {key: spelled(value) for key, value in fit.set.items()}
            model = build_for(fit.model, dataset, hyperparameters).to(torch.device(device))
        untimed = {key: value for key, value in fit.options.items() if key not in ("budget", "epochs", "steps")}
        brief = {"seed": seed, "steps": steps, "batch": ROWS_TRIED, "evaluations": 1}
        history = train(model, few, **{**untimed, **brief})
        rate = history.seconds / max(1, history.steps)
        lines.append(
            f"{fit.name}: {count_parameters(model)} parameters, {history.steps} steps, {rate:.2f} s each, "
            f"training {history.rows[-1].nats:.1f} nats per event"
        )
    return lines


def _standing(
    fit: Fit, data: Dataset, folder: Path, source: str, context: bool, seed: int, device: str
) -> dict[str, Any]:
    resume = (folder / RUN).exists()
    processor = time.process_time()
    run = fit_run(
        data,
        folder,
        source=source,
        model=fit.model,
        hyperparameters={key: spelled(value) for key, value in fit.set.items()},
        options={"seed": seed, **fit.options},
        resume=resume,
        samples=SAMPLES,
        command=fit.command(source, context, seed),
        device=torch.device(device),
    )
    if not run.record["scores"]:
        raise RunError(f"{folder} was interrupted before it was scored. Run the recipe again to go on with it.")
    history = run.record["fit"]["history"]
    spent = time.process_time() - processor
    return {
        "name": fit.name,
        "command": fit.command(source, context, seed),
        "score": run.record["scores"][0],
        "fit_seconds": history["seconds"],
        "cpu_seconds": _kept(run, spent),
        "stopped": history["stopped"],
        "steps": history["steps"],
        "valid_nats": history["best_nats"],
        "parameters": count_parameters(run.model()),
    }


def _kept(run: Run, spent: float) -> float:
    """Processor seconds of the whole fit and its scoring, over all the times it was taken up again."""
    path = run.folder / "processor.json"
    total = spent + (json.loads(path.read_text())["seconds"] if path.exists() else 0.0)
    path.write_text(json.dumps({"seconds": total}))
    return total


def spelled(value: Any) -> str:
    """A hyperparameter as the command spells it."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
