"""Rows of events and where they come from: built-in data sets, arrays, tables, texts, recordings and images.

Importing this package loads no reader of files (pyarrow, Pillow, soundfile), no scikit-learn and no DataFrame library;
opening data does, as needed.
"""

from loglik.data.catalog import catalog, open_dataset, open_source
from loglik.data.opening import as_source
from loglik.data.reading import Reading
from loglik.data.source import Dataset, Memory, RowDigest, Source
from loglik.data.splits import hold_out, split_rows, split_source

__all__ = [
    "Dataset",
    "Memory",
    "Reading",
    "RowDigest",
    "Source",
    "as_source",
    "catalog",
    "hold_out",
    "open_dataset",
    "open_source",
    "split_rows",
    "split_source",
]
