"""The whole state of a training in one file: restored, the run continues bit for bit as the unbroken one would."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from loglik.errors import RunMismatch
from loglik.storage import read_tensors, write_tensors
from loglik.training.gradient import GradientTraining
from loglik.training.history import History
from loglik.training.looks import Candidate, Looks
from loglik.training.schedule import Fall

COUNTERS = ("step", "recent", "seconds", "step_seconds")
LOOK_COUNTERS = ("step", "progress", "not_better", "seconds", "last_seconds")


def save_state(path: Path, training: GradientTraining) -> None:
    """Weights, averages, best weights, optimiser moments, what streams remember, and random generators.

    Written whole or not at all.
    """
    tensors: dict[str, Tensor] = {"rng.cpu": torch.get_rng_state()}
    if training.model.device.type == "cuda":
        tensors["rng.cuda"] = torch.cuda.get_rng_state(training.model.device)
    tensors |= {f"model.{name}": t for name, t in training.model.state_dict().items()}
    if training.carried is not None:
        tensors["carried"] = training.carried
    tensors |= {f"average.{i}": t for i, t in enumerate(training.average.average)}
    for i, moments in training.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": t for name, t in moments.items()}
    looks = training.looks
    if looks is not None:
        for place, kept in enumerate(looks.candidates):
            tensors |= {f"kept.{place}.weights.{name}": t for name, t in kept.weights.items()}
            tensors[f"kept.{place}.values"] = kept.values
        if looks.highest is not None:
            tensors["highest"] = looks.highest
    about = {
        "options": dataclasses.asdict(training.options),
        "counters": {name: getattr(training, name) for name in COUNTERS},
        "batch": training.batch,
        "fall": training.fall and dataclasses.asdict(training.fall),
        "looks": looks
        and {
            "rows": looks.part.rows,
            "steps": [kept.step for kept in looks.candidates],
            "counters": {name: getattr(looks, name) for name in LOOK_COUNTERS},
        },
        "history": training.history.to_json(),
    }
    write_tensors(path, tensors, about)


def restore_state(path: Path, training: GradientTraining) -> None:
    """Put a training, newly made for the same model, data and options, where the saved one was.

    Raises:
        RunMismatch: the options are others than the saved ones. CorruptRun, PickleRefused, RunNotFound: see `storage`.
    """
    tensors, about = read_tensors(path)
    check_options(about["options"], training)
    for name, value in about["counters"].items():
        setattr(training, name, value)
    training.history = History.from_json(about["history"])
    if training.history.interrupted:
        training.history.stopped = ""
    training.model.load_state_dict(_part(tensors, "model"))
    training.batches.size = about["batch"]
    training.fall = about["fall"] and Fall(**about["fall"])
    if training.looks is not None:
        _restore_looks(training.looks, tensors, about["looks"])
    for i, average in enumerate(training.average.average):
        average.copy_(tensors[f"average.{i}"])
    carried = tensors.get("carried")
    training.carried = None if carried is None else carried.to(training.model.device)
    _restore_optimizer(training.optimizer, _part(tensors, "optimizer"))
    torch.set_rng_state(tensors["rng.cpu"])
    if "rng.cuda" in tensors and training.model.device.type == "cuda":
        torch.cuda.set_rng_state(tensors["rng.cuda"], training.model.device)


def _restore_looks(looks: Looks, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    looks.limit_rows(about["rows"])
    for name, value in about["counters"].items():
        setattr(looks, name, value)
    looks.highest = tensors.get("highest")
    for place, step in enumerate(about["steps"]):
        weights = _part(tensors, f"kept.{place}.weights")
        weights = {name: t.to(looks.model.device) for name, t in weights.items()}
        looks.candidates.append(Candidate(step, weights, tensors[f"kept.{place}.values"]))


def check_options(saved: dict[str, Any], training: GradientTraining) -> None:
    now = dataclasses.asdict(training.options)
    # When the state is saved changes nothing in the run.
    changed = [name for name in now if name != "save_seconds" and now[name] != saved.get(name)]
    if changed:
        name = changed[0]
        raise RunMismatch(
            f"Resuming continues the run as it was started: {name} was {saved.get(name)}; got {now[name]}. "
            "Leave the option out, or start a new run."
        )


def _restore_optimizer(optimizer: torch.optim.Optimizer, flat: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, t in flat.items():
        index, moment = name.split(".", 1)
        state.setdefault(int(index), {})[moment] = t
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) + 1 :]: t for name, t in tensors.items() if name.startswith(prefix + ".")}
