"""Texts in the encodings that people have, and files that are called texts and are none."""

import os
import zlib
from pathlib import Path

import pytest

from loglik.data import open_dataset, open_source
from loglik.data.formats.text_file import read_text
from loglik.errors import DataError, UnreadableData

BOOK = "Der Himmel über der Straße: 12 €, naïve — “quoted”.\n" * 30
WIDE = "数据\U0001f600 и текст\n" * 40


@pytest.mark.parametrize("book", [BOOK, WIDE])
@pytest.mark.parametrize(
    ("codec", "told"),
    [
        ("utf-8", ""),
        ("utf-8-sig", "UTF-8, its byte order mark left out"),
        ("utf-16", "UTF-16, its byte order mark left out"),
        ("utf-16-be", "UTF-16, its byte order mark left out"),
        ("utf-32", "UTF-32, its byte order mark left out"),
        ("utf-32-be", "UTF-32, its byte order mark left out"),
    ],
)
def test_unicode_by_its_mark(codec: str, told: str, book: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(("\ufeff" * codec.endswith("-be") + book).encode(codec))
    text = read_text(path)
    assert text.characters == book
    assert text.read_as == told
    assert open_source(path, window=16).read_as == open_dataset(path, window=16).read_as == told
    plain = tmp_path / "plain.txt"
    plain.write_bytes(book.encode())
    assert open_source(path, window=16).fingerprint == open_source(plain, window=16).fingerprint


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_characters_without_a_mark_are_named(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(BOOK.encode(codec))
    name = codec.upper().replace("-LE", "LE").replace("-BE", "BE")
    with pytest.raises(
        UnreadableData, match=rf"looks like {name} without .*iconv -f {name} -t UTF-8 a\.txt > copy\.txt"
    ):
        open_source(path)


def refused(path: Path, error: type[DataError], words: str) -> str:
    before = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    with pytest.raises(error, match=words) as caught:
        open_source(path, window=8)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    assert not before or path.read_bytes() == before
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "codec", "byte"),
    [
        ("naïve café " * 9, "latin-1", "0xef"), ("“quoted” " * 9, "cp1252", "0x93"), ("Привет " * 9, "koi8-r", "0xf0"),
        ("Привет " * 9, "cp1251", "0xcf"), ("日本語 " * 9, "shift-jis", "0x93"), ("中文 " * 9, "gb18030", "0xd6"),
        ("łódź " * 9, "cp1250", "0xb3"), ("über " * 9, "mac-roman", "0x9f"),
    ],
)  # fmt: skip
def test_other_encodings_are_not_guessed(text: str, codec: str, byte: str, tmp_path: Path) -> None:
    """Of these eight only one is Latin-1; advice to read all as such would destroy seven."""
    (tmp_path / "a.txt").write_bytes(b"line one\n" + text.encode(codec))
    told = refused(tmp_path / "a.txt", UnreadableData, rf"got byte {byte} at position .*line 2.*another encoding")
    assert "iconv -f ENCODING" in told


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("naïve".encode()[:3], r"ends within a character at position 2 .*line 1.*cut short"),
        ("ab\n€".encode()[:-1], r"ends within a character at position 3 .*line 2"),
        ("ab\n".encode("utf-16") + b"c", "ends within a character|byte order mark"),
        (b"\xff\xfe\x00\xd8a\x00", "UTF-16, as its byte order mark says"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "a PNG image"),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3", "a PDF document"),
        (b"PK\x03\x04\x14\x00\x06\x00\xa9\xff", "a ZIP archive"),
        (b"\x1f\x8b\x08\x00" + bytes(9) + b"\xff\xfe", "gzip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "an old Excel or Word document"),
        (bytes(range(256)) * 9 + bytes(400), "no text: 409 of its bytes are zero"),
        (zlib.compress(os.urandom(0) + b"x" * 999) + b"\xff", "got byte|no text"),
    ],
)
def test_what_is_called_a_text_and_is_none(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    refused(tmp_path / "a.txt", UnreadableData, words)


def test_line_ends_and_zeros_are_kept_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\ntwo\r\nthree\rfour\n" * 4)
    text = read_text(path)
    assert text.characters == "one\r\ntwo\r\nthree\rfour\n" * 4
    assert text.read_as == "with the line ends of Windows, of two characters each (8 of them)"
    path.write_bytes((b"one two " * 99 + b"\0") * 9)
    assert read_text(path).characters == ("one two " * 99 + "\0") * 9
    assert read_text(path).read_as == "with 9 zero characters (NUL)"
    path.write_bytes(bytes(5000))  # what a disk may leave after a crash
    refused(path, UnreadableData, "no text: 5000 of its 5000 characters are zero")


def test_texts_beyond_the_memory_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of holes states 1 TB and takes none of it."""
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(MemoryError, match=r"a\.txt.*8 TB"):
        open_source(path)


def test_pipes_devices_folders_and_loops_called_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    os.mkfifo(path)
    refused(path, UnreadableData, "is a pipe")
    path.unlink()
    path.symlink_to("/dev/zero")
    refused(path, UnreadableData, "is a device")
    path.unlink()
    path.symlink_to("a.txt")
    refused(path, UnreadableData, "symbolic links")
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="holds no file"):
        open_source(path)
    with pytest.raises(DataError, match="part of this path is no folder"):
        open_source("/dev/null/a.txt")
    with pytest.raises(DataError, match="path of a file"):
        open_source("a\0b.txt")
    with pytest.raises(DataError, match="name too long"):
        open_source("x" * 5000 + ".txt")
