"""`report.html` of one run: what its record says, how it learned, and what it draws."""

from pathlib import Path

from loglik.contract import Model
from loglik.data import Dataset, open_dataset
from loglik.errors import LoglikError
from loglik.report import record as told
from loglik.report.comparison import LEARNING
from loglik.report.curves import curves
from loglik.report.exhibits import Exhibit, draw
from loglik.report.gallery import gallery
from loglik.report.page import write_page
from loglik.report.palette import SERIES
from loglik.report.record import Record, table
from loglik.report.sections import Section
from loglik.report.wording import Unit
from loglik.runs import Run
from loglik.spaces import Measure, Space

COLOUR = SERIES[0]  # of the one model


def run_report(folder: Path, command: str) -> Path:
    """Write folder/report.html from the folder's record, history and weights.

    What the record does not tell is left out. The data are shown beside the samples if they can still be opened.

    Raises:
        RunNotFound, CorruptRun, NewerRun, PickleRefused: see `runs.load`. WriteFailed: the folder cannot be written.
    """
    run = Run.open(folder)
    record, model = run.record, run.model()
    name = str(record["model"]["name"])
    unit = Unit.of(model.space, [score["stderr"] for score in record.get("scores", [])])
    data, place = _data(record, model.space), table(record, "data").get("name")
    learned = curves({name: (COLOUR, told.history(folder, record))}, unit, width=1080)
    sections = [Section("Learning curve", LEARNING, learned)] if learned else []
    return write_page(
        folder,
        "run.html.j2",
        title=f"{name} on {place}" if place else name,
        command=record.get("command") or command,
        facts=told.facts(record, model.space),
        hyperparameters=told.hyperparameters(record),
        fitting=told.fitting(record),
        scores=[told.score(fields, unit) for fields in record.get("scores", [])],
        laws=told.laws(record),
        unit=unit,
        density=model.space.measure is Measure.DENSITY,
        sections=[*sections, *_samples(model, name, data, unit, told.seed(record))],
    )


def _samples(model: Model, name: str, data: Dataset | None, unit: Unit, seed: int) -> list[Section]:
    test = None if data is None else data.test
    drawn, note = draw(model, name, None if test is None else test.context, seed)
    exhibit = Exhibit(name, COLOUR, model, samples=drawn, note=note)
    density = None if data is None else data.log_density
    section = gallery(model.space, test, [exhibit], unit, density=density)
    return [] if section.empty else [section]


def _data(record: Record, space: Space) -> Dataset | None:
    """The data that the record names, if they are still there and still of this space."""
    about = table(record, "data")
    place = about.get("source") or about.get("name")
    if not place:
        return None
    # A built-in set takes no columns, though it may have names for them.
    columns = about.get("columns") if about.get("name") != place else None
    window = table(about, "split").get("window")
    try:
        data = open_dataset(str(place), seed=told.seed(record), columns=columns, window=window)
    except (LoglikError, OSError):
        return None
    return data if data.space == space else None
