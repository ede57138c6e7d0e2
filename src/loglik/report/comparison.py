"""`report.html` of a comparison: the leaderboard with its claims, the charts, the samples, and the command."""

from functools import partial
from pathlib import Path

import torch

from loglik.report import wording
from loglik.report.cost import cost, not_shown
from loglik.report.curves import Learned, caption, curves, lines, notes
from loglik.report.exhibits import Exhibit, exhibits
from loglik.report.gallery import gallery
from loglik.report.leaderboard import rows, source_row
from loglik.report.page import write_page
from loglik.report.palette import assign
from loglik.report.sections import Section, charted
from loglik.report.spread import CAPTION, spread
from loglik.report.wording import Unit
from loglik.spaces import Measure
from loglik.tasks.comparison import Comparison
from loglik.tasks.unseen import repeats_in_words

Facts = list[tuple[str, str]]
COST = (
    "An error bar is one standard error. A filled dot is exact; an open one is a bound, its arrow points to where the "
    "truth may be. The axis follows the models that can be told apart; the others stand at its rim, with their number."
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
        charted("Score against cost", COST, partial(cost, shown, unit), 520, not_shown(shown), half=True),
        _learning(shown, unit),
        gallery(data.space, data.test, shown, unit, density=data.log_density, samples=comparison.samples),
        charted("Row by row", CAPTION, partial(spread, shown, unit), 1080),
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
        density=data.space.measure is not Measure.MASS,
        tested=f"{wording.grouped(data.test.rows)} test row{'s' * (data.test.rows != 1)}",
        samples=comparison.samples,
    )


def _learning(shown: list[Exhibit], unit: Unit) -> Section:
    fits = {
        e.name: Learned(e.colour, e.history, None if e.score is None else e.score.nats)
        for e in shown
        if e.history is not None
    }
    drawn = lines(fits, unit)
    return charted("Learning curves", caption(drawn), partial(curves, drawn, unit), 520, notes(fits, drawn), half=True)


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
    if comparison.interrupted:
        facts.append(("Interrupted", "a fit did not come to its end, and those after it were not begun"))
    if data.entropy is not None:
        facts.insert(2, ("Entropy", f"{wording.number(data.entropy, 3)} nats per event, known"))
    return facts + _repeats(comparison) + _errors(comparison)


def _repeats(comparison: Comparison) -> Facts:
    """How many test rows equal training rows, and the scores of the others; nothing where none does."""
    repeats = repeats_in_words(comparison.seen)
    scores = {s.name: unseen for s in comparison.standings if (unseen := comparison.unseen(s.name)) is not None}
    if not scores:
        return [("Repeats", repeats)] if repeats else []
    unit = Unit.of(comparison.data.space, [score.stderr for score in scores.values()])
    told = [f"{n} {unit.sign(s.claim)} {unit.measured(s.nats, s.stderr)}" for n, s in scores.items()]
    left = int((~comparison.seen).sum())
    return [("Repeats", f"{repeats}; on the other {left}, in {unit.name}: {', '.join(told)}")]


def _errors(comparison: Comparison) -> Facts:
    """What the standard errors come from, where it is not single rows, and whose mean few rows carry."""
    scores = {e.name: e.score for e in comparison.entrants if e.score is not None}
    sources = [wording.error_source(score) for score in scores.values()]
    carried = [f"{name}: {score.carried}" for name, score in scores.items() if score.carried]
    return [(name, told[0]) for name, told in (("Errors", sources), ("Means", ["; ".join(carried)])) if any(told)]
