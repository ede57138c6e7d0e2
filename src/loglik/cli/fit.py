"""`loglik fit`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

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
    opened,
    settings,
    tell_split,
    training_options,
)
from loglik.data.splits import TOGETHER
from loglik.devices import device_of
from loglik.runs import RUN, Run, read_record
from loglik.tasks.compare import SAMPLES
from loglik.tasks.fitting import FINISHED, INTERRUPTED, fit_run
from loglik.zoo import default_model


def fit(
    data: Data,
    model: ModelName = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The run folder; by default runs/DATA-MODEL.")] = None,
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
    before = read_record(out) if resume and out and (out / RUN).exists() else {}
    about = before.get("data", {})
    split = about.get("split", {})
    context = context or ",".join(about.get("context_columns") or ()) or None
    window = window or split.get("window")
    together = keep_equal_rows_together or bool(split.get(TOGETHER))
    opened_data = opened(data, seed, space, context, window, together)
    name = model or before.get("model", {}).get("name") or default_model(opened_data.space)
    with progress(opened_data.space) as watcher:
        run = fit_run(
            opened_data,
            out or Path("runs") / f"{Path(data).stem}-{name}",
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
    return _report(run, json)


def _report(run: Run, json: bool) -> int:
    """Print what came of it; an interrupted fit ends with 130."""
    record = run.record
    history = record["fit"]["history"]
    if json:
        say_json({"run": str(run.folder), **record})
    else:
        steps = f"{history['steps']} step{'s' * (history['steps'] != 1)}"
        talk(f"{history['method']}, {steps} in {history['seconds']:.1f} s: {history['stopped']}.")
        for score in record.get("scores", []):
            if score.get("equal_rows"):
                talk(f"Of {score['events']} {score['part']} rows {score['equal_rows']} equal training rows.")
            say(f"{record['model']['name']} on {record['data']['name']}, {score['part']} rows: {score['text']}")
        say(f"Run: {run.folder}")
    if record["status"] == INTERRUPTED:
        talk(f"Interrupted. Continue with: loglik fit {record['data']['source']} -o {run.folder} --resume")
        return 130
    assert record["status"] == FINISHED
    return 0
