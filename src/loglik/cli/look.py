"""`loglik check`, `report`, `models` and `data`: the commands that only inspect."""

import inspect
from typing import Annotated

import typer

from loglik.cli.console import at_work, command_line, say, say_json
from loglik.cli.opening import remark_on, remarks_on_parts
from loglik.cli.options import Json, Seed, Window
from loglik.cli.use import RunFolder
from loglik.data import catalog, open_dataset
from loglik.hyperparameters import description, hyperparameters
from loglik.output.lock import locked
from loglik.output.manifest import check_own
from loglik.runs.run import RUN, Run, adopt_files, update_record
from loglik.tasks.plain_table import table
from loglik.zoo import entry, every_entry


def check(run: RunFolder, seed: Seed = 0, json: Json = False) -> None:
    """Prove a fitted model: does it sum to one, never look ahead, sample from its own density?

    The laws are those of the library's own tests. The results are recorded in the run, for its report. The last line
    says which laws established what the number is, how, and which were not decisive. The exit code is 50 if one fails.

    \b
    Examples:
      loglik check runs/digits-pixelcnn
    """
    from loglik.laws import check as check_laws

    Run.open(run)
    with locked(run):
        adopt_files(run)
        check_own(run / RUN)  # before the laws, which take long: can the result be recorded?
        model = Run.open(run).model()
        with at_work("law") as watch:
            report = check_laws(model, seed=seed, watch=watch)
        update_record(run, laws=report.to_json())
    if json:
        say_json({"run": str(run), **report.to_json()})
    else:
        say(str(report))
    report.raise_if_failed()


def report(
    run: RunFolder,
    data: Annotated[
        str | None,
        typer.Option(help="The file that the run was fitted to; its rows are shown beside the samples."),
    ] = None,
) -> None:
    """Write report.html for a run: its record, learning curve, scores and samples, in one file.

    \b
    Examples:
      loglik report runs/digits-pixelcnn
      loglik report my-run --data table.csv
    """
    from loglik.report import run_report

    Run.open(run)
    with locked(run):
        page = run_report(run, command_line(), data)
    say(f"Report: {page}")


def models(
    name: Annotated[str | None, typer.Argument(help="One model, for its hyperparameters.")] = None, json: Json = False
) -> None:
    """List the zoo, or one model with its hyperparameters.

    The cost is the number of passes of the net to score / sample one event: D is one per dimension, K one per
    importance sample.

    \b
    Examples:
      loglik models
      loglik models made
    """
    if name is None:
        rows = [[n, e.route, e.models, e.fitted_by, e.cost, e.source] for n, e in every_entry().items()]
        head = ["name", "route", "models", "fitted by", "score / sample", "source"]
        say_json([dict(zip(head, row, strict=True)) for row in rows]) if json else say(table(head, rows))
        return
    found = entry(name)
    builder = found.load()
    values = {n: str(p.default) for n, p in hyperparameters(builder).items()}
    if json:
        say_json({"name": name, "route": found.route, "models": found.models, "hyperparameters": values})
        return
    say(f"{name}: {inspect.getdoc(builder)}\n")
    say(
        table(
            ["--set", "default", "type"], [[n, str(p.default), _type(p)] for n, p in hyperparameters(builder).items()]
        )
    )


def data(
    name: Annotated[str | None, typer.Argument(help="One data set, for its space and split.")] = None,
    window: Window = None,
    json: Json = False,
) -> None:
    """List the built-in data sets, or describe one data set or file.

    The standard ones are read from their official files under $LOGLIK_DATA.

    \b
    Examples:
      loglik data
      loglik data digits
      loglik data table.csv
      loglik data book.txt --window 256
    """
    if name is None:
        rows = [[d.name, d.space, d.about, "yes" if d.available else "no"] for d in catalog()]
        head = ["name", "space", "about", "at hand"]
        say_json([dict(zip(head, row, strict=True)) for row in rows]) if json else say(table(head, rows))
        return
    found = open_dataset(name, window=window)
    parts = {part: getattr(found, part).rows for part in ("train", "valid", "test")}
    known = {"entropy in nats per event": found.entropy} if found.entropy is not None else {}
    read_as = {"read as": found.read_as} if found.read_as else {}
    remarks = [remark for remark in (remark_on(found), *remarks_on_parts(found)) if remark]
    facts = {
        "name": found.name,
        "about": found.about,
        "space": str(found.space),
        **read_as,
        **({"remark": "; ".join(remarks)} if remarks else {}),
        **parts,
        "split": found.split,
        **known,
    }
    say_json(facts) if json else say("\n".join(f"{key}: {value}" for key, value in facts.items()))


def _type(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    return annotation if isinstance(annotation, str) else description(annotation)
