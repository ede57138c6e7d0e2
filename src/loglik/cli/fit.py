"""`loglik fit`."""

import os
import shlex
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from loglik.arguments.devices import device_of
from loglik.cli.console import command_line, progress, say, say_json, talk
from loglik.cli.opening import Opening, context_of, tell_split
from loglik.cli.options import (
    Batch,
    Budget,
    ContextWords,
    Data,
    Device,
    Epochs,
    Json,
    KeepEqual,
    ModelName,
    Precision,
    PriorScale,
    Rate,
    Samples,
    Seed,
    SpaceWords,
    Starts,
    Steps,
    WeightsWord,
    Window,
    check_words,
    from_home,
    settings,
    stem_of,
    training_options,
)
from loglik.errors import UsageError
from loglik.inference.processes import joined, together
from loglik.records import Record
from loglik.runs.run import RUN, Run, read_record
from loglik.tasks.assisting import assist, check_together
from loglik.tasks.comparison import SAMPLES
from loglik.tasks.fitting import INTERRUPTED, fit_run
from loglik.training.history import History, evidence_in_words
from loglik.zoo import default_model

RunOut = Annotated[
    Path | None, typer.Option("-o", "--out", callback=from_home, help="The run folder; by default runs/DATA-MODEL.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A hyperparameter, KEY=VALUE; `loglik models NAME` lists them.")
]
TrainingWords = Annotated[
    list[str] | None, typer.Option("--option", help="Another training option, KEY=VALUE, such as ema=0.9995.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run at -o exactly where it was.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run at -o.")]


def fit(
    data: Data,
    model: ModelName = None,
    out: RunOut = None,
    steps: Steps = None,
    epochs: Epochs = None,
    budget: Budget = None,
    starts: Starts = None,
    seed: Seed = 0,
    set_: Settings = None,
    batch: Batch = None,
    lr: Rate = None,
    prior: PriorScale = None,
    precision: Precision = None,
    option: TrainingWords = None,
    samples: Samples = SAMPLES,
    space: SpaceWords = None,
    context: ContextWords = None,
    weights: WeightsWord = None,
    window: Window = None,
    keep_equal_rows_together: KeepEqual = False,
    device: Device = "auto",
    resume: Resume = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Fit one model and keep it as a run: a folder with weights, history and scores.

    The rows are split into train, valid and test; the score is that of the test rows. A run survives Ctrl-C and even
    `kill -9`: --resume continues it as if nothing had happened. --resume with a greater total
    (--steps, --epochs or --budget) continues a finished run from the weights it kept. Under torchrun the processes
    share the rows of a model that EM fits, and the first one keeps the run.

    \b
    Examples:
      loglik fit digits
      loglik fit table.csv --model gmm --set components=20
      loglik fit digits --model made --set hidden=256,256 --budget 60s -o my-run
      loglik fit digits --model made -o my-run --resume --steps 6000
      loglik fit book.txt --model char-rnn --window 256
      loglik fit table.csv --model gmm --starts 5 --weights count
      torchrun --nproc-per-node 4 -m loglik fit table.parquet --model gmm
    """
    given = {"steps": steps, "epochs": epochs, "budget": budget, "batch": batch, "lr": lr, "precision": precision}
    given |= {"seed": None if resume and seed == 0 else seed, "starts": starts, "prior": prior}
    given = {name: value for name, value in (given | training_options(option)).items() if value is not None}
    hyperparameters = settings(set_)
    check_words(given, model, hyperparameters)
    _check_either(resume=resume, overwrite=overwrite)
    opening = Opening(data, seed, space, context_of(data, context), window, keep_equal_rows_together, weights)
    out, before = _continues(data, model, opening, out) if resume else (out, {})
    dataset = opening.again(before) if before.get("data") else opening.open()
    name = model or before.get("model", {}).get("name") or default_model(dataset.space, gaps=bool(dataset.train.gaps))
    with joined() as process, progress(dataset.space) as watcher:
        if _assists(process, name, resume=resume):
            assist(dataset, name, hyperparameters, given, device_of(device))
            return 0
        run = fit_run(
            dataset, out or _folder(data, name), source=data, model=name, hyperparameters=hyperparameters,
            options=given, resume=resume, overwrite=overwrite, samples=samples, command=command_line(),
            watch=watcher(f"{name} on {dataset.name}"), begin=partial(tell_split, dataset), device=device_of(device),
        )  # fmt: skip
    stated = {"--samples": (samples, SAMPLES), "--device": (device, "auto")}
    again = {name: str(value) for name, (value, default) in stated.items() if value != default}
    return _ended(run, before, _continued(data, run.folder, again), json=json)


def _check_either(*, resume: bool, overwrite: bool) -> None:
    if resume and overwrite:
        raise UsageError("Expected --resume, which continues a run, or --overwrite, which replaces it; got both.")


def _continues(data: str, model: str | None, opening: Opening, out: Path | None) -> tuple[Path | None, Record]:
    """The folder of the run to go on with, and its record."""
    if out is None:
        opened = opening.open()
        out = _folder(data, model or default_model(opened.space, gaps=bool(opened.train.gaps)))
    return out, _recorded(out)


def _assists(process: int, name: str, *, resume: bool) -> bool:
    """Whether another process keeps the run."""
    if together():
        check_together(name, resume=resume)
    return process > 0


def _folder(data: str, model: str) -> Path:
    """Where a run is kept unless the user names a folder."""
    return Path("runs") / f"{stem_of(data)}-{model}"


def _recorded(folder: Path) -> Record:
    """The record of a run; empty if there is none yet."""
    return read_record(folder) if (folder / RUN).exists() else {}


def _ended(run: Run, before: Record, command: str, *, json: bool) -> int:
    """Print what came of a fit, and the command that continues it if it was interrupted; the exit code."""
    if run.record == before:
        talk(f"{run.folder} is already finished after {_taken(run)}; nothing was done.{_more(run)}")
    _report(run, json)
    if run.record["status"] != INTERRUPTED:
        return 0
    talk(f"Interrupted. Continue with: {command}")
    return 130


def _taken(run: Run) -> str:
    steps = run.record["fit"]["history"]["steps"]
    return f"{steps} step{'s' * (steps != 1)}"


def _more(run: Run) -> str:
    """How to continue a finished run; empty for a closed form, which is complete."""
    history = run.record["fit"]["history"]
    if history["method"] == "closed form":
        return ""
    return f" Give a greater total to go on, such as --steps {2 * history['steps']}."


def _continued(source: str, folder: Path, again: dict[str, str]) -> str:
    """The shell command that continues a run; all other options are recorded in the run."""
    words = ["loglik", "fit", _no_option(source), "-o", _no_option(str(folder)), "--resume"]
    words += [word for option in again.items() for word in option]
    return " ".join(map(_quoted, words))


def _no_option(path: str) -> str:
    return f"./{path}" if path.startswith("-") else path


def _quoted(word: str) -> str:
    """A word quoted for the shell, in one line and in printable characters."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = "".join(chr(b) if 32 <= b < 127 and chr(b) not in "'\\" else f"\\x{b:02x}" for b in os.fsencode(word))
    return f"$'{escaped}'"


def _report(run: Run, json: bool) -> None:
    """Print the result of a run."""
    record = run.record
    history = record["fit"]["history"]
    if json:
        say_json({"run": str(run.folder), **record})
        return
    talk(f"{history['method']}, {_taken(run)} in {history['seconds']:.1f} s: {history['stopped']}.")
    if history.get("starts"):
        talk(f"{History.from_json({**history, 'rows': []}).starts_in_words()}.")
    if history.get("log_evidence") is not None:
        say(evidence_in_words(history["log_evidence"], history["evidence_claim"]))
    for score in record.get("scores", []):
        if score.get("equal_rows"):
            talk(f"Of {score['events']} {score['part']} rows {score['equal_rows']} equal training rows.")
        say(f"{record['model']['name']} on {record['data']['name']}, {score['part']} rows: {score['text']}")
    say(f"Run: {run.folder}")
