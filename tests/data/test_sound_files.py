"""Recordings as programs leave them: lengths never written, odd chunks, other containers, and headers that lie."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from loglik.data import open_dataset, open_source
from loglik.errors import DataError, EmptyData, ShapeMismatch, UnreadableData
from loglik.spaces import Integer

RECORDED = np.random.default_rng(0).integers(-32768, 32768, 400).astype(np.int16)
PCM = RECORDED.astype("<i2").tobytes()
MONO = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
INFO = b"LIST" + struct.pack("<I", 4) + b"INFO"


def wav(
    riff: int, data: int, *, before: bytes = b"", body: bytes = PCM, after: bytes = b"", form: bytes = MONO
) -> bytes:
    """As the format lays it out, with the two lengths as they are stated."""
    start = b"RIFF" + struct.pack("<I", riff) + b"WAVE" + before + b"fmt " + struct.pack("<I", len(form)) + form
    return start + b"data" + struct.pack("<I", data) + body + after


def samples_of(path: Path, size: int = 7) -> list[int]:
    """All samples of a path in windows of 8, read in batches."""
    parts = [x for x, _ in open_source(path, window=8).batches(size)]
    assert all(len(x) == size for x in parts[:-1])
    return [int(level) - 32768 for x in parts for level in x.flatten()]


def refused(path: Path, error: type[DataError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        open_source(path, window=8).read()
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("riff", "data"),
    [
        (0xFFFFFFFF, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (36, 0), (8, 0), (0, 0xFFFFFFFF), (0xFFFFFFFF, 0x80000000),
        (0x7FFFF024, 0x7FFFF000), (0x7FFFFFFF, 0x7FFFFFFF),
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [b"", b"junk" + struct.pack("<I", 3) + b"abc\0", INFO])
def test_lengths_that_were_never_written(riff: int, data: int, before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(riff, data, before=before))
    assert samples_of(path) == RECORDED.tolist()
    assert "the length was never written (1 of 1" in open_source(path, window=8).read_as
    assert "never written" in open_dataset(path, window=8).read_as


def test_a_streamed_recording_of_any_width(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for bits, content in (
        (24, np.repeat(RECORDED.astype("<i4")[:, None], 1, 1) << 16),
        (32, RECORDED.astype("<i4") << 16),
    ):
        raw = content.astype("<i4").tobytes()
        body = b"".join(raw[i + 1 : i + 4] for i in range(0, len(raw), 4)) if bits == 24 else raw
        form = struct.pack("<HHIIHH", 1, 1, 8000, 1000 * bits, bits // 8, bits)
        path.write_bytes(wav(0, 0, body=body, form=form))
        assert samples_of(path) == RECORDED.tolist()
    path.write_bytes(wav(0, 0, body=bytes(range(256)), form=struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)))
    assert open_source(path, window=8).read().x.flatten().tolist() == list(range(256))


def test_closed_recordings_are_read_as_they_state(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    size = len(PCM)
    for content in (
        wav(36 + size, size),
        wav(36 + size + 12, size, after=INFO),
        wav(36 + size + 12, size, before=b"junk" + struct.pack("<I", 3) + b"abc\0"),
        wav(60 + size, size, form=struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4)
            + bytes.fromhex("0100000000001000800000aa00389b71")),
    ):  # fmt: skip
        path.write_bytes(content)
        assert samples_of(path) == RECORDED.tolist()
        assert open_source(path, window=8).read_as == ""
    path.write_bytes(wav(36 + size - 1, size - 1, body=PCM[:-1]))  # half a sample at the end
    assert samples_of(path) == RECORDED[:392].tolist()
    assert "7 samples" in open_source(path, window=8).remark
    path.write_bytes(wav(48, 0, body=INFO))  # empty, and closed
    refused(path, EmptyData, "got none")
    path.write_bytes(wav(36, 0, body=b""))
    refused(path, EmptyData, "got none")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (wav(36 + 1600, 1600), "1600 bytes .*got 800: it is cut short"),
        (wav(36 + 800, 800, form=struct.pack("<HHIIHH", 1, 0, 8000, 16000, 2, 16)), "cannot be read"),
        (wav(36 + 800, 800, form=struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16)), "cannot be read"),
        (wav(36 + 800, 800, form=struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 0)), "cannot be read"),
        (wav(36 + 800, 800, form=struct.pack("<HHIIHH", 7, 1, 8000, 8000, 1, 8)), "linear samples .*U-Law"),
        (wav(36 + 800, 800, form=struct.pack("<HHIIHH", 1, 6, 8000, 96000, 12, 16)), "one channel; got 6"),
        (b"RIFF" + struct.pack("<I", 804) + b"WAVEdata" + struct.pack("<I", 792) + PCM[:792], "cannot be read"),
        (b"RIFF\xff\xff\xff\xffWAVE", "cannot be read"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff" + MONO, "cannot be read"),
        (b"RIFF" + bytes(100), "cannot be read"),
        (b"%PDF-1.4", "it is a PDF document"),
        (b"<html>404</html>", "it is a web page"),
        (b"ftyp" * 2 + bytes(40), "it is a film or recording"),
        (bytes(1000), "cannot be read"),
        (b"\xff\xfb\x90\x00" + bytes(3000), "an MP3 recording"),
        (b"\xff\xf3\x18\xc4" + bytes(3000), "no known format, or damaged"),
        (b"ID3\4\0\0\0\0\0\0" + bytes(3000), "an MP3 recording"),
    ],
)
def test_broken_headers(content: bytes, words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    refused(tmp_path / "a.wav", DataError, words)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("suffix", "form"), [("aiff", "AIFF"), ("au", "AU"), ("caf", "CAF"), ("w64", "W64"), ("wav", "RF64")]
)
def test_other_containers_of_the_same_samples(suffix: str, form: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / f"a.{suffix}", RECORDED, 8000, format=form, subtype="PCM_16")
    assert samples_of(tmp_path / f"a.{suffix}") == RECORDED.tolist()
    assert samples_of(tmp_path) == RECORDED.tolist()


@pytest.mark.parametrize(("form", "name"), [("OGG", "Vorbis"), ("MP3", "MPEG")])
def test_sound_whose_samples_are_made_up_while_decoding(form: str, name: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", RECORDED, 8000, format=form)
    refused(tmp_path / "a.wav", UnreadableData, f"linear samples .*{name}.*pcm_s16le")
    for ending in ("ogg", "mp3", "m4a"):
        (tmp_path / "a.wav").rename(tmp_path / f"a.{ending}")
        refused(tmp_path / f"a.{ending}", UnreadableData, "Convert")
        with pytest.raises(UnreadableData, match=rf"holds none, but a\.{ending}"):
            open_source(tmp_path)
        (tmp_path / f"a.{ending}").rename(tmp_path / "a.wav")


def test_flac_whose_header_does_not_know_or_lies(tmp_path: Path) -> None:
    """36 bits from the 22nd byte on hold the number of samples; 0 says unknown, as after a pipe."""
    path = tmp_path / "a.flac"
    soundfile.write(path, RECORDED, 8000)
    whole = bytearray(path.read_bytes())
    assert int.from_bytes(whole[21:26], "big") & (2**36 - 1) == 400

    def stated(count: int) -> None:
        kept = int.from_bytes(whole[21:26], "big") & ~(2**36 - 1)
        path.write_bytes(whole[:21] + (kept | count).to_bytes(5, "big") + whole[26:])

    stated(0)
    assert samples_of(path) == RECORDED.tolist()
    assert "never written" in open_source(path, window=8).read_as
    stated(2**36 - 1)
    refused(path, UnreadableData, "states 68719476735")
    stated(4000)
    refused(path, UnreadableData, "Expected 4000 samples.*got 400|damaged|cannot be read")


def test_folders_of_several_kinds(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(0, 0))
    soundfile.write(tmp_path / "b.flac", RECORDED, 8000)
    soundfile.write(tmp_path / "c.wav", RECORDED / 32768.0, 8000, subtype="FLOAT")
    assert samples_of(tmp_path) == RECORDED.tolist() * 3
    assert "1 of 3" in open_source(tmp_path, window=8).read_as
    soundfile.write(tmp_path / "d.aiff", RECORDED, 11025)
    with pytest.raises(ShapeMismatch, match=r"8000 Hz in .*a\.wav and 11025 Hz in .*d\.aiff"):
        open_source(tmp_path)


def test_names_of_any_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"caf\xe9.wav"))
    Path(name).write_bytes(wav(36 + len(PCM), len(PCM)))
    assert samples_of(tmp_path) == RECORDED.tolist()


def test_pipes_and_devices_called_recordings(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    refused(tmp_path / "a.wav", UnreadableData, "is a pipe")
    (tmp_path / "a.wav").unlink()
    (tmp_path / "a.wav").symlink_to("/dev/zero")
    refused(tmp_path / "a.wav", UnreadableData, "is a device")


def test_a_long_recording_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a few windows at a time, whatever the batch; a window's level stands where it did."""
    monkeypatch.setattr("loglik.data.formats.sound.recordings.SAMPLES_AT_ONCE", 24)
    soundfile.write(tmp_path / "a.wav", RECORDED, 8000)
    assert samples_of(tmp_path / "a.wav", size=50) == RECORDED.tolist()
    broken = RECORDED / 32768.0
    broken[77] = 0.3
    soundfile.write(tmp_path / "a.wav", broken, 8000, subtype="DOUBLE")
    refused(tmp_path / "a.wav", UnreadableData, "0.3 at sample 78")
    assert open_source(tmp_path / "a.wav", window=8).space == Integer((8,), 65536)
