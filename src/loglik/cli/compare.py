"""`loglik compare`, the main job."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from loglik.arguments.devices import device_of
from loglik.cli.console import command_line, progress, say, say_json, talk
from loglik.cli.opening import Opening, context_of, tell_split
from loglik.cli.options import (
    ContextWords,
    Data,
    Device,
    Json,
    KeepEqual,
    ModelNames,
    Samples,
    Seed,
    SharedBudget,
    SpaceWords,
    Window,
    from_home,
    names_of,
    stem_of,
)
from loglik.data import Dataset
from loglik.errors import WriteFailed
from loglik.output.folder import Output, new_folder
from loglik.output.place import check_place, free_place
from loglik.tasks.compare import compare as compare_models
from loglik.tasks.comparison import SAMPLES, Comparison, Entrant, leaderboard
from loglik.tasks.saving import save_comparison


def compare(
    data: Data,
    models: ModelNames = None,
    budget: SharedBudget = "2m",
    samples: Samples = SAMPLES,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", callback=from_home, help="The folder for the runs and report.html.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the comparison at -o.")] = False,
    space: SpaceWords = None,
    context: ContextWords = None,
    window: Window = None,
    keep_equal_rows_together: KeepEqual = False,
    device: Device = "auto",
    json: Json = False,
) -> int:
    """Fit several models to one data set and rank them on the same held-out rows.

    The leaderboard says what every number is: exact, a lower bound (with its K) or an estimate; differences are paired.
    What cannot be compared is not ranked. Where no model could be scored, nothing is written, and the exit code is
    that of the first error.
    report.html shows it all, with samples and learning curves.

    \b
    Examples:
      loglik compare digits
      loglik compare table.csv --models gaussian,gmm,nsf --budget 5m
      loglik compare moons --json
    """
    dataset = Opening(data, seed, space, context_of(data, context), window, keep_equal_rows_together).open()
    folder = out or free_place(Path("runs") / f"compare-{stem_of(data)}")
    check_place(folder, overwrite, [Path(data)])
    with new_folder(folder, overwrite=overwrite, inputs=[Path(data)]) as output:
        with progress(dataset.space) as watch:
            result = compare_models(
                names_of(models), dataset, budget=budget, samples=samples, seed=seed, watch=watch,
                done=_announcer(dataset), device=device_of(device),
            )  # fmt: skip
        if result.exit_code:  # no model was scored
            failed = "; ".join(f"{e.name}: {e.error.removesuffix('.')}" for e in result.entrants)
            talk(f"loglik: No model could be fitted and scored. {failed}. Choose other --models or other data.")
            return 130 if result.interrupted else result.exit_code
        report = _write(result, output, data)
    folder = report.parent
    if json:
        say_json({"folder": str(folder), "report": str(report), **result.to_json()})
    else:
        say(leaderboard(result))
        say(f"\nReport: {report}")
    return 130 if result.interrupted else 0


def _write(result: Comparison, output: Output, data: str) -> Path:
    """The runs and the page; where the page fails the runs are kept, for they took longer. Returns the page's path."""
    try:
        from loglik.report import comparison_report

        save_comparison(result, output.draft, data, command_line())
        page = comparison_report(result, output.draft, command_line())
        return output.finish() / page.name
    except WriteFailed:
        say(leaderboard(result))  # the result cannot be written, so it is shown
        raise
    except BaseException:
        talk(f"Kept without report.html: {output.finish()}")
        raise


def _announcer(dataset: Dataset) -> Callable[[Entrant], None]:
    """Tells the result of each model, but nothing before one is scored: where none is, the refusal is one line."""
    waiting: list[Entrant] = []
    begun = False

    def announce(entrant: Entrant) -> None:
        nonlocal begun
        waiting.append(entrant)
        if not begun and entrant.score is None:
            return
        if not begun:
            tell_split(dataset)
            begun = True
        while waiting:
            talk(_in_words(waiting.pop(0)))

    return announce


def _in_words(entrant: Entrant) -> str:
    result = entrant.error or (str(entrant.score) if entrant.score else "")
    return f"{entrant.name}: {result}" + (f" [{entrant.seconds:.1f} s]" if entrant.to_fit else "")
