"""Where the official files of the standard data sets are, under the folder that $LOGLIK_DATA names.

Nothing is downloaded. The error for a missing file names the path where it was expected.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from loglik.errors import DataNotFound

ROOT = "LOGLIK_DATA"


def find(files: Sequence[str]) -> list[Path]:
    """Where the files of a data set are, plain or .gz, or its folders.

    Raises:
        DataNotFound: $LOGLIK_DATA is not set, or something is not there.
    """
    lacking = missing(files)
    if lacking:
        raise DataNotFound(lacking)
    root = Path(os.environ[ROOT])
    plain = [root / file for file in files]
    return [path if path.exists() else path.with_name(path.name + ".gz") for path in plain]


def missing(files: Sequence[str]) -> str:
    """Why a data set cannot be read, naming the first path that does not exist; empty if all do."""
    root = os.environ.get(ROOT, "")
    if not root:
        return f"Expected {files[0]} under ${ROOT}; it is not set. Set it to the folder of your data sets."
    for file in files:
        path = Path(root) / file
        if not path.exists() and not path.with_name(path.name + ".gz").is_file():
            return f"Expected the official {path} (or .gz); there is none. Put it there, or correct ${ROOT}."
    return ""
