"""UCI tables from small files of their format, and from damaged ones."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from loglik.data import open_dataset
from loglik.data.builtin.uci import NOISE, UCI
from loglik.data.catalog import CATALOG
from loglik.errors import UnreadableData
from loglik.spaces import Real

COLUMNS = UCI["bike"][0]


@pytest.fixture
def bike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the table should be."""
    monkeypatch.setenv("LOGLIK_DATA", str(tmp_path))
    path = tmp_path / f"{CATALOG['bike'].files[0]}.gz"
    path.parent.mkdir(parents=True)
    return path


def write(path: Path, rows: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> None:
    text = "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())
    path.write_bytes(gzip.compress(text.encode()))


def test_columns_are_standardised_and_constant_ones_left_out(bike: Path) -> None:
    rows = np.random.default_rng(0).normal(3.0, 50.0, (200, COLUMNS))
    rows[:, 4] = 7.0
    rows[:, 5] = np.round(rows[:, 5] / 100.0)
    write(bike, rows)
    data = open_dataset("bike")
    assert data.space == Real((COLUMNS - 1,))
    parts = [data.train.x, data.valid.x, data.test.x]
    assert [len(part) for part in parts] == [140, 20, 40]
    whole = torch.cat(parts).double()
    assert whole.mean(0).abs().max() < 0.01
    assert (whole.std(0, correction=0) - 1.0).abs().max() < 0.01
    assert "1 constant" in data.split["noise"]
    rounded = rows[:, 5]
    near = (whole[:, 4:5] - torch.from_numpy((rounded - rounded.mean()) / rounded.std())).abs().amin(1)
    assert 0.3 * NOISE < near.square().mean().sqrt() < 1.5 * NOISE
    assert len(whole[:, 4].unique()) == 200


def test_the_same_rows_every_time(bike: Path) -> None:
    write(bike, np.random.default_rng(0).normal(size=(30, COLUMNS)))
    assert open_dataset("bike").train.fingerprint == open_dataset("bike", seed=5).train.fingerprint


@pytest.mark.parametrize(("columns", "value"), [(COLUMNS - 1, 0.5), (COLUMNS, np.inf)])
def test_a_damaged_table_is_named(bike: Path, columns: int, value: float) -> None:
    rows = np.random.default_rng(0).normal(size=(30, columns))
    rows[3, 3] = value
    write(bike, rows)
    with pytest.raises(UnreadableData, match="Fetch it again"):
        open_dataset("bike")
