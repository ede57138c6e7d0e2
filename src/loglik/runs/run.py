"""A run is a folder: `model.safetensors`, `run.json`, `history.csv`, and whatever a task adds. Never a pickle.

run.json is what a run says of itself: the builder's name and hyperparameters, the space, where the data came from and
how they were split, the options and the seed, the versions, the scores, and the command that made it.
"""

import csv
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from loglik.arguments.allocations import Allocations
from loglik.arguments.memory import check_memory
from loglik.contract import Model
from loglik.errors import (
    CorruptRun,
    NewerRun,
    OlderRun,
    PickleRefused,
    RunNotFound,
    TooLarge,
    UsageError,
)
from loglik.hyperparameters import with_defaults
from loglik.nets.causal import CausalNet
from loglik.output.folder import new_folder
from loglik.output.manifest import Manifest, adopt, check_own, strangers, write_own
from loglik.promises import check_model
from loglik.records import Record
from loglik.runs.building import AGAIN, TooMany, check_draws, few_tensors, outline, rebuilt
from loglik.runs.former import renewed
from loglik.runs.record import RECORD
from loglik.spaces import Space
from loglik.storage.reading import Kind, is_pickle, read_json, read_kinds, read_tensors, read_text
from loglik.storage.schema import check, shown
from loglik.storage.weights import check_weights, put_weights
from loglik.storage.writing import write_json, write_tensors
from loglik.training.history import History, Step
from loglik.version import __version__
from loglik.zoo import entry

SMALL, TIMES = 1 << 26, 8  # bytes, and times the weights, that building a model may take without a closer look
FORMAT = 2  # of the folder; raised when another loglik could not read it
RUN, WEIGHTS, HISTORY, STATE = "run.json", "model.safetensors", "history.csv", "training.safetensors"
ROWS = "rows.safetensors"  # see `tasks.unseen`


def save(model: Model, folder: str | Path, about: Mapping[str, object] | None = None) -> Path:
    """Write a model of the zoo to a folder, from which `load` brings back the same scores, bit for bit.

    Args:
        about: further entries of run.json, JSON-able.

    Raises:
        UsageError: the model was not made by `build`. WriteFailed: see `output.manifest.write_own`.

    >>> import tempfile, torch, loglik
    >>> model = loglik.build("made", loglik.Integer((4,), levels=3), hidden=(8,))
    >>> with tempfile.TemporaryDirectory() as place:
    ...     folder = loglik.save(model, f"{place}/model")
    ...     sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    ['model.safetensors', 'run.json']
    """
    folder = _path(folder)
    record = {**describe(model), **(about or {})}

    def write(place: Path) -> None:
        write_tensors(place / WEIGHTS, model.state_dict(), {"model": record["model"]["name"]})
        write_json(place / RUN, record)

    if os.path.lexists(folder):
        check_own(folder / WEIGHTS, folder / RUN)  # both before either is written
        write(folder)
        return folder
    with new_folder(folder) as output:
        write(output.draft)
        return output.finish()


def describe(model: Model) -> Record:
    """The entries of run.json that describe the model alone."""
    check_model(model)
    recipe = model.recipe
    if recipe is None:
        raise UsageError(
            "Expected a model made by `build`, whose recipe is saved with it. For a model of your own, "
            "`loglik.register` its builder under a name and build it by that name."
        )
    values = with_defaults(entry(recipe["name"]).load(), recipe["hyperparameters"])
    values = {k: v.to_json() if isinstance(v, Space) else v for k, v in values.items()}
    drawn = {"posterior": recipe["posterior"]} if "posterior" in recipe else {}
    return {
        "format": FORMAT,
        "model": {"name": recipe["name"], "space": recipe["space"].to_json(), "hyperparameters": values, **drawn},
        "claim": str(model.claim),
        "parameters": count_parameters(model),
        **receptive_field(model),
        "versions": versions(),
    }


def load(folder: str | Path) -> Model:
    """The model saved in a folder, in evaluation mode.

    Raises:
        RunNotFound, CorruptRun, NewerRun, OlderRun, PickleRefused: what is there is no run that this version can read.
        TooLarge: the model does not fit into memory.

    >>> import tempfile, torch, loglik
    >>> model = loglik.build("made", loglik.Integer((4,), levels=3), hidden=(8,))
    >>> with tempfile.TemporaryDirectory() as place:
    ...     again = loglik.load(loglik.save(model, f"{place}/model"))
    >>> x = torch.tensor([[0, 1, 2, 1]])
    >>> bool(again(x) == model(x))
    True
    """
    folder = _path(folder)
    record = read_record(folder)
    if not (folder / WEIGHTS).exists() and record.get("status") == "training":
        raise RunNotFound(
            f"The run at {folder} is not finished. Continue it with `loglik fit DATA -o {folder} --resume`."
        )
    place = str(folder / WEIGHTS)
    kinds = read_kinds(folder / WEIGHTS)
    size = sum(kind.size for kind in kinds.values())
    check_memory(2.0 * size, place, "Score on a larger machine.")
    check_draws(record, len(kinds), folder / RUN)
    try:
        with few_tensors(len(kinds)):
            model = _built(record, folder, kinds, SMALL + TIMES * size)
    except TooMany:
        raise CorruptRun(
            f"Expected {folder / RUN} to describe the model of the {len(kinds)} tensors in {place}; it describes one "
            f"of many more. {AGAIN}"
        ) from None
    check_weights(model, kinds, place)
    tensors, _ = read_tensors(folder / WEIGHTS)
    put_weights(model, tensors, place, assign=True)
    return model.eval()


def _built(record: Record, folder: Path, kinds: Mapping[str, Kind], limit: float) -> Model:
    """The model before it has its weights, of these kinds: `limit` bytes are built without a closer look."""
    place = str(folder / WEIGHTS)
    try:  # what the builder draws is replaced by the saved tensors
        with Allocations(place, "Restore it, or fit again.", limit=limit):
            return rebuilt(record, folder / RUN, 0)
    except TooMany:
        raise
    except TooLarge:  # far more than its weights: compare its outline with them before building it
        outlined = outline(record)
        if outlined is not None:
            check_weights(outlined, kinds, place)
        return rebuilt(record, folder / RUN, 0)


def _path(folder: str | Path) -> Path:
    told: str | bytes | None = os.fspath(folder) if isinstance(folder, str | os.PathLike) else None
    if not told or isinstance(told, bytes) or "\0" in told:  # "" would be the folder we are in
        raise UsageError(f"Expected the path of a folder for a run; got {shown(folder)}.")
    return Path(folder)


def read_record(folder: Path) -> Record:
    """run.json, once it is known to be one that this version understands."""
    if folder.exists() and not folder.is_dir():
        if folder.is_file() and is_pickle(folder):
            raise PickleRefused(
                f"{folder} is a pickle, and loading one may run any code. Expected the folder of a run."
            )
        raise RunNotFound(f"Expected the folder of a run; {folder} is a file. Name what `loglik fit` made.")
    if not os.path.lexists(folder / RUN) and (folder / "comparison.json").exists():
        raise RunNotFound(f"Expected the folder of one run; {folder} is a comparison. Name one in it, {folder}/MODEL.")
    if not os.path.lexists(folder / RUN):
        raise RunNotFound(f"Expected a run at {folder}; there is no {RUN}. `loglik fit DATA -o {folder}` makes one.")
    found = read_json(folder / RUN)
    version = found.get("format") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(version, int) or isinstance(version, bool):
        raise CorruptRun(f"{folder / RUN} is not the record of a run. Restore it, or fit again.")
    if version > FORMAT:
        raise NewerRun(
            f"{folder} has format {version}; this loglik {__version__} reads up to {FORMAT}. Upgrade loglik."
        )
    if version < FORMAT:
        raise OlderRun(
            f"{folder} has format {version}, of an older loglik whose models kept scales in single precision; "
            f"this loglik {__version__} reads format {FORMAT}. Fit again."
        )
    check(found, RECORD, str(folder / RUN))
    record: Record = found
    record["model"] = renewed(record["model"])
    _check_columns(record, folder)
    return record


def _check_columns(record: Record, folder: Path) -> None:
    """Raises CorruptRun where the columns of the data are not as many as the values of an event of the model."""
    columns = (record.get("data") or {}).get("columns")
    dims = math.prod(record["model"]["space"]["shape"])
    if columns is not None and len(columns) != dims:
        raise CorruptRun(
            f"Expected {folder / RUN} to name {dims} columns, as its model has; got {len(columns)}: "
            f"{shown(columns)}. It was changed. {AGAIN}"
        )


def was_changed(folder: Path) -> bool:
    """Whether somebody has changed run.json since loglik wrote it; False where no list of files tells."""
    return Manifest.of(folder) is not None and RUN in strangers(folder)


def update_record(folder: Path, **entries: object) -> Record:
    """Add or replace entries of run.json."""
    adopt_files(folder)
    record = {**read_record(folder), **entries}
    write_json(folder / RUN, record)
    return record


def adopt_files(folder: Path) -> None:
    """List the files of a run that has no manifest, one of an older loglik, as ours."""
    read_record(folder)
    adopt(folder, RUN, WEIGHTS, HISTORY, STATE, ROWS)


def read_history(folder: Path) -> list[Step]:
    """The recorded steps; none where there is no history.csv.

    Raises:
        CorruptRun: it is not as `write_history` leaves it.
    """
    if not os.path.lexists(folder / HISTORY):
        return []
    told = read_text(folder / HISTORY)
    try:
        return History.rows_from_csv(told)
    except (ValueError, TypeError, LookupError, ArithmeticError, csv.Error) as error:
        raise CorruptRun(f"{folder / HISTORY} is damaged ({error}). Restore or remove it.") from None


def write_history(folder: Path, history: History) -> None:
    write_own(folder / HISTORY, history.to_csv().encode())


def count_parameters(model: Model) -> int:
    """How many numbers the model has learned or counted: parameters, and the buffers that statistics set."""
    learned = sum(p.numel() for p in model.parameters())
    return learned or sum(b.numel() for b in model.buffers() if b.is_floating_point())


def receptive_field(model: Model) -> dict[str, int]:
    """How many values back a causal net sees, if it sees only so far."""
    fields = [part.receptive_field for part in model.modules() if isinstance(part, CausalNet) and part.receptive_field]
    return {"receptive_field": max(fields)} if fields else {}


def versions() -> dict[str, str]:
    return {
        "loglik": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
    }


@dataclass(frozen=True)
class Run:
    """A run folder, opened: its record, and its model when asked for."""

    folder: Path
    record: Record

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        return cls(_path(folder), read_record(_path(folder)))

    def model(self) -> Model:
        return load(self.folder)
