"""Read rows for a run as its own data were read; if that fails, tell whether the data or the record are wrong."""

from loglik.data import Reading, Source, open_source
from loglik.data.catalog import CATALOG, Context
from loglik.data.files import kind_of
from loglik.errors import CorruptRun, LoglikError, ShapeMismatch, UsageError
from loglik.runs.building import AGAIN
from loglik.runs.run import RUN, Run, was_changed
from loglik.spaces import Space
from loglik.storage.schema import shown

KINDS = {"table": "a table", "text": "text", "sound": "sound", "images": "images"}  # what a file of each kind holds


def rows_like(run: Run, space: Space, data: str, part: str | None, context: Context) -> Source:
    """The rows at a path, or a part of a built-in data set, with the columns of a run.

    Args:
        space: of the run's model. context: see `open_source`.

    Raises:
        DataError, UsageError, ContextError: the data are not such; ShapeMismatch where they are of another kind.
        CorruptRun: run.json was changed, and its columns are not those of the data.
    """
    about = run.record.get("data") or {}
    columns = about.get("columns")
    if columns is not None and data in CATALOG:
        raise ShapeMismatch(
            f"Expected a table with the columns of the run, {shown(columns)}; got the built-in data set {data!r}, "
            "which has no columns. Name a file that has them."
        )
    reading = Reading.from_json(about)
    try:
        return open_source(data, part=part, context=context, space=space, columns=columns, reading=reading)
    except (ShapeMismatch, UsageError) as error:
        if data not in CATALOG:
            _check_kind(reading, space, columns, data)
        if isinstance(error, ShapeMismatch) and columns is not None and was_changed(run.folder):
            _check_names(run, columns, data)
        raise


def _check_kind(reading: Reading, space: Space, columns: list[str] | None, data: str) -> None:
    """Raises ShapeMismatch for a file of another kind than those that the run was fitted to."""
    if reading.vocabulary is not None:
        kind, wanted = "text", "a text"
    elif reading.sample_rate is not None:
        kind, wanted = "sound", f"recordings of {reading.sample_rate} Hz"
    elif columns is not None:
        kind, wanted = "table", f"a table with the columns {shown(columns)}"
    elif space.pictured:
        kind, wanted = "images", f"images of {space.shape[-1]} x {space.shape[-2]} pixels"
    else:
        kind, wanted = "table", f"an array of rows of shape {space.shape}"
    got = kind_of(data)
    if got != kind:
        raise ShapeMismatch(
            f"Expected {wanted}, as the run was fitted to; got {data}, which holds {KINDS[got]}. Name such a file, or "
            "another run."
        ) from None


def _check_names(run: Run, columns: list[str], data: str) -> None:
    """Raises CorruptRun if the columns that a changed run.json names are not all in the data."""
    try:
        names = open_source(data).columns
    except LoglikError:
        return
    if names is not None and not set(columns) <= set(names):
        raise CorruptRun(
            f"{run.folder / RUN} was changed since loglik wrote it: it names the columns {shown(columns)}, and {data} "
            f"has {shown(list(names))}. {AGAIN}"
        ) from None
