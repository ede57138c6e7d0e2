"""`report.html` of one run: what its record says, how it learned, and what it draws."""

from functools import partial
from pathlib import Path

import torch
from markupsafe import Markup

from loglik.contract import Model
from loglik.data import Dataset
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.records import Record
from loglik.report import record as told
from loglik.report.curves import Learned, caption, curves, lines, notes
from loglik.report.drawing import to_svg
from loglik.report.em_steps import CAPTION, em_steps
from loglik.report.exhibits import Exhibit, draw
from loglik.report.gallery import Names, gallery
from loglik.report.page import write_page
from loglik.report.palette import SERIES
from loglik.report.record import table
from loglik.report.reopening import reopened
from loglik.report.sections import Section, charted
from loglik.report.wording import Unit
from loglik.runs.run import Run
from loglik.spaces import Measure

COLOUR = SERIES[0]  # of the one model
ROWS = 2000  # for EM step by step


def run_report(folder: Path, command: str, data: str | None = None) -> Path:
    """Write folder/report.html from the folder's record, history and weights.

    What the record does not tell is left out. The data are shown beside the samples if the user names them, or they are
    built in, and their rows are still the same; where nobody names them the page says why they are not.

    Args:
        data: the path, or name, of the data that the run was fitted to.

    Raises:
        RunNotFound, CorruptRun, NewerRun, PickleRefused: see `runs.load`. RunMismatch, DataError: see `reopened`; no
        report is written. WriteFailed: the folder cannot be written.
    """
    run = Run.open(folder)
    record, model = run.record, run.model()
    name = str(record["model"]["name"])
    unit = Unit.of(model.space, [score["stderr"] for score in record.get("scores", [])])
    known, remark = reopened(record, model.space, data)
    place = table(record, "data").get("name")
    return write_page(
        folder,
        "run.html.j2",
        title=f"{name} on {place}" if place else name,
        command=record.get("command") or command,
        facts=told.facts(record, model.space),
        remark=remark,
        hyperparameters=told.hyperparameters(record),
        fitting=told.fitting(record),
        scores=[told.score(fields, unit) for fields in record.get("scores", [])],
        laws=told.laws(record),
        unit=unit,
        density=model.space.measure is not Measure.MASS,
        sections=[
            *_learning(folder, record, name, unit),
            *_steps(model, known, told.seed(record)),
            *_samples(model, name, known, unit, record),
        ],
    )


def _learning(folder: Path, record: Record, name: str, unit: Unit) -> list[Section]:
    tested = next((s["nats"] for s in record.get("scores") or [] if s.get("part") == "test"), None)
    fits = {name: Learned(COLOUR, told.history(folder, record), tested)}
    drawn = lines(fits, unit)
    if not drawn:
        return []
    text, left_out = caption(drawn), notes(fits, drawn)
    return [charted("Learning curve", text, partial(curves, drawn, unit), 1080, left_out)]


def _steps(model: Model, data: Dataset | None, seed: int) -> list[Section]:
    """EM of a mixture in the plane, where the data are known."""
    if data is None or not isinstance(model, GaussianMixture) or model.space.shape != (2,):
        return []
    x = next(data.train.batches(ROWS))[0]
    x = x[torch.isfinite(x).all(dim=1)]
    if len(x) <= model.components:
        return []

    def drawing(width: float) -> Markup:
        return to_svg(em_steps(model, x, seed=seed, width=width), f"em-{width:g}", "EM step by step")

    return [charted("EM, step by step", CAPTION, drawing, 1080)]


def _samples(model: Model, name: str, data: Dataset | None, unit: Unit, record: Record) -> list[Section]:
    test = None if data is None else data.test
    drawn, note = draw(model, name, None if test is None else test.context, told.seed(record))
    exhibit = Exhibit(name, COLOUR, model, samples=drawn, note=note)
    density = None if data is None else data.log_density
    about = table(record, "data")
    words = Names(about.get("columns"), about.get("vocabulary"))
    section = gallery(model.space, test, [exhibit], unit, density=density, names=words)
    return [] if section.empty else [section]
