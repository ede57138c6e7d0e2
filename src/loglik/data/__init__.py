"""Rows of events and where they come from: built-in data sets, arrays, tables and files.

Importing this package loads neither pyarrow nor scikit-learn nor a DataFrame library; opening data does, as needed.
"""

from loglik.data.catalog import catalog, open_dataset, open_source
from loglik.data.opening import as_source
from loglik.data.source import Dataset, Memory, RowDigest, Source, split_rows

__all__ = [
    "Dataset",
    "Memory",
    "RowDigest",
    "Source",
    "as_source",
    "catalog",
    "open_dataset",
    "open_source",
    "split_rows",
]
