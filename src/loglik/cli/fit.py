"""`loglik fit`."""

import os
import shlex
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from loglik.arguments.devices import device_of
from loglik.cli.console import command_line, progress, say, say_json, talk
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
    Rate,
    Samples,
    Seed,
    SpaceWords,
    Steps,
    Window,
    check_words,
    context_of,
    from_home,
    opened,
    settings,
    stem_of,
    tell_split,
    training_options,
)
from loglik.data import Dataset, open_dataset
from loglik.data.splits import TOGETHER
from loglik.errors import DataError, UsageError
from loglik.runs.run import RUN, Run, read_record
from loglik.spaces import space_from_json
from loglik.tasks.comparison import SAMPLES
from loglik.tasks.fitting import INTERRUPTED, fit_run
from loglik.zoo import default_model


def fit(
    data: Data,
    model: ModelName = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", callback=from_home, help="The run folder; by default runs/DATA-MODEL.")
    ] = None,
    steps: Steps = None,
    epochs: Epochs = None,
    budget: Budget = None,
    seed: Seed = 0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A hyperparameter, KEY=VALUE; `loglik models NAME` lists them.")
    ] = None,
    batch: Batch = None,
    lr: Rate = None,
    precision: Precision = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="Any other option of training, KEY=VALUE, such as ema=0.9995.")
    ] = None,
    samples: Samples = SAMPLES,
    space: SpaceWords = None,
    context: ContextWords = None,
    window: Window = None,
    keep_equal_rows_together: KeepEqual = False,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run at -o exactly where it was.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run at -o.")] = False,
    json: Json = False,
) -> int:
    """Fit one model and keep it as a run: a folder with weights, history and scores.

    The rows are split into train, valid and test; the score is that of the test rows. A run survives Ctrl-C and even
    `kill -9`: --resume continues it as if nothing had happened. A finished run goes on from the weights it kept when it
    is given a greater total: --resume --steps MORE (or --epochs, --budget).

    \b
    Examples:
      loglik fit digits
      loglik fit table.csv --model gmm --set components=20
      loglik fit digits --model made --set hidden=256,256 --budget 60s -o my-run
      loglik fit digits --model made -o my-run --resume
      loglik fit digits --model made -o my-run --resume --steps 6000
      loglik fit book.txt --model char-rnn --window 256
    """
    given = {"steps": steps, "epochs": epochs, "budget": budget, "batch": batch, "lr": lr, "precision": precision}
    given |= {"seed": None if resume and seed == 0 else seed, **training_options(option)}
    given = {name: value for name, value in given.items() if value is not None}
    check_words(given, model, settings(set_))
    if resume and overwrite:
        raise UsageError("Expected --resume, which continues a run, or --overwrite, which replaces it; got both.")
    if out is None and (model or resume):
        name = model or default_model(opened(data, seed, space, context, window, keep_equal_rows_together).space)
        out = Path("runs") / f"{stem_of(data)}-{name}"
    before = read_record(out) if resume and out and (out / RUN).exists() else {}
    if before.get("data"):
        opened_data = _opened_again(data, before, space, context, window, keep_equal_rows_together)
    else:
        opened_data = opened(data, seed, space, context, window, keep_equal_rows_together)
    name = model or before.get("model", {}).get("name") or default_model(opened_data.space)
    with progress(opened_data.space) as watcher:
        run = fit_run(
            opened_data,
            out or Path("runs") / f"{stem_of(data)}-{name}",
            source=data,
            model=name,
            hyperparameters=settings(set_),
            options=given,
            resume=resume,
            overwrite=overwrite,
            samples=samples,
            command=command_line(),
            watch=watcher(f"{name} on {opened_data.name}"),
            begin=partial(tell_split, opened_data),
            device=device_of(device),
        )
    if run.record["status"] == INTERRUPTED:
        again = {"--samples": samples if samples != SAMPLES else None, "--device": device if device != "auto" else None}
        _report(run, json)
        talk(f"Interrupted. Continue with: {_continued(data, run.folder, again)}")
        return 130
    if run.record == before:
        talk(f"{run.folder} is already finished after {_taken(run)}; nothing was done.{_more(run)}")
    _report(run, json)
    return 0


def _taken(run: Run) -> str:
    steps = run.record["fit"]["history"]["steps"]
    return f"{steps} step{'s' * (steps != 1)}"


def _more(run: Run) -> str:
    """How a finished run goes on; nothing for a closed form, which has no more to do."""
    history = run.record["fit"]["history"]
    if history["method"] == "closed form":
        return ""
    return f" Give a greater total to go on, such as --steps {2 * history['steps']}."


def _opened_again(
    data: str, record: dict[str, Any], space: str | None, context: str | None, window: int | None, together: bool
) -> Dataset:
    """The data of a run, opened as they were when it began, in all that is not said otherwise."""
    about = record["data"]
    split = about.get("split") or {}
    seed = ((record.get("fit") or {}).get("options") or {}).get("seed") or 0
    window = window or split.get("window")
    together = together or bool(split.get(TOGETHER))
    wanted = context_of(data, context)
    if wanted is None and about.get("context") is not None:
        wanted = tuple(about["context_columns"]) if about.get("context_columns") else True
    recorded = space_from_json(about["space"]) if about.get("space") else None
    found: Dataset | None = None
    try:
        found = open_dataset(
            data, seed=seed, space=space, context=wanted, window=window, keep_equal_rows_together=together
        )
        if space or recorded in (None, found.space):
            return found
    except DataError:
        if space or recorded is None:
            raise
    try:
        return open_dataset(
            data, seed=seed, space=recorded, context=wanted, window=window, keep_equal_rows_together=together
        )
    except (DataError, UsageError):
        if found is None:
            raise
        return found  # other data: the run refuses them, and names its own


def _continued(source: str, folder: Path, again: dict[str, Any]) -> str:
    """The command that continues a run, as a shell reads it; what is not here stands in the run."""
    words = ["loglik", "fit", _no_option(source), "-o", _no_option(str(folder)), "--resume"]
    words += [word for name, value in again.items() if value is not None for word in (name, str(value))]
    return " ".join(map(_quoted, words))


def _no_option(path: str) -> str:
    return f"./{path}" if path.startswith("-") else path


def _quoted(word: str) -> str:
    """A word for the shell, in one line and in characters that every terminal shows."""
    if word.isprintable():
        return shlex.quote(word)
    said = "".join(chr(b) if 32 <= b < 127 and chr(b) not in "'\\" else f"\\x{b:02x}" for b in os.fsencode(word))
    return f"$'{said}'"


def _report(run: Run, json: bool) -> None:
    """Print what came of it."""
    record = run.record
    history = record["fit"]["history"]
    if json:
        say_json({"run": str(run.folder), **record})
        return
    talk(f"{history['method']}, {_taken(run)} in {history['seconds']:.1f} s: {history['stopped']}.")
    for score in record.get("scores", []):
        if score.get("equal_rows"):
            talk(f"Of {score['events']} {score['part']} rows {score['equal_rows']} equal training rows.")
        say(f"{record['model']['name']} on {record['data']['name']}, {score['part']} rows: {score['text']}")
    say(f"Run: {run.folder}")
