"""The characters of a text file, by the encoding that it is in.

UTF-8 is read as it is. UTF-16 and UTF-32 are read where a byte order mark says so. Other encodings are refused: a
wrong guess gives other characters without an error.
"""

from dataclasses import dataclass
from pathlib import Path

from loglik.arguments.memory import check_memory
from loglik.data.formats.signatures import control_characters, remedy, true_format
from loglik.errors import EmptyData, UnreadableData

MARKS = (  # of 4 bytes first: the mark of UTF-16 begins that of UTF-32
    (b"\xff\xfe\0\0", "utf-32", "UTF-32"),
    (b"\0\0\xfe\xff", "utf-32", "UTF-32"),
    (b"\xff\xfe", "utf-16", "UTF-16"),
    (b"\xfe\xff", "utf-16", "UTF-16"),
    (b"\xef\xbb\xbf", "utf-8-sig", "UTF-8"),
)
COPIES = 8  # bytes in memory for each in the file: its content, its characters of up to 4 bytes, their levels


@dataclass(frozen=True)
class Text:
    """The characters of a file, and how they were read where that was not plain."""

    characters: str
    read_as: str


def read_text(path: str | Path) -> Text:
    """The characters of a text file.

    Raises:
        UnreadableData: bytes of another encoding, by position, or no text. EmptyData: no character. TooLarge.
    """
    path = Path(path)
    check_memory(COPIES * path.stat().st_size, f"the text {path}", "Cut it into several files.")
    content = path.read_bytes()
    codec, name = next(((codec, name) for mark, codec, name in MARKS if content.startswith(mark)), ("utf-8", ""))
    if not name:
        _check_width(content, path)
    try:
        characters = content.decode(codec)
    except UnicodeDecodeError as error:
        raise _unreadable(content, error, name or "UTF-8", path) from None
    if not characters:
        raise EmptyData(f"Expected a text; got no character in {path}. Name another file.")
    zeros = characters.count("\0")
    if zeros > len(characters) // 100:
        raise UnreadableData(
            f"Expected a text; got {path}, which is no text: {zeros} of its {len(characters)} characters are zero. "
            "Name a text file."
        )
    told = [f"{name}, its byte order mark left out"] if name else []
    ends = characters.count("\r\n")
    if ends:
        told.append(f"with the line ends of Windows, of two characters each ({ends} of them)")
    if zeros:
        told.append(f"with {zeros} zero characters (NUL)")
    return Text(characters, "; ".join(told))


def _check_width(content: bytes, path: Path) -> None:
    """Raises UnreadableData for UTF-16 or UTF-32 without a mark, in which UTF-8 would read every other as zero."""
    head = content[: 1 << 12]
    zeros = [head[place::4].count(0) / max(1, len(head[place::4])) for place in range(4)]
    guesses = {
        "UTF-32LE": zeros[0] < 0.2 and min(zeros[1:]) > 0.7,
        "UTF-32BE": zeros[3] < 0.2 and min(zeros[:3]) > 0.7,
        "UTF-16LE": max(zeros[::2]) < 0.2 and min(zeros[1::2]) > 0.7,
        "UTF-16BE": max(zeros[1::2]) < 0.2 and min(zeros[::2]) > 0.7,
    }
    for name in (name for name, fits in guesses.items() if fits and len(head) >= 4):
        raise UnreadableData(
            f"Expected a text in UTF-8; {path} looks like {name} without a byte order mark. Convert a copy: iconv -f "
            f"{name} -t UTF-8 {path.name} > copy.txt."
        )


def _unreadable(content: bytes, error: UnicodeDecodeError, name: str, path: Path) -> UnreadableData:
    place = error.start + (len(content) - len(error.object) if name == "UTF-8" else 0)
    where = f"position {place} of {path} (line {content.count(10, 0, place) + 1})"
    what = true_format(str(path))
    if what:
        return UnreadableData(f"Expected a text; got {path}, which is {what}. {remedy(what, 'Name a text file.')}")
    if content.count(0) > len(content) // 100 and name == "UTF-8":
        return UnreadableData(
            f"Expected a text; got {path}, which is no text: {content.count(0)} of its bytes are zero. Name a text "
            "file."
        )
    control, looked_at = control_characters(content)
    if control > looked_at // 100 and name == "UTF-8":
        return UnreadableData(
            f"Expected a text; got {path}, which is binary: {control} of its first {looked_at} bytes are control "
            "characters. Name a text file."
        )
    if error.reason in ("unexpected end of data", "truncated data"):
        return UnreadableData(
            f"Expected a text in {name}; it ends within a character at {where}. It may be cut short: copy it again."
        )
    if name != "UTF-8":
        return UnreadableData(
            f"Expected {name}, as its byte order mark says; got {error.reason} at {where}. Save it again."
        )
    return UnreadableData(
        f"Expected a text in UTF-8; got byte 0x{content[place]:02x} at {where}. It is in another encoding: convert a "
        "copy with iconv -f ENCODING -t UTF-8, with the one it is in (often CP1252 or LATIN1 in western Europe)."
    )
