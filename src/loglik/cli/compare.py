"""`loglik compare`, the main job."""

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
from loglik.errors import WriteFailed
from loglik.output.folder import new_folder
from loglik.output.place import check_place, free_place
from loglik.tasks.compare import compare as compare_models
from loglik.tasks.comparison import SAMPLES, Entrant, leaderboard
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
    What cannot be compared is not ranked. Where no model could be fitted, the exit code is that of the first error.
    report.html shows it all, with samples and learning curves.

    \b
    Examples:
      loglik compare digits
      loglik compare table.csv --models gaussian,gmm,nsf --budget 5m
      loglik compare moons --json
    """
    from loglik.report import comparison_report

    dataset = Opening(data, seed, space, context_of(data, context), window, keep_equal_rows_together).open()
    folder = out or free_place(Path("runs") / f"compare-{stem_of(data)}")
    check_place(folder, overwrite, [Path(data)])
    with new_folder(folder, overwrite=overwrite, inputs=[Path(data)]) as output:
        tell_split(dataset)
        with progress(dataset.space) as watch:
            result = compare_models(
                names_of(models), dataset,
                budget=budget, samples=samples, seed=seed, watch=watch, done=_announce, device=device_of(device),
            )  # fmt: skip
        try:
            save_comparison(result, output.draft, data, command_line())
            page = comparison_report(result, output.draft, command_line())
            folder = output.finish()
        except WriteFailed:
            say(leaderboard(result))  # the result cannot be written, so it is shown
            raise
        except BaseException:  # the page failed; the fits are kept, since they took longer
            talk(f"Kept without report.html: {output.finish()}")
            raise
    report = folder / page.name
    if json:
        say_json({"folder": str(folder), "report": str(report), **result.to_json()})
    else:
        say(leaderboard(result))
        say(f"\nReport: {report}")
    if result.interrupted:
        return 130
    if result.exit_code:
        talk("loglik: No model could be fitted and scored, as said above. Choose other --models or other data.")
    return result.exit_code


def _announce(entrant: Entrant) -> None:
    said = entrant.error or (str(entrant.score) if entrant.score else "")
    talk(f"{entrant.name}: {said}" + (f" [{entrant.seconds:.1f} s]" if entrant.to_fit else ""))
