"""Values that are missing: NaN of reals wherever data come from; whole numbers, labels and contexts have none."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from loglik import Real
from loglik.data import RowDigest, Source, as_source
from loglik.data.equal_rows import row_hashes
from loglik.errors import NotFinite

GAPPED = [[0.5, 2.0], [math.nan, 3.0], [1.5, math.nan]]


def in_csv(folder: Path) -> str:
    path = folder / "t.csv"
    path.write_text("a,b\n0.5,2\n,3\n1.5,NA\n")
    return str(path)


def in_parquet(folder: Path) -> str:
    path = folder / "t.parquet"
    parquet.write_table(pa.table({"a": [0.5, None, 1.5], "b": [2, 3, None]}), path)
    return str(path)


def in_npy(folder: Path) -> str:
    np.save(folder / "t.npy", np.array(GAPPED))
    return str(folder / "t.npy")


READ: dict[str, Any] = {
    "CSV": in_csv,
    "Parquet": in_parquet,
    "NPY": in_npy,
    "list": lambda _: GAPPED,
    "tensor": lambda _: torch.tensor(GAPPED, dtype=torch.float64),
    "pandas": lambda _: pd.DataFrame(GAPPED, columns=["a", "b"]),
    "polars": lambda _: pl.DataFrame({"a": [0.5, None, 1.5], "b": [2, 3, None]}),
    "masked array": lambda _: np.ma.masked_array(np.nan_to_num(GAPPED), np.isnan(GAPPED)),
}


@pytest.mark.parametrize("kind", READ)
def test_gaps_of_reals_are_read_and_counted(kind: str, tmp_path: Path) -> None:
    source = as_source(READ[kind](tmp_path)).read()
    assert source.space == Real((2,))
    assert torch.equal(source.x.double().nan_to_num(-1.0), torch.tensor(GAPPED).double().nan_to_num(-1.0))
    assert source.gaps == 2
    if kind in ("CSV", "Parquet", "NPY"):
        assert source.read_as.endswith("2 values missing")


WHOLE: dict[str, Any] = {
    "CSV": lambda folder: written(folder, "a,b\n1,2\n,3\n"),
    "one empty column in a CSV": lambda folder: written(folder, "a,b\n,2\n,3\n"),
    "pandas, which makes floats of them": lambda _: pd.DataFrame({"a": [1, None], "b": [2, 3]}),
    "polars": lambda _: pl.DataFrame({"a": [1, None], "b": [2, 3]}),
    "a list, of which numpy makes floats": lambda _: [[1, 2], [math.nan, 3]],
    "booleans": lambda _: pl.DataFrame({"a": [True, None], "b": [False, True]}),
}


def written(folder: Path, text: str) -> str:
    (folder / "w.csv").write_text(text)
    return str(folder / "w.csv")


@pytest.mark.parametrize("kind", WHOLE)
def test_one_gap_makes_no_density_of_whole_numbers(kind: str, tmp_path: Path) -> None:
    data = WHOLE[kind](tmp_path)
    with pytest.raises(
        NotFinite, match=r"whole numbers throughout; got a missing value at row [12], column ('a'|1) of"
    ) as refused:
        as_source(data)
    assert "--space real" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert as_source(data, space="real").read().gaps in (1, 2)
    with pytest.raises(NotFinite, match="missing value"):
        as_source(data, space="integer:9").read()


@pytest.mark.parametrize("text", ["a,b\n1,2\n,300\n", "a,b\n1,-2\n,3\n", "a,b\n1,2.5\n,3\n"])
def test_columns_that_are_reals_anyway_may_have_gaps(text: str, tmp_path: Path) -> None:
    assert as_source(written(tmp_path, text)).space == Real((2,))


def test_infinities_and_contexts_with_gaps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFinite, match="an infinity at row 2, column 1"):
        as_source([[0.5], [math.inf], [math.nan]])
    with pytest.raises(NotFinite, match="missing value or NaN at row 2"):
        as_source([[0.5], [1.5]], context=[[1.0], [math.nan]])
    with pytest.raises(NotFinite, match="missing value or NaN at row 2, column 'b'"):
        as_source(written(tmp_path, "a,b\n0.5,2\n1.5,\n"), context="b").read()


def test_nan_equals_nan_in_fingerprints_and_equal_rows() -> None:
    other = np.array(GAPPED)
    other.view(np.uint64)[np.isnan(other)] |= 5  # NaN of another form
    a, b = as_source(GAPPED), as_source(other)
    assert a.fingerprint == b.fingerprint != as_source(np.nan_to_num(GAPPED)).fingerprint
    assert torch.equal(row_hashes(a), row_hashes(b))
    digest = RowDigest()
    digest.update(torch.tensor(GAPPED, dtype=torch.float64))
    assert digest.hexdigest() == a.fingerprint


def test_a_source_that_is_streamed_does_not_know_its_gaps(tmp_path: Path) -> None:
    source: Source = as_source(in_parquet(tmp_path))
    assert source.gaps is None
    assert source.read().gaps == 2
    assert source.read().subset(torch.tensor([0, 1])).gaps == 1
