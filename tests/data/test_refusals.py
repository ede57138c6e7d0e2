"""What a refusal tells a stranger: what was expected, what came, in truth and by its place, and what to do."""

import errno
import io
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loglik.data import as_source, open_dataset
from loglik.errors import EmptyData, LoglikError, NotNumeric, TooLarge, UnreadableData

RANDOM = np.random.default_rng(0)
TABLE = b"a,b\n0.5,1.5\n2.5,3.5\n4.5,5.5\n"
WIDE = [";".join(f"{value:.2f}" for value in row) for row in RANDOM.normal(size=(6, 200))]


pytestmark = pytest.mark.usefixtures("in_tmp_path")


def refused(name: str, content: bytes | None, error: type[LoglikError], words: str) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(error, match=words) as caught:
        open_dataset(f"./{name}")
    said = str(caught.value)
    assert said.startswith("Expected ")
    assert name.rpartition("/")[2] in said
    assert "\n" not in said


def png(*shape: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 256, shape, dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def npy(values: "np.ndarray[Any, Any]") -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.txt", RANDOM.bytes(5000), r"which is binary: \d+ of its first 5000 bytes are control .*Name a text file"),
        ("t.txt", npy(RANDOM.normal(size=(9, 9)))[128:], "which is (binary|no text): .*Name a text file"),
        ("t.csv", bytes(range(1, 256)) * 9, "which is binary: .*Export it as CSV"),
        ("t.txt", png(8, 8), r"is a PNG image. Let its name end in \.png"),
        ("t.csv", npy(np.ones(3)), r"is a NumPy array. Let its name end in \.npy"),
        ("t.txt", b"PK\3\4" + b"\xff" * 40, r"is a ZIP archive. Unpack it first"),
        ("t.zip", b"PK\3\4" + b"\xff" * 40, r"got t\.zip, which is a ZIP archive. Unpack it first"),
        ("t.parquet", TABLE, r"which is text. Let its name end in \.csv"),
        ("t.wav", TABLE, r"it is text. Let its name end in \.csv"),
        ("t.npy", TABLE, r"which is text. Let its name end in \.csv"),
        ("t.npz", TABLE, r"which is text. Let its name end in \.csv"),
        ("t.wav", bytes(4000), "begins with zeros alone. Copy or download it again"),
        ("t.parquet", b"PAR1\x15" + bytes(90), "cut short, or damaged at its end. Copy or write"),
        ("t.npy", npy(np.ones((9, 9)))[:300], "fewer values than its header states. Copy or save"),
        ("t.npy", npy(np.ones((9, 9)))[:60], "cut short in its header. Copy or save"),
        ("t.wav", b"RIFF\x24\0\0\0WAVEfmt ", "WAV recording that is damaged or cut short. Copy it again"),
    ],
)
def test_a_file_is_called_what_it_is(name: str, content: bytes, words: str) -> None:
    refused(name, content, UnreadableData, words)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"", "an empty file.* Export or copy it again"),
        ("t.csv", b"a,b\n", "none in .*Add rows"),
        ("t.csv", b"a,b\n0.5,1.5\n", "at least 3 rows.* got 1 in .*Add more"),
        ("t.csv", b"\n \n\n", "only blank lines in .*Export the table again"),
        ("t.txt", b" \n" * 2000, "holds only blanks. Name a text with words"),
        ("t.npy", npy(np.ones((0, 3))), "none in .*Add rows"),
    ],
)
def test_what_to_do_where_there_is_nothing(name: str, content: bytes, words: str) -> None:
    refused(name, content, EmptyData, words)


def test_empty_folders_and_empty_images() -> None:
    Path("photos").mkdir()
    refused("photos", None, EmptyData, "holds no file. Put some in it, or name another")
    refused("photos/a.png", b"", EmptyData, "an empty file")
    refused("photos", None, UnreadableData, r"photos/a\.png, which is an empty file. Leave it out")


@pytest.mark.parametrize("row", [0, 3, 5])
@pytest.mark.parametrize("header", ["", ";".join(f"c{i}" for i in range(200))])
def test_a_row_that_ends_in_a_separator_too_many(row: int, header: str) -> None:
    lines = [line + ";" * (number == row) for number, line in enumerate(WIDE)]
    content = "\n".join([header] * bool(header) + lines) + "\n"
    words = f"Expected 200 values in every row; got 201 in row {row + 1} of .*Its last value is empty: remove the ';'"
    refused("t.csv", content.encode(), UnreadableData, words)


def test_a_single_row_that_ends_in_a_separator_has_no_more_values() -> None:
    refused("t.csv", b"0.5;1.5;2.5;\n", EmptyData, "at least 3 rows")


def test_text_in_arrays() -> None:
    refused("t.npy", npy(np.array(["1", "b", "c"])), NotNumeric, "text such as 'b' at row 2.* Encode it as numbers")
    refused("t.npy", npy(np.array(["1", "2", "3"])), NotNumeric, r"Convert it with \.astype\(float\)")
    refused("t.npy", npy(np.array([b"a", b"b"])), NotNumeric, "text such as 'a' at row 1")


def test_the_one_image_of_another_kind_is_named() -> None:
    Path("photos").mkdir()
    for number in range(4):
        Path(f"photos/{number}.png").write_bytes(png(8, 8))
    Path("photos/x.png").write_bytes(png(8, 8, 3))
    assert open_dataset("photos").read_as == "of 5 images 4 grey as colour (only x.png has colours)"
    for number in range(3):
        Path(f"photos/{number}.png").write_bytes(png(8, 8, 3))
    assert open_dataset("photos").read_as == "of 5 images 1 grey as colour (only 3.png has none)"


@pytest.mark.parametrize("name", ["t.csv", "t.npy"])
def test_a_table_far_beyond_the_memory_is_refused_by_its_size(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loglik.data.parts.memory_at_hand", lambda: 1_000_000)
    Path(name).write_bytes(TABLE)
    os.truncate(name, 1 << 40)  # a hole: nothing of it is on the disk
    refused(name, None, TooLarge, r"the 1 MB of memory at hand; got .* of 1\.1 TB. Take fewer rows")


@pytest.mark.parametrize("stated", [0, 400, 0xFFFFFFFF])
def test_a_recording_longer_than_its_header_can_state(stated: int) -> None:
    form = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    head = b"RIFF" + struct.pack("<I", 436) + b"WAVEfmt " + form + b"data" + struct.pack("<I", stated)
    Path("t.wav").write_bytes(head + RANDOM.bytes(400))
    os.truncate("t.wav", 1 << 40)
    refused("t.wav", None, UnreadableData, r"at most 4\.29 GB.* of 1\.1 TB. Cut it")


def test_a_recording_beyond_the_memory_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    form = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    head = b"RIFF" + struct.pack("<I", 80036) + b"WAVEfmt " + form + b"data" + struct.pack("<I", 80000)
    Path("t.wav").write_bytes(head + bytes(80000))
    monkeypatch.setattr("loglik.arguments.memory.memory_at_hand", lambda: 100_000)
    monkeypatch.setattr("loglik.data.formats.sound.recordings.windows_of", lambda *_: pytest.fail("It was read."))
    refused("t.wav", None, TooLarge, r"t\.wav to fit into the 100 kB .* about 160 kB")


def test_an_array_that_the_system_grants_no_room_to_map(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(np, "load", load)
    refused("t.npy", npy(np.ones((9, 9))), TooLarge, r"room for the 776 bytes of .*Take fewer rows")


def test_the_other_array_of_an_archive_is_named() -> None:
    np.savez("t.npz", x=np.ones((9, 2)), y=np.arange(9.0))
    assert open_dataset("t.npz").remark == "the array 'x' is read; for 'y', name t.npz:y"
    assert open_dataset("t.npz:y").space.shape == (1,)


def test_text_of_codes_that_are_no_characters_is_damaged() -> None:
    """Python cannot make a string of a code beyond U+10FFFF, which one changed byte of a file can leave."""
    array = np.array([["1.5", "2"], ["3", "4"]])
    array.view(np.uint32)[1, 0] = 0x7FFFFFFF
    with pytest.raises(NotNumeric, match="damaged"):
        as_source(array)
