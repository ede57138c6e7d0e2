"""Tensors in a file are the same numbers, bit for bit, and a bit that has changed is noticed."""

from pathlib import Path

import pytest
import torch

from loglik.errors import CorruptRun
from loglik.storage.reading import read_tensors
from loglik.storage.writing import write_tensors

TENSORS = {
    "single": torch.randn(3, 4),
    "double": torch.randn(5, dtype=torch.float64) * 1e-300,
    "levels": torch.arange(70_000),
    "flag": torch.tensor(True),
    "empty": torch.empty(0),
    "turned": torch.randn(4, 3).T,
}


def test_they_come_back_as_they_went(tmp_path: Path) -> None:
    write_tensors(tmp_path / "file", TENSORS, {"said": 1})
    found, about = read_tensors(tmp_path / "file")
    assert about == {"said": 1}
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype is tensor.dtype
        assert torch.equal(found[name], tensor)


def test_one_changed_bit_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_tensors(path, TENSORS, {})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(CorruptRun, match="checksum"):
        read_tensors(path)
