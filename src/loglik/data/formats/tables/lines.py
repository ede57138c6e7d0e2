"""The beginning of a file of text, whatever its encoding and compression, cut into lines.

Only the beginning is looked at to tell how a table is written. A file in another encoding than UTF-8 is recoded whole.
"""

import gzip
import io
import os
import re
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from dataclasses import dataclass

from loglik.arguments.memory import check_memory
from loglik.data.formats.signatures import control_characters, remedy, true_format
from loglik.errors import EmptyData, UnreadableData

HEAD_BYTES = 1 << 18
LONGEST = 1 << 27  # bytes that are read for eight lines: of a million values each
MARKS = (  # the longer one first: UTF-32 begins as UTF-16 does
    (BOM_UTF32_LE, "utf-32"),
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
    (BOM_UTF8, "utf-8-sig"),
)
ENCODINGS = {"utf-16": "UTF-16", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "utf-32": "UTF-32"}
ENCODINGS["cp1252"] = "Windows-1252 (Latin-1)"


@dataclass(frozen=True)
class FirstLines:
    """The first whole lines of a file as text, `complete` if they are all there are.

    `recoded` is the whole file in UTF-8 where it has another `encoding`, and None where the file itself can be read.
    """

    text: str
    complete: bool
    encoding: str
    recoded: bytes | None = None

    def lines(self) -> list[str]:
        """Physical lines with their ends, split as a reader of CSV splits them: at \\n, \\r\\n and \\r."""
        return list(io.StringIO(self.text, newline=""))


def read_beginning(path: str, name: str) -> FirstLines:
    """The beginning of a text, plain or gzipped.

    Raises:
        EmptyData: blank. UnreadableData: another format in truth, a damaged gzip, an encoding that is not known.
        TooLarge: a file to recode that does not fit into the memory at hand.
    """
    kind = true_format(path)
    if kind == "gzip" and not path.lower().endswith(".gz"):
        raise UnreadableData(f"Expected a CSV file; got {name}, which is gzipped. Name it {name}.gz.")
    if kind and kind != "gzip":
        raise UnreadableData(f"Expected a CSV file; got {name}, which is {kind}. {remedy(kind, 'Export it as CSV.')}")
    if path.lower().endswith(".gz") and kind != "gzip":
        raise UnreadableData(f"Expected a gzipped CSV; got {name}, which is not gzipped. Leave .gz out of its name.")
    start, count = _bytes(path, name, HEAD_BYTES), HEAD_BYTES
    encoding = _encoding(start, name)
    if encoding not in ("utf-8", "utf-8-sig"):
        return _recoded(path, name, encoding)
    while len(start) == count and _needs_more(start) and count < LONGEST:
        count *= 8
        start = _bytes(path, name, count)
    complete = len(start) < count
    return FirstLines(_whole_lines(start.decode(encoding, "ignore"), complete, name), complete, "")


def _recoded(path: str, name: str, encoding: str) -> FirstLines:
    """The beginning, and the whole file in UTF-8."""
    check_memory(8 * os.path.getsize(path), f"recoding {name}", "Save it in UTF-8, which is read in parts.")
    whole = _bytes(path, name, -1)
    try:
        text = whole.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        at = f"byte {error.start + 1} is {whole[error.start]:#04x}"
        known = ENCODINGS[encoding]
        raise UnreadableData(
            f"Expected text in UTF-8; got {name}, which is neither that nor {known}: {at}. Save it anew."
        ) from None
    complete = len(text) <= HEAD_BYTES or _needs_more(text[:HEAD_BYTES].encode())
    start = text if complete else text[:HEAD_BYTES]
    return FirstLines(_whole_lines(start, complete, name), complete, ENCODINGS[encoding], text.encode())


def _bytes(path: str, name: str, count: int) -> bytes:
    opened = gzip.open if path.lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            return file.read(count)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise UnreadableData(
            f"Expected a gzipped CSV; got {name}, which is cut short or damaged. Copy it again."
        ) from None


def _encoding(start: bytes, name: str) -> str:
    """The encoding, by its mark or by the place of zero bytes; Windows-1252 if not UTF-8, for it holds Latin-1 too."""
    for mark, encoding in MARKS:
        if start.startswith(mark):
            return encoding
    sample = start[:4096]
    zeros = (sample[0::2].count(0), sample[1::2].count(0))
    if max(zeros) > len(sample) // 5 and min(zeros) <= len(sample) // 50:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if 0 in start:
        raise UnreadableData(
            f"Expected text; got {name}, which holds a zero byte at {start.index(0)}: it is binary, or damaged. "
            "Export it as CSV."
        )
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4:  # a character may be cut at the end
            control, looked_at = control_characters(start)
            if control > looked_at // 100:
                raise UnreadableData(
                    f"Expected text; got {name}, which is binary: {control} of its first {looked_at} bytes are control "
                    "characters. Export it as CSV."
                ) from None
            return "cp1252"
    return "utf-8"


def _needs_more(start: bytes) -> bool:
    """Whether the beginning ends before a header and some rows have."""
    return len(re.findall(b"\r\n|\n|\r", start)) < 8


def _whole_lines(text: str, complete: bool, name: str) -> str:
    """Without the last line, which may be cut."""
    if not text.strip():
        raise EmptyData(f"Expected rows of numbers; got only blank lines in {name}. Export the table again.")
    if complete:
        return text
    end = max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1))
    if end < 0:
        raise UnreadableData(
            f"Expected lines; got {name}, which has none within {LONGEST // 1_000_000} MB. Correct its name."
        )
    return text[: end + 1]
