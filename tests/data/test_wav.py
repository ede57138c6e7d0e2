"""Recordings: windows of samples as they were recorded, files and folders of them, and those that are refused."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from loglik.data import Reading, open_dataset, open_source
from loglik.errors import ContextError, DataError, EmptyData, NotFinite, ShapeMismatch, UnreadableData, UsageError
from loglik.spaces import Category, Integer


def samples(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-32768, 32768, count).astype(np.int16)


def write(path: Path, content: np.ndarray, rate: int = 8000, subtype: str = "PCM_16") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, content, rate, subtype=subtype)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten recordings of 25 + i samples in two subfolders, and a file that is none."""
    for i in range(10):
        write(tmp_path / "sounds" / ("low" if i % 2 else "high") / f"{i}.wav", samples(25 + i, i))
    (tmp_path / "sounds" / "README.md").write_text("ten recordings")
    return tmp_path / "sounds"


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_levels_are_samples_plus_32768(name: str, size: int, tmp_path: Path) -> None:
    recorded = samples(50)
    recorded[:2] = -32768, 32767
    source = open_source(write(tmp_path / name, recorded), window=8)
    assert source.space == Integer((8,), 65536)
    assert (source.rows, source.sample_rate, source.stream) == (6, 8000, True)
    x = torch.cat([x for x, _ in source.batches(size)])
    assert x.dtype == torch.int32
    assert (x.reshape(-1) - 32768).tolist() == recorded[:48].tolist()
    assert "2 samples" in source.remark


@pytest.mark.parametrize("subtype", ["PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_wider_files_of_16_bit_samples_are_the_same(subtype: str, tmp_path: Path) -> None:
    recorded = samples(40)
    wide = write(tmp_path / "wide.wav", recorded / 32768.0, subtype=subtype)
    plain = write(tmp_path / "plain.wav", recorded)
    assert open_source(wide, window=8).fingerprint == open_source(plain, window=8).fingerprint


def test_8_bits_have_256_levels(tmp_path: Path) -> None:
    recorded = (np.arange(-128, 128) * 256).astype(np.int16)
    source = open_source(write(tmp_path / "a.wav", recorded, subtype="PCM_U8"), window=256).read()
    assert source.space == Integer((256,), 256)
    assert source.x.dtype == torch.uint8
    assert source.x[0].tolist() == list(range(256))


def test_one_recording_is_cut_in_order(tmp_path: Path) -> None:
    recorded = samples(1000)
    data = open_dataset(write(tmp_path / "a.wav", recorded), window=20)
    parts = [data.train, data.valid, data.test]
    assert [part.rows for part in parts] == [44, 2, 2]
    assert all(part.stream and part.sample_rate == 8000 for part in parts)
    assert (data.test.x.reshape(-1) - 32768).tolist() == recorded[960:].tolist()
    assert data.split["samples that fill no window"] == 0


def test_recordings_of_a_folder_lie_in_one_part_whole(folder: Path) -> None:
    data, again, other = (open_dataset(folder, window=10, seed=seed) for seed in (0, 0, 1))
    assert data.train.fingerprint == again.train.fingerprint != other.train.fingerprint
    rows = {
        i: set(map(tuple, (samples(25 + i, i)[:20].astype(int) + 32768).reshape(-1, 10).tolist())) for i in range(5)
    }
    for i in range(5):
        inside = [bool(rows[i] & set(map(tuple, part.x.tolist()))) for part in (data.train, data.valid, data.test)]
        assert sum(inside) == 1
    assert data.split["recordings"] == {"train": 7, "valid": 1, "test": 2}
    assert not data.train.stream
    assert sum(part.rows for part in (data.train, data.valid, data.test)) == 25  # 2 windows of 25 to 29, 3 of 30 to 34


def test_subfolders_are_classes(folder: Path) -> None:
    data = open_dataset(folder, window=10, context=True)
    assert data.context_space == Category((), 2)
    assert data.split["labels"] == ["high", "low"]
    assert data.train.context is not None
    number = {tuple((samples(25 + i, i)[:10].astype(int) + 32768).tolist()): i % 2 for i in range(10)}
    begins = [
        (number.get(tuple(row)), c) for row, c in zip(data.train.x.tolist(), data.train.context.tolist(), strict=True)
    ]
    assert sum(wanted is not None for wanted, _ in begins) == 7
    assert all(wanted in (None, c) for wanted, c in begins)
    (folder / "low").rename(folder / "deep")
    with pytest.raises(ContextError, match=r"high, low; got deep"):
        open_source(folder, context=True, space=data.space, reading=Reading.of(data))
    with pytest.raises(ContextError, match="at least 2 subfolders"):
        open_dataset(write(folder / "alone" / "x" / "a.wav", samples(30)).parent.parent, window=10, context=True)


def test_files_that_do_not_go_together(folder: Path) -> None:
    write(folder / "zz.wav", samples(30), rate=16000)
    with pytest.raises(ShapeMismatch, match=r"8000 Hz in .*0\.wav and 16000 Hz in .*zz\.wav"):
        open_dataset(folder, window=10)
    write(folder / "zz.wav", samples(30), subtype="PCM_U8")
    with pytest.raises(ShapeMismatch, match=r"65536 levels in .*0\.wav and 256 in .*zz\.wav"):
        open_dataset(folder, window=10)
    (folder / "zz.wav").unlink()
    (folder / "photo.png").write_bytes(b"")
    with pytest.raises(UnreadableData, match=r"both, photo\.png and 0\.wav"):
        open_dataset(folder)


def test_a_run_reads_sound_of_its_rate_and_levels(tmp_path: Path) -> None:
    path, reading = write(tmp_path / "a.wav", samples(40)), Reading(sample_rate=16000)
    with pytest.raises(ShapeMismatch, match="Expected 16000 Hz, as the run"):
        open_source(path, space=Integer((8,), 65536), reading=reading)
    with pytest.raises(ShapeMismatch, match="65536 levels"):
        open_source(path, space=Integer((8,), 256))


def refused(path: Path, error: type[DataError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        open_dataset(path, window=10)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_what_would_have_to_be_changed_is_refused(tmp_path: Path) -> None:
    recorded = samples(300)
    refused(write(tmp_path / "a.wav", np.stack([recorded, recorded], 1)), UnreadableData, "one channel; got 2.*remix")
    refused(write(tmp_path / "a.wav", recorded / 32767.0, subtype="FLOAT"), UnreadableData, "rounded or clipped")
    refused(write(tmp_path / "a.wav", np.full(300, 1.5), subtype="FLOAT"), UnreadableData, "1.5 at sample 1, ")
    refused(write(tmp_path / "a.wav", recorded / 40000.0, subtype="PCM_24"), UnreadableData, "PCM_24")
    refused(write(tmp_path / "a.wav", recorded, subtype="ULAW"), UnreadableData, "linear samples")
    broken = np.zeros(300)
    broken[7] = np.nan
    refused(write(tmp_path / "a.wav", broken, subtype="FLOAT"), NotFinite, "nan at sample 8")


def test_damaged_and_short_recordings(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", samples(300))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    refused(path, UnreadableData, "600 bytes .*got 500: it is cut short")
    path.write_bytes(whole[:30])
    refused(path, UnreadableData, "cannot be read")
    path.write_bytes(b"no sound at all")
    refused(path, UnreadableData, "cannot be read")
    path.write_bytes(b"")
    refused(path, EmptyData, "empty")
    refused(write(tmp_path / "a.wav", samples(0)), EmptyData, "got none")
    refused(write(tmp_path / "a.wav", samples(35)), EmptyData, "at least 50 samples.*window of 7 or less")
    flac = write(tmp_path / "a.flac", samples(3000))
    flac.write_bytes(flac.read_bytes()[:2000])
    refused(flac, UnreadableData, "damaged")


def test_short_files_are_counted_and_too_few_refused(tmp_path: Path) -> None:
    for i in range(4):
        write(tmp_path / "s" / f"{i}.wav", samples(30))
    short = write(tmp_path / "s" / "short.wav", samples(5))
    data = open_dataset(tmp_path / "s", window=10)
    assert data.split["recordings too short for a window"] == 1
    assert sum(data.split["recordings"].values()) == 4
    short.unlink()
    for i in range(2):
        (tmp_path / "s" / f"{i}.wav").unlink()
    with pytest.raises(EmptyData, match="at least 3"):
        open_dataset(tmp_path / "s", window=10)
    with pytest.raises(UsageError, match="follows from its sound"):
        open_dataset(tmp_path / "s", space="real")


def test_spoken_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLIK_DATA", str(tmp_path))
    for digit in (3, 7):
        for index in (0, 4, 5, 9, 10, 11, 40):
            write(tmp_path / "fsdd" / "recordings" / f"{digit}_theo_{index}.wav", samples(25, 100 * digit + index))
    data = open_dataset("fsdd", window=10, context=True)
    assert [part.rows for part in (data.train, data.valid, data.test)] == [12, 8, 8]
    assert data.train.context is not None
    assert data.train.context.tolist() == [3] * 6 + [7] * 6
    assert data.context_space == Category((), 10)
    expected = samples(25, 304)[:10].astype(int) + 32768
    assert data.test.x[2].tolist() == expected.tolist()  # 3_theo_4
    assert data.split["speakers"] == ["theo"]
    assert data.test.groups is not None
    assert data.test.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    whole = open_source("fsdd", window=10, part="all")
    assert whole.groups is not None
    assert len(torch.unique(whole.groups)) == 14
    with pytest.raises(EmptyData, match="window of 1024"):
        open_dataset("fsdd")
