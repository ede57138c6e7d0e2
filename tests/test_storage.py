"""Files of tensors: told from pickles whatever their first bytes, and read back to the bit and to aligned memory."""

import io
import json
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from loglik.errors import CorruptRun, PickleRefused, RunNotFound
from loglik.runs.run import read_record
from loglik.storage.reading import is_pickle, read_tensors
from loglik.storage.writing import write_tensors

OLD_ZIPLESS = {"_use_new_zipfile_serialization": False}


def with_header_of(length: int) -> bytes:
    """A safetensors file whose header, padded with spaces, is so long."""
    header = json.dumps({"t": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}) if length > 70 else "{}"
    return length.to_bytes(8, "little") + header.ljust(length).encode() + bytes(8 if length > 70 else 0)


def test_no_length_of_the_header_is_taken_for_a_pickle(tmp_path: Path) -> None:
    """0x80 0x02 to 0x80 0x05, which begin a pickle, also begin a header of 640, 896, 1152 or 1408 bytes."""
    path = tmp_path / "t.safetensors"
    for length in range(8, 4097):
        path.write_bytes(with_header_of(length))
        assert not is_pickle(path), length


@pytest.mark.parametrize("cut", [8, 9, 12, 500, 600])
@pytest.mark.parametrize("length", [640, 896, 1152, 1408, 0x580280])
def test_a_file_cut_short_is_not_called_a_pickle(length: int, cut: int, tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(with_header_of(length)[:cut])
    assert path.read_bytes()[0] == 0x80
    with pytest.raises(CorruptRun, match="cut short"):
        read_tensors(path)


def test_tensors_are_read_back_with_headers_of_every_reachable_length(tmp_path: Path) -> None:
    path, lengths = tmp_path / "t.safetensors", set()
    for extra in range(0, 3900, 8):
        tensors = {"weight": torch.randn(3, dtype=torch.float64), "bias": torch.randn(2)}
        write_tensors(path, tensors, {"model": "m" * extra})
        lengths.add(int.from_bytes(path.read_bytes()[:8], "little"))
        found, about = read_tensors(path)
        assert about == {"model": "m" * extra}
        for name, tensor in tensors.items():
            assert torch.equal(found[name], tensor)
            assert found[name].data_ptr() % 64 == 0  # as torch allocates, so that sums have the same last bits
    assert {640, 896, 1152, 1408} <= lengths


def saved_by_torch(value: object, **options: bool) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


STATE = nn.Linear(3, 2).state_dict()
PICKLES = {
    **{f"protocol {p}": pickle.dumps({"weight": [1.0, 2.0]}, protocol=p) for p in range(pickle.HIGHEST_PROTOCOL + 1)},
    **{f"a long one, {p}": pickle.dumps(list(range(9000)), protocol=p) for p in range(pickle.HIGHEST_PROTOCOL + 1)},
    "torch.save": saved_by_torch(STATE),
    "torch.save before 1.6": saved_by_torch(STATE, **OLD_ZIPLESS),
    "a module": saved_by_torch(nn.Linear(2, 2)),
}


@pytest.mark.parametrize("name", PICKLES)
def test_pickles_are_refused_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(PICKLES[name])
    with pytest.raises(PickleRefused):
        read_tensors(path)
    with pytest.raises(PickleRefused):
        read_record(path)


@pytest.mark.parametrize("content", [b"", b"\x80", b"some words", bytes(64), b"\xff" * 64, with_header_of(200)[:150]])
def test_what_is_neither_is_damaged(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(CorruptRun):
        read_tensors(path)
    with pytest.raises(RunNotFound, match="is a file"):
        read_record(path)
