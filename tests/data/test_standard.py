"""The standard loaders on tiny files of the official formats, and on damaged ones."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from loglik.data import open_dataset, open_source
from loglik.data.builtin.images import BINARIZED_MNIST, CIFAR10, load_binarized_mnist, official, read_amat
from loglik.data.builtin.places import missing
from loglik.data.formats.cifar_pickle import read_batch
from loglik.data.formats.idx import read_idx
from loglik.errors import DataNotFound, UnreadableData
from loglik.spaces import Integer


def idx(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(root: Path, rows: int = 10_002) -> None:
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, n in (("train", rows), ("t10k", 3)):
        images = np.arange(n * 784, dtype=np.int64).astype(np.uint8).reshape(n, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        labels = gzip.compress(idx(np.arange(n).astype(np.uint8) % 10))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(labels)


def batch(n: int, seed: int = 0) -> bytes:
    images = np.random.default_rng(seed).integers(0, 256, (n, 3072)).astype(np.uint8)
    return pickle.dumps({"data": images, "labels": [i % 10 for i in range(n)]}, protocol=2)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOGLIK_DATA", str(tmp_path))
    return tmp_path


def test_mnist_plain_and_gzipped_with_labels(root: Path) -> None:
    write_mnist(root)
    data = open_dataset("mnist", context=True)
    assert data.space == Integer((1, 28, 28), 256)
    assert (data.train.rows, data.valid.rows, data.test.rows) == (2, 10_000, 3)
    assert data.test.context is not None
    assert data.test.context.tolist() == [0, 1, 2]
    assert int(data.train.x[0, 0, 0, 5]) == 5
    assert "last 10000 rows" in data.split["how"]
    assert open_dataset("mnist").context_space is None


def test_cifar10(root: Path) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for seed, file in enumerate(CIFAR10.files):
        (root / file).write_bytes(batch(1001, seed))
    data = open_dataset("cifar10")
    assert (data.train.rows, data.valid.rows, data.test.rows) == (5, 5000, 1001)
    assert data.train.x.shape == (5, 3, 32, 32)
    first = np.random.default_rng(0).integers(0, 256, (1001, 3072)).astype(np.uint8)
    assert data.train.x[1, 2, 0, 3] == first[1, 2 * 1024 + 3]
    assert open_source("cifar10", part="all").rows == 6006


def test_binarized_mnist(root: Path) -> None:
    (root / "binarized_mnist").mkdir()
    for file in BINARIZED_MNIST.files:
        (root / file).write_text(("1 " * 783 + "0 \n") * 2)
    data = load_binarized_mnist()
    assert data.space == Integer((1, 28, 28), 2)
    assert data.train.x.sum() == 2 * 783


def test_missing_variable_and_file_say_what_was_expected_where(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataNotFound, match=r"MNIST/raw/train-images-idx3-ubyte.*\$LOGLIK_DATA") as caught:
        open_dataset("mnist")
    assert str(root) in str(caught.value)
    monkeypatch.delenv("LOGLIK_DATA")
    with pytest.raises(DataNotFound, match="not set"):
        open_dataset("cifar10")
    assert missing(BINARIZED_MNIST.files)


@pytest.mark.parametrize("cut", [2, 10, 20])
def test_truncated_idx(tmp_path: Path, cut: int) -> None:
    whole = idx(np.zeros((3, 2, 2), np.uint8))
    path = tmp_path / "images"
    path.write_bytes(whole[:cut])
    with pytest.raises(UnreadableData, match="images"):
        read_idx(path)
    path.write_bytes(whole)
    assert read_idx(path).shape == (3, 2, 2)


def test_truncated_gzip(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx(np.zeros((3, 2, 2), np.uint8)))[:-6])
    with pytest.raises(UnreadableData, match="damaged"):
        read_idx(path)


def test_what_unpacks_beyond_the_memory_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(bytes(5_000_000)))
    assert path.stat().st_size < 10_000
    monkeypatch.setattr("loglik.data.formats.idx.AT_ONCE", 1 << 16)
    monkeypatch.setattr("loglik.arguments.memory.memory_at_hand", lambda: 1_000_000)
    with pytest.raises(MemoryError, match=r"images\.gz, of which 1\.05 MB are unpacked"):
        read_idx(path)


@pytest.mark.parametrize("content", [b"", b"garbage", batch(3)[:500], pickle.dumps([1, 2]), pickle.dumps({"data": 1})])
def test_damaged_cifar_batch(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(UnreadableData, match="data_batch_1"):
        read_batch(path)


class Touch:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_that_would_run_code_is_refused_unrun(tmp_path: Path) -> None:
    trap, path = tmp_path / "trap", tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({"data": Touch(trap), "labels": []}, protocol=2))
    with pytest.raises(UnreadableData, match="refused"):
        read_batch(path)
    assert not trap.exists()


def test_amat_with_other_characters(tmp_path: Path) -> None:
    path = tmp_path / "train.amat"
    for text in ("1 0 2 " * 784, "1 0 1\n", ""):
        path.write_text(text)
        with pytest.raises(UnreadableData, match="zeros and ones"):
            read_amat(path)


def test_too_few_rows_for_the_official_split() -> None:
    pair = torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(UnreadableData, match="more than 5 training rows"):
        official("x", Integer((1, 2, 2), 2), pair, pair, valid_rows=5, context=False)
