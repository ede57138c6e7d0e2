"""`report.html` of a comparison: the leaderboard with its claims, the charts, the samples, and the command."""

from pathlib import Path

import torch

from loglik.report import wording
from loglik.report.cost import cost
from loglik.report.curves import curves
from loglik.report.exhibits import Exhibit, exhibits
from loglik.report.gallery import gallery
from loglik.report.leaderboard import rows, source_row
from loglik.report.page import write_page
from loglik.report.palette import assign
from loglik.report.sections import Section
from loglik.report.spread import spread
from loglik.report.wording import Unit
from loglik.spaces import Measure
from loglik.tasks.compare import Comparison

Facts = list[tuple[str, str]]
COST = (
    "An error bar is one standard error. A filled dot is exact; an open one is a bound, its arrow points to where the "
    "truth may be."
)
LEARNING = (
    "Validation score while fitting; of a bound, with one sample. Dashed: the training score of EM, which needs no "
    "validation."
)
SPREAD = (
    "How single held-out rows score; the line is the mean, what the leaderboard ranks. The thin outline is the model's "
    "own samples, scored by itself: where it stands apart from the data, the model expects other data than these."
)


def comparison_report(comparison: Comparison, folder: Path, command: str) -> Path:
    """Write folder/report.html, one file that holds all it shows.

    Args:
        command: what made the comparison, printed as it is.

    Raises:
        WriteFailed: the folder cannot be written.
    """
    data = comparison.data
    unit = Unit.of(data.space, [e.score.stderr for e in comparison.entrants if e.score is not None])
    colours = assign([(e.name, e.model) for e in comparison.entrants])
    shown = exhibits(comparison, colours)
    sections = [
        Section("Score against cost", COST, cost(shown, unit), half=True),
        _learning(shown, unit),
        gallery(data.space, data.test, shown, unit, density=data.log_density, samples=comparison.samples),
        Section("Row by row", SPREAD, spread(shown, unit)),
    ]
    return write_page(
        folder,
        "comparison.html.j2",
        title=data.name,
        about=data.about,
        command=command,
        facts=_facts(comparison),
        unit=unit,
        rows=rows(comparison, colours, unit),
        source=source_row(comparison, unit),
        failed=[e for e in comparison.entrants if e.error],
        sections=[section for section in sections if not section.empty],
        density=data.space.measure is Measure.DENSITY,
        samples=comparison.samples,
    )


def _learning(shown: list[Exhibit], unit: Unit) -> Section:
    histories = {e.name: (e.colour, e.history) for e in shown if e.history is not None}
    return Section("Learning curves", LEARNING, curves(histories, unit), half=True)


def _facts(comparison: Comparison) -> Facts:
    data = comparison.data
    threads = torch.get_num_threads()
    machine = f"{threads} thread{'s' * (threads > 1)}, torch {torch.__version__}"
    parts = ((data.train, "train"), (data.valid, "valid"), (data.test, "test"))
    facts = [
        ("One event", str(data.space)),
        ("Rows", " \u00b7 ".join(f"{wording.grouped(part.rows)} {name}" for part, name in parts)),
        ("Split", wording.split(data.split)),
        ("Scored on", f"the {wording.grouped(data.test.rows)} test rows; bounds with K = {comparison.samples} samples"),
        ("Took", f"{wording.duration(comparison.seconds)} on {machine}"),
    ]
    if data.train.columns:
        facts.insert(1, ("Columns", ", ".join(data.train.columns)))
    if data.entropy is not None:
        facts.insert(2, ("Entropy", f"{wording.number(data.entropy, 3)} nats per event, known"))
    return facts + _errors(comparison)


def _errors(comparison: Comparison) -> Facts:
    """What the standard errors come from, where it is not single rows, and whose mean few rows carry."""
    scores = {e.name: e.score for e in comparison.entrants if e.score is not None}
    sources = [wording.error_source(score) for score in scores.values()]
    carried = [f"{name}: {score.carried}" for name, score in scores.items() if score.carried]
    return [(name, told[0]) for name, told in (("Errors", sources), ("Means", ["; ".join(carried)])) if any(told)]
