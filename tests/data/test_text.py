"""Texts: windows, vocabularies, splits in order, and what is not a text."""

from pathlib import Path

import pytest
import torch

from loglik.data import Reading, as_source, open_dataset, open_source
from loglik.data.formats.text import UNSEEN, decode, encode, vocabulary_of
from loglik.errors import (
    ContextError,
    DataError,
    EmptyData,
    LoglikError,
    OutsideSpace,
    ShapeMismatch,
    UnreadableData,
    UsageError,
)
from loglik.spaces import Category, Integer

ALPHABET = "abcde fg\n\u00e9\u20ac\U0001f600"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """1000 characters, some of two, three and four bytes; the last 50 hold two that come nowhere else."""
    text = "".join(ALPHABET[(i * i + i // 7) % len(ALPHABET)] for i in range(1000))
    path = tmp_path / "book.txt"
    path.write_bytes((text[:980] + "X" + text[981:990] + "Y" + text[991:]).encode())
    return path


def test_parts_are_the_text_in_order_cut_into_windows(book: Path) -> None:
    data, text = open_dataset(book, window=8), book.read_bytes().decode()
    vocabulary = data.train.vocabulary
    assert vocabulary == (*sorted(set(text[:888])), UNSEEN)
    assert data.space == Category((8,), len(vocabulary))
    assert (data.train.rows, data.valid.rows, data.test.rows) == (111, 6, 6)  # of 125, two between parts
    assert all(part.stream for part in (data.train, data.valid, data.test))
    assert "".join(decode(data.train.x, vocabulary)) == text[:888]
    assert "".join(decode(data.valid.x, vocabulary)) == text[896:944]
    assert "".join(decode(data.test.x, vocabulary)) == text[952:].replace("X", UNSEEN).replace("Y", UNSEEN)
    assert data.split["characters that fill no window"] == 0
    assert data.split["characters that the training part lacks"] == {"train": 0, "valid": 0, "test": 2}
    assert "2 characters" in data.test.remark
    assert data.train.remark == ""
    assert data.train.x.dtype == torch.uint8


def test_another_text_is_read_with_the_vocabulary_of_the_run(book: Path, tmp_path: Path) -> None:
    data = open_dataset(book, window=8)
    other = tmp_path / "other.txt"
    other.write_text("fed\u4e16 bad" * 3)
    reading = Reading.from_json(Reading.of(data).to_json())
    source = open_source(other, space=data.space, reading=reading)
    assert source.read().rows == 3
    assert decode(source.read().x, data.train.vocabulary or ()) == [f"fed{UNSEEN} bad"] * 3
    assert "3 characters" in source.remark
    assert source.stream
    other.write_text("fed bad")
    short = open_source(other, space=data.space, reading=reading).read()  # one event of 7 characters
    assert decode(short.x, data.train.vocabulary or ()) == ["fed bad"]
    assert short.space == Category((7,), len(data.train.vocabulary or ()))
    assert "7 characters are less than a window of 8" in short.remark
    with pytest.raises(EmptyData, match="window of 128 characters; got 7"):
        open_source(other)
    other.write_text("fed bad, fed bad")
    with pytest.raises(OutsideSpace, match="got ',' at character 8 of"):
        open_source(other, space=Category((8,), 7), reading=Reading(vocabulary=tuple("abdef \n")))


def test_windows_of_a_whole_text_and_what_is_left(book: Path) -> None:
    source = as_source(book)
    assert source.vocabulary == vocabulary_of(book.read_bytes().decode()[: 3 * 128])  # what a split trains on
    assert source.space == Category((128,), len(source.vocabulary))
    assert source.rows == 7
    assert "last 104 characters" in source.remark
    assert open_source(book, window=10).remark == "2 characters that the training text lacks share one level"
    assert open_source(book, window=250).vocabulary == vocabulary_of(book.read_bytes().decode())  # too few to split


@pytest.mark.parametrize("count", [3, 255, 256, 300])
def test_encoding_and_decoding_are_inverse(count: int) -> None:
    text = "".join(chr(0x100 + i * 37) for i in range(count)) * 2
    vocabulary = vocabulary_of(text)
    levels, unseen = encode(text, vocabulary, "")
    assert levels.dtype == (torch.uint8 if count < 256 else torch.int32)
    assert unseen == 0
    assert decode(levels[None], vocabulary) == [text]


def test_levels_without_a_character_are_refused() -> None:
    with pytest.raises(ShapeMismatch, match=r"levels below 2, .*; got 2"):
        decode(torch.tensor([[0, 2]]), ("a", "b"))


def test_the_mark_of_the_unseen_counts_as_unseen() -> None:
    assert vocabulary_of(f"ab{UNSEEN}") == ("a", "b", UNSEEN)
    assert encode(f"a{UNSEEN}zb", ("a", "b", UNSEEN), "")[1] == 2


def test_a_byte_order_mark_is_no_character(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfab\r\nab\r\n")
    source = open_source(path, window=4)
    assert source.vocabulary == ("\n", "\r", "a", "b", UNSEEN)
    assert source.rows == 2


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", EmptyData, "empty"),
        (b"\xef\xbb\xbf", EmptyData, "no character"),
        ("caf\u00e9\nsch\u00f6n".encode("latin1") * 99, UnreadableData, r"0xe9 at position 3 .*line 1"),
        (b"a b\n" * 999 + b"\x80", UnreadableData, "0x80 at position 3996 .*line 1000"),
        ("ab".encode("utf-16-le") * 99, UnreadableData, "looks like UTF-16LE"),
        (b"ab" * 200, EmptyData, r"at least 640 characters.*got 400.*window of 80 or less"),
        (b"abc", EmptyData, "longer data"),
    ],
)
def test_what_is_no_text_or_too_short(content: bytes, error: type[DataError], words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(error, match=words) as caught:
        open_dataset(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"window": 0}, UsageError, "at least 1"),
        ({"context": ("a",)}, ContextError, "Leave it out"),
        ({"context": True}, ContextError, "Leave it out"),
        ({"space": "category:70"}, UsageError, "follows from its text"),
        ({"columns": ["a"]}, UsageError, "Columns are those of tables"),
    ],
)
def test_options_that_texts_have_not(
    options: dict[str, object], error: type[LoglikError], words: str, book: Path
) -> None:
    with pytest.raises(error, match=words):
        open_dataset(book, **options)  # type: ignore[arg-type]


def test_a_run_without_characters_cannot_read_a_text(book: Path) -> None:
    with pytest.raises(UsageError, match="fitted to text"):
        as_source(book, space=Category((8,), 12))
    with pytest.raises(ShapeMismatch, match="got a text"):
        open_source(book, space=Integer((8,), 3), reading=Reading(vocabulary=("a", "b", UNSEEN)))


def test_tiny_shakespeare_tests_on_the_last_tenth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLIK_DATA", str(tmp_path))
    (tmp_path / "tinyshakespeare").mkdir()
    text = "".join(chr(97 + i % 26) for i in range(2000))
    (tmp_path / "tinyshakespeare" / "input.txt").write_text(text)
    data = open_dataset("tinyshakespeare", window=10)
    vocabulary = data.train.vocabulary or ()
    assert "".join(decode(data.test.x, vocabulary)) == text[1800:]
    assert "".join(decode(data.valid.x, vocabulary)) == text[1720:1790]
    assert "".join(decode(data.train.x, vocabulary)) == text[:1710]
    assert open_source("tinyshakespeare", space=data.space, reading=Reading.of(data)).rows == 20
    with pytest.raises(ShapeMismatch, match="vocabulary"):
        open_source("tinyshakespeare", space=data.space, reading=Reading(vocabulary=tuple("abc")))
    with pytest.raises(EmptyData, match="window of 128"):
        open_dataset("tinyshakespeare")
    with pytest.raises(UsageError, match="cut into windows"):
        open_dataset("digits", window=4)
