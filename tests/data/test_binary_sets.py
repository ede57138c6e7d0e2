"""The binary density sets on tiny files of their format, and on damaged ones."""

from pathlib import Path

import pytest
import torch

from loglik.data import catalog, open_dataset, open_source
from loglik.data.builtin.binary import BINARY, read_bits
from loglik.data.catalog import CATALOG
from loglik.errors import DataError, DataNotFound, EmptyData, ShapeMismatch, UnreadableData
from loglik.spaces import Integer


@pytest.fixture
def nltcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five, three and two rows in the place of the official files."""
    monkeypatch.setenv("LOGLIK_DATA", str(tmp_path))
    generator = torch.Generator().manual_seed(0)
    for file, rows in zip(CATALOG["nltcs"].files, (5, 3, 2), strict=True):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        bits = torch.randint(2, (rows, 16), generator=generator).tolist()
        path.write_text("".join(",".join(map(str, row)) + "\n" for row in bits))
    return tmp_path / "density_estimation_binary" / "nltcs"


def test_official_parts(nltcs: Path) -> None:
    data = open_dataset("nltcs")
    assert data.space == Integer((16,), 2)
    assert (data.train.rows, data.valid.rows, data.test.rows) == (5, 3, 2)
    assert data.train.x.dtype == torch.uint8
    written = [[int(v) for v in line.split(",")] for line in (nltcs / "nltcs.train.data").read_text().splitlines()]
    assert data.train.x.tolist() == written
    assert data.split == {"how": "official files (Van Haaren and Davis 2012)", "train": 5, "valid": 3, "test": 2}
    assert open_source("nltcs", part="valid").rows == 3
    assert "elderly" in data.about


def test_every_set_is_in_the_catalog_with_its_source(nltcs: Path) -> None:
    listed = {row.name: row for row in catalog()}
    for name in BINARY:
        assert "201" in listed[name].about
        assert listed[name].available == (name == "nltcs")
    with pytest.raises(DataNotFound, match=r"dna\.train\.data"):
        open_dataset("dna")


def test_lines_of_windows_and_without_a_last_newline(tmp_path: Path) -> None:
    path = tmp_path / "a.data"
    path.write_bytes(b"0,1,1\r\n1,0,0")
    assert read_bits(path, 3).tolist() == [[0, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", EmptyData),
        ("0,1\n", ShapeMismatch),
        ("0,1,1\n0,1\n", ShapeMismatch),
        ("0,1,2\n", UnreadableData),
        ("0,1,x\n", UnreadableData),
        ("0;1;1\n", UnreadableData),
        ("0,1,1,0,1,1\n", UnreadableData),  # as many characters as two rows, but one line
    ],
)
def test_damaged_files(text: str, error: type[DataError], tmp_path: Path) -> None:
    path = tmp_path / "a.data"
    path.write_text(text)
    with pytest.raises(error, match=r"3 zeros and ones.*a\.data") as caught:
        read_bits(path, 3)
    assert "\n" not in str(caught.value)
