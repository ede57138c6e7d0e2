"""The data that a run was fitted to, opened again; shown only if the user names them and they are still the same rows.

A run may come from a stranger, and no path that it names is opened. Built-in data sets are no paths.
"""

from loglik.data import Dataset, open_dataset
from loglik.data.catalog import CATALOG
from loglik.data.splits import TOGETHER
from loglik.errors import LoglikError, RunMismatch
from loglik.records import Record
from loglik.report import record as told
from loglik.report.record import table
from loglik.score import same_rows
from loglik.spaces import Space

ANOTHER = "Name the file of the run with --data, or none."
ONLY_THE_RUN = "Only what the run itself holds is shown."


def reopened(record: Record, space: Space, named: str | None = None) -> tuple[Dataset | None, str]:
    """The data of a run, and what a reader should know of them: why they are not shown.

    The training rows must have the fingerprint that the run remembers, and the test rows that of its score.

    Args:
        named: the path or name of the data, from the user.

    Raises:
        RunMismatch: the data that the user names are not those of the run. DataError: they cannot be read.
    """
    if named is not None:
        return _checked(record, space, named), ""
    about = table(record, "data")
    source = about.get("source") or about.get("name")
    if not source:
        return None, ""
    if source not in CATALOG:
        return None, (
            f"The data are not shown: they were read from {source}, and a report opens no file that only the run "
            f"names. Name it with --data. {ONLY_THE_RUN}"
        )
    try:
        return _checked(record, space, source), ""
    except (LoglikError, OSError) as error:
        return None, f"The data are not shown. {error} {ONLY_THE_RUN}"


def _checked(record: Record, space: Space, place: str) -> Dataset:
    """The data at a place, known to be those of the run."""
    wanted = table(record, "data").get("fingerprint")
    if wanted is None:
        raise RunMismatch("Expected a run with a fingerprint of its data; this one has none. Give no --data.")
    data = _opened(record, place, space)
    if data.space != space:
        raise RunMismatch(f"Expected the data of the run, events of {space}; {place} holds {data.space}. {ANOTHER}")
    found = data.train.fingerprint
    if not same_rows(found, str(wanted)):
        raise RunMismatch(
            f"Expected the rows that the run was fitted to, with fingerprint {wanted}; the training rows of {place} "
            f"have {found}. {ANOTHER}"
        )
    scored = next((s.get("rows") for s in record.get("scores") or [] if s.get("part") == "test"), None)
    if scored and not same_rows(data.test.fingerprint, str(scored)):
        raise RunMismatch(f"Expected the rows that the run was scored on; the test rows of {place} differ. {ANOTHER}")
    return data


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
