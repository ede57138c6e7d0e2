"""Read rows for a run as its own data were read; if that fails, tell whether the data or the record are wrong."""

from loglik.data import Reading, Source, open_source
from loglik.data.catalog import CATALOG, Context
from loglik.errors import CorruptRun, LoglikError, ShapeMismatch
from loglik.runs.building import AGAIN
from loglik.runs.run import RUN, Run, was_changed
from loglik.spaces import Space
from loglik.storage.schema import shown


def rows_like(run: Run, space: Space, data: str, part: str | None, context: Context) -> Source:
    """The rows at a path, or a part of a built-in data set, with the columns of a run.

    Args:
        space: of the run's model. context: see `open_source`.

    Raises:
        DataError, UsageError, ContextError: the data are not such. CorruptRun: run.json was changed, and its columns
        are not those of the data.
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
    except ShapeMismatch:
        if columns is not None and was_changed(run.folder):
            _check_names(run, columns, data)
        raise


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
