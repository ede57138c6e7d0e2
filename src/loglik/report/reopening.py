"""The data that a run was fitted to, opened again; shown only if they are still the same rows."""

from typing import Any

from loglik.data import Dataset, open_dataset
from loglik.data.splits import TOGETHER
from loglik.errors import LoglikError
from loglik.report import record as told
from loglik.report.record import Record, table
from loglik.score import same_rows
from loglik.spaces import Space

ONLY_THE_RUN = "Only what the run itself holds is shown."


def reopened(record: Record, space: Space) -> tuple[Dataset | None, str]:
    """The data that the record names, and what a reader should know of them: why they are not shown, or unchecked.

    The training rows must have the fingerprint that the run remembers, and the test rows that of its score.
    """
    about = table(record, "data")
    place = about.get("source") or about.get("name")
    if not place:
        return None, ""
    try:
        data = _opened(record, str(place), space)
    except (LoglikError, OSError) as error:
        return None, f"The data at {place} cannot be opened again: {error} {ONLY_THE_RUN}"
    if data.space != space:
        return None, f"{place} now holds events of {data.space}, not those that the run was fitted to. {ONLY_THE_RUN}"
    wanted = about.get("fingerprint")
    if wanted is None:
        return data, f"The run holds no fingerprint of its data, so the rows from {place} may be others."
    found = data.train.fingerprint
    if not same_rows(found, str(wanted)):
        return None, (
            f"{place} has changed since the run was fitted: the fingerprint of its training rows is {found}, "
            f"that of the run is {wanted}. {ONLY_THE_RUN}"
        )
    scored = next((s.get("rows") for s in record.get("scores") or [] if s.get("part") == "test"), None)
    if scored and not same_rows(data.test.fingerprint, str(scored)):
        return None, (
            f"{place} has changed since the run was scored: its test rows are no longer those of the score. "
            f"{ONLY_THE_RUN}"
        )
    return data, ""


def _opened(record: Record, place: str, space: Space) -> Dataset:
    about = table(record, "data")
    # A built-in set takes no columns, though it may have names for them.
    own_file = about.get("name") != place
    options: dict[str, Any] = {"seed": told.seed(record), "window": table(about, "split").get("window")}
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


def _context(about: Record) -> Any:
    """The names of the context's columns, where they are recorded; else the labels."""
    columns = about.get("context_columns")
    return tuple(columns) if columns else True
