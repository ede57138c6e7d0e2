"""The two doors, by name and by path; importing them is light."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from loglik.data import catalog, open_dataset, open_source
from loglik.errors import ContextError, DataNotFound, EmptyData, UnknownName, UsageError
from loglik.spaces import Category, Integer, Real


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "".join(f"{i}.5,{i}\n" for i in range(20)))
    return path


def test_digits() -> None:
    data = open_dataset("digits")
    assert data.space == Integer((1, 8, 8), 17)
    assert (data.train.rows, data.valid.rows, data.test.rows) == (1258, 180, 359)
    assert data.train.x.dtype == torch.uint8
    assert int(data.train.x.max()) == 16
    assert data.context_space is None
    assert data.split["seed"] == 0
    assert data.about


def test_digits_with_labels() -> None:
    data = open_dataset("digits", context=True)
    assert data.context_space == Category((), 10)
    assert data.train.context is not None
    assert data.train.context.shape == (1258,)
    assert data.context_space.features(data.train.context[:3]).shape == (3, 10)


def test_parts_of_a_built_in_set() -> None:
    assert open_source("digits").rows == 359
    assert open_source("digits", part="train").rows == 1258
    assert open_source("digits", part="all").rows == 1797
    assert open_source("digits").fingerprint == open_dataset("digits").test.fingerprint
    with pytest.raises(UnknownName, match="part"):
        open_source("digits", part="tset")


def test_a_path_is_split_by_the_seed(table: Path) -> None:
    data, again, other = open_dataset(table), open_dataset(str(table), seed=0), open_dataset(table, seed=1)
    assert (data.train.rows, data.valid.rows, data.test.rows) == (14, 2, 4)
    assert data.train.fingerprint == again.train.fingerprint != other.train.fingerprint
    assert data.train.columns == ("a", "b")
    assert data.name == "table.csv"
    assert data.split == {**data.split, "seed": 0, "train": 14, "valid": 2, "test": 4}
    everything = torch.cat([data.train.x, data.valid.x, data.test.x])
    assert sorted(everything[:, 1].tolist()) == list(range(20))


def test_a_path_streams_whole(table: Path) -> None:
    source = open_source(table, columns=["b"], context=["a"])
    assert source.space == Integer((1,), 20)
    assert source.context_space == Real((1,))
    assert [len(x) for x, _ in source.batches(8)] == [8, 8, 4]
    with pytest.raises(UsageError, match="no parts"):
        open_source(table, part="test")


def test_names_and_paths_that_are_not_there() -> None:
    with pytest.raises(UnknownName, match=r"'digits'.*path"):
        open_dataset("digts")
    for path in ("digts.csv", "folder/digts", Path("digts")):
        with pytest.raises(DataNotFound):
            open_dataset(path)


def test_too_few_rows_to_split(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("a\n1\n2\n")
    with pytest.raises(EmptyData, match="at least 3 rows"):
        open_dataset(path)
    path.write_text("a\n1\n2\n3\n")
    assert open_dataset(path).train.rows == 1


def test_arguments_that_cannot_be(table: Path) -> None:
    with pytest.raises(ContextError, match="no labels"):
        open_dataset("moons", context=True)
    with pytest.raises(UsageError, match="context=True"):
        open_dataset("digits", context="a")
    with pytest.raises(UsageError, match="named columns"):
        open_dataset(table, context=True)
    with pytest.raises(UsageError, match="Columns"):
        open_dataset("digits", columns=["a"])
    with pytest.raises(UsageError, match="17 levels"):
        open_dataset("digits", space="real")
    assert open_dataset("digits", space="integer:17").train.rows == 1258


def test_catalog_lists_all_without_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOGLIK_DATA", raising=False)
    rows = {row.name: row for row in catalog()}
    assert rows["digits"].available
    assert not rows["mnist"].available
    assert rows["moons"].about
    for name in ("digits", "moons", "markov", "ising"):
        assert str(open_dataset(name).space) == rows[name].space


def test_import_is_light() -> None:
    heavy = ("pyarrow", "sklearn", "pandas", "narwhals", "PIL", "soundfile")
    code = f"import sys, loglik.data; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
