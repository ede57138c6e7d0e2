"""Fit a model of the zoo to a data set, into a run folder that survives an interrupt or a kill at any moment."""

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from loglik.contract import Model
from loglik.data import Dataset, Reading
from loglik.data.equal_rows import repeated
from loglik.errors import CorruptRun, Diverged, RunMismatch, UsageError
from loglik.hyperparameters import checked
from loglik.inference.evaluate import evaluate, rows_for, samples_for
from loglik.inference.randomness import seeded
from loglik.output.folder import new_folder
from loglik.output.lock import locked
from loglik.output.manifest import remove_own_file
from loglik.output.place import check_place
from loglik.records import Record
from loglik.runs.building import AGAIN, rebuilt
from loglik.runs.run import (
    RUN,
    STATE,
    Run,
    adopt_files,
    describe,
    load,
    read_history,
    read_record,
    save,
    update_record,
    was_changed,
    write_history,
)
from loglik.spaces import space_from_json
from loglik.storage.reading import read_kinds, read_tensors
from loglik.storage.weights import check_weights, put_weights
from loglik.storage.writing import write_json, write_tensors
from loglik.tasks.compare import build_for
from loglik.tasks.comparison import SAMPLES
from loglik.tasks.unseen import held_out_scores, write_learnt
from loglik.training.fit import check_fit, fit
from loglik.training.gradient import Watch
from loglik.training.more import LIMITS, further, remaining
from loglik.training.options import Options
from loglik.training.precision import check_half_precision
from loglik.zoo import default_model, entry

RESUMED = {"model", "data", "fit", "status", "command"}  # the entries of run.json that resuming needs
TOLD = {"part", "text"}  # entries of every score of a fit
TRAINING, FINISHED, INTERRUPTED, DIVERGED = "training", "finished", "interrupted", "diverged"


def fit_run(
    data: Dataset,
    folder: Path,
    *,
    source: str,
    model: str | None = None,
    hyperparameters: Mapping[str, object] | None = None,
    options: Mapping[str, object] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    samples: int = SAMPLES,
    command: str = "",
    watch: Watch | None = None,
    begin: Callable[[], None] | None = None,
    device: torch.device | None = None,
) -> Run:
    """Fit, score on the test part, and leave a run at `folder`; interrupted, it is a valid run that can be resumed.

    Args:
        source: the name or path the data were opened by; written into the run.
        model: a name of the zoo; by default the one that suits the space.
        begin: called when the work begins, as nothing speaks against it.
        options: of `fit`. On resuming, what was written into the run holds; what is given must agree. Only a finished
            run may be given more steps, epochs or budget than it had: see `training.more`.

    Raises:
        RunMismatch: `folder` holds something already, or a run for other data or options. RunInUse: another process is
        at work on it. Diverged: the last good weights are in the run. WriteFailed: what was written before is there.
    """
    wanted = _Wanted(source, model, dict(hyperparameters or {}), dict(options or {}), command)
    with ExitStack() as held:  # the folder, against other processes
        if resume:
            job = _resumed(folder, data, wanted, held)
            if job is None:
                return Run.open(folder)
        else:
            job = _begun(folder, data, wanted, held, overwrite=overwrite, device=device)
        if begin:
            begin()
        job.model.to(device or "cpu")
        return _finish(job, data, resume=resume, samples=samples, watch=watch)


@dataclass(frozen=True)
class _Wanted:
    """What the caller asks for: see `fit_run`."""

    source: str
    model: str | None
    hyperparameters: Record
    options: Record
    command: str


@dataclass(frozen=True)
class _Job:
    """A model to fit in a run folder, with the record of the run and the options of the fit."""

    model: Model
    folder: Path
    record: Record
    options: Options


def _begun(
    folder: Path, data: Dataset, wanted: _Wanted, held: ExitStack, *, overwrite: bool, device: torch.device | None
) -> _Job:
    """A new run, whose record is written before its model is fitted."""
    check_place(folder, overwrite, [Path(wanted.source)], resumes=True)
    options = Options.of(**wanted.options)
    with seeded(options.seed):
        model = build_for(
            wanted.model or default_model(data.space, gaps=bool(data.train.gaps)), data, wanted.hyperparameters
        )
    check_fit(model, data, options)  # before an old run is removed or a new one begun
    if options.precision == "bfloat16":
        check_half_precision(model.to(device or "cpu"), *next(rows_for(model, data.train).batches(2)))
    about = {
        "data": data_record(data, wanted.source),
        "fit": {"options": dataclasses.asdict(options)},
        "command": wanted.command,
    }
    record = {**describe(model), **about, "status": TRAINING}
    output = held.enter_context(new_folder(folder, overwrite=overwrite, inputs=[Path(wanted.source)]))
    write_json(output.draft / RUN, record)
    write_learnt([output.draft], data)
    return _Job(model, output.finish(), record, options)


def _resumed(folder: Path, data: Dataset, wanted: _Wanted, held: ExitStack) -> _Job | None:
    """A run that goes on; None where it is finished, and no more is asked for."""
    read_record(folder)
    held.enter_context(locked(folder))
    record = _resumable(folder, data, wanted)
    adopt_files(folder)
    if _is_finished(record):
        more = further(record["fit"], wanted.options)
        if more is None:
            return None
        load(folder)  # raises before the record changes, so the run stays finished
        record = update_record(folder, fit=more, status=TRAINING, scores=[])
    options = Options(**record["fit"]["options"])
    model = _going_on(folder) if "done" in record["fit"] else rebuilt(record, folder / RUN, options.seed)
    return _Job(model, folder, record, options)


def _going_on(folder: Path) -> Model:
    """The model of a finished run that is given more.

    EM keeps the weights it starts from in the state file until it ends. A process that is killed between writing the
    new weights and their record starts again from those. For gradients the training state holds the position.
    """
    model = load(folder)
    if model.fitted_by.in_passes:
        if (folder / STATE).exists():
            check_weights(model, read_kinds(folder / STATE), str(folder / STATE))
            put_weights(model, read_tensors(folder / STATE)[0], str(folder / STATE))
        else:
            write_tensors(folder / STATE, model.state_dict(), {})
    return model


def _finish(job: _Job, data: Dataset, *, resume: bool, samples: int, watch: Watch | None) -> Run:
    """Fit, score, and keep both in the run."""
    model, folder, record, options = job.model, job.folder, job.record, job.options
    state = folder / STATE
    about = {k: record[k] for k in ("data", "fit", "command")}
    done = record["fit"].get("done")
    try:
        if done is None:
            history = fit(model, data, state=state, resume=resume, watch=watch, **options.given())
        else:
            rows = [row for row in read_history(folder) if row.step <= done["steps"]]
            left = remaining(options, done)
            told = fit(model, data, state=state, resume=resume, keep_start=True, watch=watch, **left.given())
            history = told.after(rows, done["steps"], done["epochs"], done["seconds"])
    except Diverged as error:
        save(model, folder, {**about, "status": DIVERGED, "error": str(error)})
        raise
    status = INTERRUPTED if history.interrupted else FINISHED
    about["fit"] = {**about["fit"], "history": history.summary()}
    write_history(folder, history)
    save(model, folder, {**about, "status": status, "scores": []})
    if status == FINISHED:
        score = evaluate(model, data, samples=samples_for(model, samples), seed=options.seed)
        update_record(folder, scores=held_out_scores(score, repeated(data)))
        remove_own_file(state)  # last: a run that is stopped while scoring resumes at the end of its training
    return Run.open(folder)


def data_record(data: Dataset, source: str) -> Record:
    """What run.json says of the data."""
    columns = getattr(data.train, "columns", None)
    return {
        "name": data.name,
        "source": source,
        "space": data.space.to_json(),
        "split": data.split,
        "fingerprint": data.train.fingerprint,
        "columns": None if columns is None else list(columns),
        "context_columns": data.train.context_columns and list(data.train.context_columns),
        "weights": data.train.weights_column,
        "context": None if data.context_space is None else data.context_space.to_json(),
        **Reading.of(data).to_json(),
    }


def _recorded(folder: Path, record: Record) -> Record:
    """The hyperparameters in run.json, after they and the options of the fit are checked."""
    name = record["model"]["name"]
    builder = entry(name).load()
    try:
        Options(**record["fit"]["options"])
        return checked(builder, name, record["model"]["hyperparameters"])
    except UsageError as error:
        raise CorruptRun(f"{folder / RUN} describes a fit that cannot be. {error} {AGAIN}") from None


def _check_same_data(folder: Path, record: Record, data: Dataset, source: str) -> None:
    """Raises RunMismatch for other rows, columns or another space than those the run was fitted to."""
    about = record["data"]
    named, columns = about.get("columns"), getattr(data.train, "columns", None)
    if named and columns is not None and list(named) != list(columns):
        changed = f"{folder / RUN} was changed since loglik wrote it. {AGAIN}"
        raise RunMismatch(
            f"{folder} was fitted to the columns {', '.join(named)}; the data have {', '.join(columns)}. "
            f"{changed if was_changed(folder) else 'Rename them, or fit anew with another -o.'}"
        )
    space = space_from_json(record["model"]["space"])
    wanted = about.get("source") or about.get("name") or "the data of the run"
    give = f"Give {wanted}" if wanted != source else "Restore it as it was"
    if about.get("fingerprint") != data.train.fingerprint:
        came = "has other rows, or another split" if wanted != source else "holds other rows now"
        raise RunMismatch(
            f"{folder} was fitted to the rows of {wanted}; {source} {came}. {give}, or fit anew with another -o."
        )
    if space != data.space:
        raise RunMismatch(
            f"{folder} is a model of {space}, of {wanted}; the data are {data.space}. {give}, or fit anew with another "
            "-o."
        )


def _resumable(folder: Path, data: Dataset, wanted: _Wanted) -> Record:
    """The record of a run, after its data, model and options are found to be those asked for."""
    record = read_record(folder)
    if not record.keys() >= RESUMED or not record["data"] or "options" not in record["fit"]:
        raise UsageError(f"{folder} was not made by `loglik fit`, so there is nothing to resume.")
    _check_same_data(folder, record, data, wanted.source)
    name = record["model"]["name"]
    if wanted.model is not None and wanted.model != name:
        raise RunMismatch(f"{folder} is a run of {name}; got --model {wanted.model}. Leave it out to resume.")
    recorded = _recorded(folder, record)
    hyperparameters = checked(entry(name).load(), name, wanted.hyperparameters)
    now = dataclasses.asdict(Options.of(**wanted.options))
    finished = _is_finished(record)
    if finished and not _says_how(record):
        raise CorruptRun(f"{folder / RUN} does not say how the fit went, so there is nothing to go on from. Fit again.")
    free = {"save_seconds", *(LIMITS if finished else ())}
    given = {key: now[key] for key in wanted.options if key not in free}
    _check_same(folder, recorded, hyperparameters)
    _check_same(folder, record["fit"]["options"], given)
    return record


def _check_same(folder: Path, before: Mapping[str, object], now: Mapping[str, object]) -> None:
    """Raises RunMismatch for the first value that the run was not started with."""
    for key, value in now.items():
        if before.get(key) != value:
            raise RunMismatch(
                f"{folder} was started with {key}={before.get(key)}; got {value}. Leave it out to resume."
            )


def _is_finished(record: Record) -> bool:
    return record["status"] == FINISHED and bool(record.get("scores"))


def _says_how(record: Record) -> bool:
    """Whether a finished run can go on: it has its history and complete scores."""
    return bool(record["fit"].get("history")) and all(score.keys() >= TOLD for score in record["scores"])
