"""The data that a run was fitted to, opened again; shown only if the user names them and they are still the same rows.

A run may come from a stranger, and no path that it names is opened. Built-in data sets are no paths.
"""

from loglik.data import Dataset, open_dataset
from loglik.data.catalog import CATALOG
from loglik.data.splits import TOGETHER
from loglik.errors import LoglikError
from loglik.records import Record
from loglik.report import record as told
from loglik.report.record import table
from loglik.score import same_rows
from loglik.spaces import Space

ONLY_THE_RUN = "Only what the run itself holds is shown."


def reopened(record: Record, space: Space, named: str | None = None) -> tuple[Dataset | None, str]:
    """The data of a run, and what a reader should know of them: why they are not shown.

    The training rows must have the fingerprint that the run remembers, and the test rows that of its score.

    Args:
        named: the path or name of the data, from the user.
    """
    about = table(record, "data")
    source = about.get("source") or about.get("name")
    if not source and named is None:
        return None, ""
    place = named if named is not None else source
    if place is None or (named is None and place not in CATALOG):
        return None, (
            f"The data are not shown: they were read from {source}, and a report opens no file that only the run "
            f"names. Name it with --data. {ONLY_THE_RUN}"
        )
    if about.get("fingerprint") is None:
        return None, f"The run holds no fingerprint of its data, so no rows can be told to be its own. {ONLY_THE_RUN}"
    try:
        data = _opened(record, str(place), space)
    except (LoglikError, OSError) as error:
        return None, f"The data at {place} cannot be opened again: {error} {ONLY_THE_RUN}"
    changed = _changed(record, data, space)
    return (None, f"{place} {changed} {ONLY_THE_RUN}") if changed else (data, "")


def _changed(record: Record, data: Dataset, space: Space) -> str:
    """How the data differ from those of the run, after their name; empty if they are the same."""
    if data.space != space:
        return f"now holds events of {data.space}, not those that the run was fitted to."
    found, wanted = data.train.fingerprint, str(table(record, "data")["fingerprint"])
    if not same_rows(found, wanted):
        return (
            f"has changed since the run was fitted: the fingerprint of its training rows is {found}, that of the run "
            f"is {wanted}."
        )
    scored = next((s.get("rows") for s in record.get("scores") or [] if s.get("part") == "test"), None)
    if scored and not same_rows(data.test.fingerprint, str(scored)):
        return "has changed since the run was scored: its test rows are no longer those of the score."
    return ""


def _opened(record: Record, place: str, space: Space) -> Dataset:
    about = table(record, "data")
    own_file = place not in CATALOG  # a built-in set takes no columns, though it may have names for them
    options: Record = {"seed": told.seed(record), "window": table(about, "split").get("window")}
    if table(about, "split").get(TOGETHER):
        options["keep_equal_rows_together"] = True
    if about.get("context") is not None:
        options["context"] = _context(about)
    if not own_file:
        return open_dataset(place, **options)
    data = open_dataset(place, columns=about.get("columns"), **options)
    if data.space == space:
        return data
    return open_dataset(place, columns=about.get("columns"), space=space, **options)


def _context(about: Record) -> bool | tuple[str, ...]:
    """The names of the context's columns, where they are recorded; else the labels."""
    columns = about.get("context_columns")
    return tuple(columns) if columns else True
