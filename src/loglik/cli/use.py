"""`loglik score` and `loglik sample`: use a fitted run."""

from pathlib import Path
from typing import Annotated

import typer

from loglik.arguments.devices import device_of
from loglik.arguments.ranges import MANY
from loglik.cli.console import say, say_data, say_json, talk
from loglik.cli.opening import context_of, contexts_like, tell_reading
from loglik.cli.options import (
    ContextWords,
    Data,
    Device,
    EvidenceMethod,
    Json,
    Samples,
    Seed,
    Temperature,
    from_home,
    within,
)
from loglik.data import Reading
from loglik.errors import RunNotFound
from loglik.inference.evaluate import evaluate, samples_for
from loglik.inference.latent.marginal import marginal_likelihood
from loglik.output.files import check_files
from loglik.runs.run import RUN, Run
from loglik.tasks.comparison import SAMPLES
from loglik.tasks.export import (
    check_rows_file,
    check_samples_file,
    parse_context,
    sample_files,
    spoken,
    write_rows,
    write_samples,
)
from loglik.tasks.given import read_given
from loglik.tasks.reading import rows_like
from loglik.tasks.sample import sample as draw
from loglik.tasks.unseen import learnt_from, score_in_words, score_to_json
from loglik.training.history import evidence_of

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")]
RunFolder = Annotated[Path, typer.Argument(help="The folder of a run, as `loglik fit` leaves it.")]
Part = Annotated[str | None, typer.Option(help="Of a built-in data set: train, valid, test (default) or all.")]
RowsFile = Annotated[
    Path | None, typer.Option(callback=from_home, help="Also write log p of every row, to a CSV or NPY file.")
]
Count = Annotated[int, typer.Option("-n", help="Number of samples.", callback=within("-n", MANY))]
SamplesFile = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        callback=from_home,
        help="A .npy, .csv, .png, .txt or .wav file; without, text or CSV on stdout. Several texts or "
        "sounds become OUT-0, OUT-1, ...; missing folders are made.",
    ),
]
Condition = Annotated[str | None, typer.Option(help="The context c of p(x|c): numbers separated by commas.")]
Beginning = Annotated[
    str | None,
    typer.Option(help="How samples begin: a text, a recording (FILE.wav), or the first values, separated by commas."),
]
TopK = Annotated[
    int | None,
    typer.Option(help="Draw only among the k likeliest levels.", callback=within("--top-k", MANY)),
]
Length = Annotated[
    int | None,
    typer.Option(
        help="Length of each sample; models with state can exceed one window.",
        metavar="T",
        callback=within("--length", MANY),
    ),
]


def score(
    run: RunFolder,
    data: Data,
    samples: Samples = SAMPLES,
    evidence: EvidenceMethod = None,
    part: Part = None,
    context: ContextWords = None,
    rows: RowsFile = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """How likely data are under a fitted model: mean log-likelihood, its error, its claim, bits/dim.

    Files are streamed, so they may be of any size. Every row counts; rows without a finite score are listed. Rows that
    the run was fitted to are counted, and the score of the other rows comes first.

    \b
    Examples:
      loglik score runs/digits-pixelcnn digits
      loglik score my-run new.parquet --rows scores.csv
      loglik score my-run digits --samples 256 --json
      loglik score my-run digits --evidence ais --samples 50
    """
    if rows is not None:
        check_rows_file(rows)
        check_files([rows], overwrite=overwrite, inputs=[Path(data), run])
    if not (run / RUN).exists() and (Path(data) / RUN).exists():
        raise RunNotFound(f"Expected a run, then data; got the run {data} last. Give it first: score {data} {run}.")
    opened = Run.open(run)
    model = opened.model().to(device_of(device))
    about = opened.record.get("data") or {}
    source = rows_like(opened, model.space, data, part, contexts_like(about, context_of(data, context)))
    if source.space.dims < model.space.dims:  # a text shorter than a window
        model = model.beginning(source.space.dims)
    found = None
    if evidence is not None:
        found = marginal_likelihood(model, source, method=evidence, samples=samples, seed=seed)
    result = found.score if found else evaluate(model, source, samples=samples_for(model, samples), seed=seed)
    learnt = learnt_from(run, source)
    tell_reading(data, source)  # not before: a refusal is a line of its own
    try:
        if rows is not None:
            write_rows(rows, result.values)
            talk(f"Wrote {result.events} rows to {rows}.")
    finally:  # the file may fail for lack of space; the score is printed even so
        if json:
            drawn = {"evidence": found.to_json()} if found else {}
            say_json({"run": str(run), "data": data, **score_to_json(result, learnt), **drawn})
        else:
            say(score_in_words(result, learnt))
            if found:
                say(found.in_words())
            if model.has_evidence:
                say(f"{evidence_of(model)}, of the rows that it was fitted to")
            say(result.strangest_in_words())


def sample(
    run: RunFolder,
    n: Count = 16,
    out: SamplesFile = None,
    context: Condition = None,
    given: Beginning = None,
    temperature: Temperature = 1.0,
    top_k: TopK = None,
    overwrite: Overwrite = False,
    length: Length = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw new events from a fitted model.

    \b
    Examples:
      loglik sample runs/digits-pixelcnn -n 64 -o digits.png
      loglik sample my-run -n 1000 -o new.csv
      loglik sample my-run -n 5 --context 3
      loglik sample shakespeare -n 1 --given "ROMEO:" --length 1000 --temperature 0.8
    """
    if out is not None:
        check_files(sample_files(out, n), overwrite=overwrite, inputs=[run])
    opened = Run.open(run)
    model = opened.model().to(device_of(device))
    about = opened.record.get("data") or {}
    reading = Reading.from_json(about)
    if out is not None:
        check_samples_file(out, model.space, reading)
    begin = read_given(model, given, reading, length)
    if begin.remark:
        talk(f"{begin.remark}.")
    x = draw(
        model, n, parse_context(model, context), seed=seed, given=begin.values,
        temperature=temperature, top_k=top_k, length=begin.length,
    )  # fmt: skip
    if out is None:
        say_data(spoken(x, about.get("columns"), reading))
    else:
        write_samples(out, x, model.space, about.get("columns"), reading)
        talk(f"Wrote {n} samples to {out}.")
