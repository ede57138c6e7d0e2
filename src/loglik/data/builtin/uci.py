"""Real-valued tables of the UCI repository, as the regression benchmark of T. Evans (uci_datasets) holds them.

Their values are rounded, and many repeat: a density of them has no greatest value, and models would compete in guessing
how they were rounded. So constant columns are left out, the others are standardised, and every value gets Gaussian
noise with a standard deviation of 0.01, once for all. What is modelled is then a density, the same for everyone.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch

from loglik.data.builtin.entry import Builtin
from loglik.data.builtin.places import find
from loglik.data.formats.tables.csv import CsvReader
from loglik.data.source import Dataset, Memory
from loglik.data.splits import split_source
from loglik.errors import UnreadableData
from loglik.spaces import Real

UCI: dict[str, tuple[int, str]] = {  # columns, the target and constant ones too, and what they are
    "bike": (18, "rented bicycles, hour by hour"),
    "keggdirected": (21, "metabolic pathways as directed graphs"),
    "keggundirected": (28, "metabolic pathways as undirected graphs"),
    "pol": (27, "a telephone network"),
}
NOISE = 0.01  # of a column's standard deviation
SEED = 0  # of the noise and of the split


def load_uci(name: str) -> Dataset:
    """A table as Real((D,)), with standardised columns and noise; 70 % train, 10 % valid and 20 % test rows.

    Raises:
        DataNotFound: the file is not there. UnreadableData, EmptyData: a damaged one, or one of other columns.
    """
    (path,) = find(_files(name))
    values = read_numbers(path, UCI[name][0])
    scale = values.std(0)
    varies = scale > 1e-12 * np.abs(values).max(0)
    values = (values[:, varies] - values[:, varies].mean(0)) / scale[varies]
    values += NOISE * np.random.Generator(np.random.PCG64(SEED)).standard_normal(values.shape)
    x = torch.from_numpy(values).float()
    data = split_source(name, Memory(Real((x.shape[1],)), x), seed=SEED)
    data.split["noise"] = f"N(0, {NOISE}^2) on standardised columns, seed {SEED}; {int((~varies).sum())} constant ones"
    return data


def _files(name: str) -> tuple[str, ...]:
    return (f"uci_regression/{name}/data.csv",)


def read_numbers(path: Path, columns: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(N, columns) in float64, from a CSV file without header."""
    reader = CsvReader(str(path), path.name, named=False)
    names = reader.schema.names
    if len(names) != columns:
        raise UnreadableData(f"Expected {columns} columns in {path}; got {len(names)}. Fetch it again.")
    batches = [
        np.stack([column.to_numpy(zero_copy_only=False) for column in batch]) for batch in reader.read(names, 1 << 16)
    ]
    values = np.concatenate(batches, axis=1).T.astype(np.float64)
    if not np.isfinite(values).all():
        raise UnreadableData(f"Expected finite numbers in {path}; got others. Fetch it again.")
    return values


UCI_SETS = tuple(
    Builtin(name, partial(load_uci, name), "Real(D,)", f"{what} (UCI)", _files(name)) for name, (_, what) in UCI.items()
)
