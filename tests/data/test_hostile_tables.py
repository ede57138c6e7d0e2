"""Tables of text as people, spreadsheets and programs write them: read as a person would, or refused by the cause.

What each file should give was written by hand beside it.
"""

import gzip
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loglik.data.files import open_file
from loglik.errors import (
    DataError,
    EmptyData,
    NotFinite,
    NotNumeric,
    OutsideSpace,
    ShapeMismatch,
    TooLarge,
    UnreadableData,
)

pytestmark = pytest.mark.usefixtures("in_tmp_path")


def write(content: str | bytes, name: str = "t.csv") -> str:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


COMMA, HEADED = "separator ','", "header yes, separator ','"
ROWS = "0.5,1.5\n2.5,-3.5\n4.5,5.5\n"
READ = [[0.5, 1.5], [2.5, -3.5], [4.5, 5.5]]
AB = ("a", "b")


# name of the case: content, names, rows, what `loglik data` says
RIGHT: dict[str, tuple[str | bytes, tuple[str, ...] | None, list[Any], str]] = {
    "plain": ("a,b\n" + ROWS, AB, READ, f"{HEADED}, 3 rows of 2 columns"),
    "no header": (ROWS, None, READ, f"header no, {COMMA}, 3 rows of 2 columns"),
    "one row": ("0.5,1.5", None, [[0.5, 1.5]], f"header no, {COMMA}, 1 row of 2 columns"),
    "line break in a name": ('"a\n(cm)",b\n' + ROWS, ("a\n(cm)", "b"), READ, f"{HEADED}, 3 rows of 2 columns"),
    "separator in a name": ('"a, cm","b ""kg"""\n' + ROWS, ("a, cm", 'b "kg"'), READ, f"{HEADED}, 3 rows of 2 columns"),
    "years above fractions": ("2019,2020\n" + ROWS, ("2019", "2020"), READ, f"{HEADED}, 3 rows of 2 columns"),
    "years above counts": (
        "2019,2020,2021\n12,5,7\n3,9,8\n10,11,4\n",
        ("2019", "2020", "2021"),
        [[12, 5, 7], [3, 9, 8], [10, 11, 4]],
        f"{HEADED}, 3 rows of 3 columns",
    ),
    "years among populations": (
        "2019,2020,2021\n1200,5500,700\n3333,9999,888\n1000,1111,4444\n",
        ("2019", "2020", "2021"),
        [[1200, 5500, 700], [3333, 9999, 888], [1000, 1111, 4444]],
        f"{HEADED}, 3 rows of 3 columns",
    ),
    "wavelengths": ("400.5,401.5\n" + ROWS, ("400.5", "401.5"), READ, f"{HEADED}, 3 rows of 2 columns"),
    "orders of the same numbers": (
        "1,2,3\n2,1,3\n3,2,1\n1,3,2\n",
        None,
        [[1, 2, 3], [2, 1, 3], [3, 2, 1], [1, 3, 2]],
        f"header no, {COMMA}, 4 rows of 3 columns",
    ),
    "an outlier in the first row": (
        "900,2.5\n1,2.0\n2,2.1\n3,2.2\n",
        None,
        [[900, 2.5], [1, 2.0], [2, 2.1], [3, 2.2]],
        f"header no, {COMMA}, 4 rows of 2 columns",
    ),
    "numbered columns and rows": (
        ",0,1\n0,0.5,1.5\n1,2.5,-3.5\n2,4.5,5.5\n",
        ("0", "1"),
        READ,
        f"{HEADED}, 3 rows of 2 columns, index column left out",
    ),
    "a shuffled index": (
        ",a,b\n7,0.5,1.5\n2,2.5,-3.5\n5,4.5,5.5\n",
        AB,
        READ,
        f"{HEADED}, 3 rows of 2 columns, index column left out",
    ),
    "an index saved twice": (
        ",Unnamed: 0,a,b\n0,0,0.5,1.5\n1,1,2.5,-3.5\n2,2,4.5,5.5\n",
        AB,
        READ,
        f"{HEADED}, 3 rows of 2 columns, 2 index columns left out",
    ),
    "row names of R": (
        '"","a","b"\n"x1",0.5,1.5\n"x2",2.5,-3.5\n"x3",4.5,5.5\n',
        AB,
        READ,
        f"{HEADED}, 3 rows of 2 columns, index column left out",
    ),
    "row names of R without a corner": (
        '"a" "b"\n"1" 0.5 1.5\n"2" 2.5 -3.5\n"3" 4.5 5.5\n',
        AB,
        READ,
        "header yes, separator space, 3 rows of 2 columns, index column left out",
    ),
    "an unnamed column of measurements": (",b\n" + ROWS, ("column 1", "b"), READ, f"{HEADED}, 3 rows of 2 columns"),
    "semicolons": ("a;b\n" + ROWS.replace(",", ";"), AB, READ, "header yes, separator ';', 3 rows of 2 columns"),
    "tabs": ("a\tb\n" + ROWS.replace(",", "\t"), AB, READ, "header yes, separator tab, 3 rows of 2 columns"),
    "pipes": ("a|b\n" + ROWS.replace(",", "|"), AB, READ, "header yes, separator '|', 3 rows of 2 columns"),
    "decimal commas": (
        "a;b\n" + ROWS.replace(",", ";").replace(".", ","),
        AB,
        READ,
        "header yes, separator ';', decimal comma, 3 rows of 2 columns",
    ),
    "decimal commas and whole numbers": (
        "a;b\n1;2\n1;2,5\n",
        AB,
        [[1, 2], [1, 2.5]],
        "header yes, separator ';', decimal comma, 2 rows of 2 columns",
    ),
    "quoted decimal commas": (
        'a,b\n"0,5","1,5"\n"2,5",3\n',
        AB,
        [[0.5, 1.5], [2.5, 3]],
        f"{HEADED}, decimal comma, 2 rows of 2 columns",
    ),
    "a separator stated for Excel": (
        "sep=;\na;b\n0,5;1,5\n",
        AB,
        [[0.5, 1.5]],
        "header yes, separator ';', decimal comma, 1 row of 2 columns",
    ),
    "comments before the header": (
        "# made by tool X, 3.1\n# units: mm\na,b\n" + ROWS,
        AB,
        READ,
        f"{HEADED}, 3 rows of 2 columns, 2 lines before the table left out",
    ),
    "names in a comment": ("# a,b\n" + ROWS, AB, READ, f"{HEADED}, 3 rows of 2 columns, names from a comment"),
    "a title": (
        "Sizes of 3 May, 2020; all, but three\n\na,b\n" + ROWS,
        AB,
        READ,
        f"{HEADED}, 3 rows of 2 columns, 1 line before the table left out",
    ),
    "titles of a spreadsheet": (
        "Sizes,,\nMade 2020,,\na,b,c\n1.5,2.5,3.5\n",
        ("a", "b", "c"),
        [[1.5, 2.5, 3.5]],
        f"{HEADED}, 1 row of 3 columns, 2 lines before the table left out",
    ),
    "separators at the end": ("a,b,,\n0.5,1.5,,\n2.5,-3.5,,\n", AB, READ[:2], f"{HEADED}, 2 rows of 2 columns"),
    "a separator at the end of rows": ("a,b\n0.5,1.5,\n2.5,-3.5,\n", AB, READ[:2], f"{HEADED}, 2 rows of 2 columns"),
    "old line ends of the Mac": ("a,b\r0.5,1.5\r2.5,-3.5\r", AB, READ[:2], f"{HEADED}, 2 rows of 2 columns"),
    "empty lines": ("\n\na,b\n\n0.5,1.5\n\n2.5,-3.5\n\n", AB, READ[:2], f"{HEADED}, 2 rows of 2 columns"),
    "spaces after separators": ('a, "b"\n0.5, 1.5\n', AB, READ[:1], f"{HEADED}, 1 row of 2 columns"),
    "quoted numbers": ('"a","b"\n"0.5","1.5"\n', AB, READ[:1], f"{HEADED}, 1 row of 2 columns"),
    "plus signs": ("a,b\n+0.5,+1.5e0\n", AB, READ[:1], f"{HEADED}, 1 row of 2 columns"),
    "reals beyond 2^53": ("a,b\n1.5e20,2e18\n", AB, [[1.5e20, 2e18]], f"{HEADED}, 1 row of 2 columns"),
    "whole reals beyond 2^53": (
        "a,b\n100000000000000000000,0.5\n",
        AB,
        [[1e20, 0.5]],
        f"{HEADED}, 1 row of 2 columns",
    ),
    "UTF-16": (
        ("a,b\n" + ROWS).encode("utf-16"),
        AB,
        READ,
        f"encoding UTF-16, {HEADED}, 3 rows of 2 columns",
    ),
    "UTF-16 without a mark": (
        ("a,b\n" + ROWS).encode("utf-16-be"),
        AB,
        READ,
        f"encoding UTF-16, {HEADED}, 3 rows of 2 columns",
    ),
    "UTF-32": (("a,b\n" + ROWS).encode("utf-32"), AB, READ, f"encoding UTF-32, {HEADED}, 3 rows of 2 columns"),
    "a mark before quotes": ('\ufeff"a","b"\n' + ROWS, AB, READ, f"{HEADED}, 3 rows of 2 columns"),
    "Latin-1": (
        ("gr\xf6\xdfe,b\n" + ROWS).encode("latin-1"),
        ("gr\xf6\xdfe", "b"),
        READ,
        f"encoding Windows-1252 (Latin-1), {HEADED}, 3 rows of 2 columns",
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_tables_that_are_read(case: str) -> None:
    content, names, rows, said = RIGHT[case]
    whole = open_file(write(content)).read()
    assert (whole.columns, whole.x.tolist(), whole.read_as) == (names, rows, said)


@pytest.mark.parametrize("case", ["plain", "no header", "comments before the header", "years above fractions"])
def test_only_what_one_may_wonder_at_is_remarked(case: str) -> None:
    content, _, _, said = RIGHT[case]
    told = case in ("comments before the header", "years above fractions")
    assert open_file(write(content)).read().remark == (f"read as: {said}" if told else "")


LONG = "x" * 140_000
WRONG: dict[str, tuple[str | bytes, type[DataError], str]] = {
    "an underscore": ("a,b\n1,2\n1_000,2\n", NotNumeric, "column 'a'; got the text '1_000' in row 2 of t.csv. Write"),
    "a thousands comma or a decimal one": (
        'a,b\n"1,234",5\n',
        NotNumeric,
        "without thousands separators; got '1,234' in t.csv, which may be 1.234 or 1234",
    ),
    "thousands of Germany": ("a;b\n1.234,5;5\n", NotNumeric, "'1.234,5' in row 1 of t.csv. Write numbers without sep"),
    "thousands of France": ("a;b\n1 234,5;5\n", NotNumeric, "'1 234,5' in row 1 of t.csv. Write numbers without sep"),
    "both decimal marks": ("a;b\n1,5;5.5\n", NotNumeric, "'1,5' in row 1 of t.csv. Write all decimals with a point"),
    "one decimal point among commas": (
        "a;b\n" + "1,5;2,5\n" * 60 + "1,5;2.5\n" + "1,5;2,5\n" * 60,
        NotNumeric,
        "column 'b'; got the text '2.5' in row 61 of t.csv. Write all decimals with a comma, as in the first rows",
    ),
    "one decimal comma among points": (
        "a;b\n" + "1.5;2.5\n" * 60 + "1.5;0,125\n" + "1.5;2.5\n" * 60,
        NotNumeric,
        "column 'b'; got the text '0,125' in row 61 of t.csv. Write all decimals with a point",
    ),
    "decimal commas between commas": (
        "a,b,c\n" + "1,5,-2,25,0,125\n" * 60,
        UnreadableData,
        "Expected 3 values in every row; got 6 in row 1 of t.csv: '1,5,-2,25,0,125'. If commas are decimal marks too",
    ),
    "a separator that is none": (
        "a#b#c\n" + "1.5#-2#3e5\n" * 9,
        UnreadableData,
        "Expected a separator such as ',' ';' tab '|' or space; got '#' in t.csv, whose first line is 'a#b#c'. Write",
    ),
    "times are cut by no separator": ("time\n12:30\n12:40\n", NotNumeric, "column 'time'; got time32"),
    "a late decimal comma": ("a;b\n" + "1;2\n" * 1500 + "1,5;2\n", NotNumeric, "'1,5' in row 1501 of t.csv. Write all"),
    "a column of decimal commas": (
        "a\n1,5\n2,5\n",
        UnreadableData,
        "got 2 in row 1 of t.csv: '1,5'. Name both columns",
    ),
    "a currency": ("a,b\n$1.5,2\n", NotNumeric, "'$1.5' in row 1 of t.csv. Write the number alone"),
    "a percentage": ("a,b\n15%,2\n", NotNumeric, "'15%' in row 1 of t.csv. Write the number alone"),
    "digits of Arabic": ("a,b\n\u0661\u0662,2\n", NotNumeric, "column 'a'; got the text '\u0661\u0662' in row 1"),
    "a minus of typography": ("a,b\n\u22121,2\n", NotNumeric, "column 'a'; got the text '\u22121' in row 1"),
    "a space that does not break": ("a,b\n1,\u00a02\n", NotNumeric, "row 1 of t.csv. Remove the invisible characters"),
    "hexadecimal": ("a,b\n0x10,2\n", NotNumeric, "column 'a'; got the text '0x10' in row 1"),
    "a question mark": ("a,b\n?,2\n", NotNumeric, "'?' in row 1 of t.csv. If it marks a missing value, empty the cell"),
    "a row of units": ("a,b\n(cm),(kg)\n1,2\n", NotNumeric, "column 'a'; got the text '(cm)' in row 1"),
    "a row of sums": ("a,b\n1,2\n3,4\nTotal,6\n", NotNumeric, "column 'a'; got the text 'Total' in row 3"),
    "labels without names": ("1.5,x\n2.5,y\n3.5,z\n", NotNumeric, "column '2'; got the text 'x' in row 1"),
    "dates": ("a,b\n2020-01-01,1\n", NotNumeric, "column 'a'; got date32"),
    "a number too large": ("a,b\n1e400,2\n", NotFinite, "infinity at row 1, column 'a'"),
    "a row of a spreadsheet's end": ("a,b\n1,2\n,\n", NotFinite, "missing value at row 2, column 'a'"),
    "identifiers": (
        "id,b\n12345678901234567890,0.5\n12345678901234567891,1.5\n",
        OutsideSpace,
        "within +-2^53 in column 'id'; got 12345678901234567890",
    ),
    "a late identifier": (
        "id,b\n" + "0.5,1\n" * 9 + "12345678901234567891,2\n",
        OutsideSpace,
        "got 12345678901234567891",
    ),
    "identifiers and gaps": ("id,b\n12345678901234567891,1\n,2\n", OutsideSpace, "got 12345678901234567891"),
    "a long row": ("a,b\n1,2\n1,2,3\n", UnreadableData, "Expected 2 values in every row; got 3 in row 2 of t.csv"),
    "a short row": ("# c\n\na,b\n1,2\n\n1\n", UnreadableData, "got 1 in row 2 of t.csv: '1'"),
    "a comment at the end": ("a,b\n1,2\n# end\n", UnreadableData, "got 1 in row 2 of t.csv: '# end'"),
    "a long header": ("a,b,c\n1,2\n1,2\n", UnreadableData, "Expected 3 values in every row; got 2 in row 1"),
    "runs of spaces": ("a b\n1.5   2.5\n1.5 2.5\n", UnreadableData, "Put one separator between two values"),
    "a value without a name": (
        "a,b,\n" + "1,2,\n" * 1500 + "1,2,9\n",
        UnreadableData,
        "nothing after the last separator of a row; got '9' in row 1501 of t.csv",
    ),
    "two columns of one name": ("a,b,a\n1,2,3\n", UnreadableData, "'a' twice in t.csv. Rename it"),
    "a quotation without end": (
        'a,b\n1,2\n"3,4\n5,6\n',
        UnreadableData,
        "quotation mark; got one alone in t.csv, in or",
    ),
    "a long cell": (
        f"a,b\n1,2\n{LONG},3\n",
        UnreadableData,
        "131072 characters; got a longer one that begins in line 3",
    ),
    "a long cell far below": ("a,b\n" + "1,2\n" * 90_000 + f"{LONG},3\n", NotNumeric, "in row 90001 of t.csv"),
    "a long name": (f'"{LONG}",b\n1,2\n', UnreadableData, "131072 characters; got a longer one that begins in line 1"),
    "only a header": ("a,b\n", EmptyData, "Expected at least one row; got none in t.csv"),
    "blank cells": (" , ,\n,,\n", EmptyData, "only blank cells in t.csv"),
    "a quotation mark": ('"', EmptyData, "only blank cells in t.csv"),
    "zero bytes": (b"a,b\n1,2\n\0\0\0\0", UnreadableData, "a zero byte at 8"),
    "half a character of UTF-16": ("a,b\n1,2\n".encode("utf-16")[:-1], UnreadableData, "neither that nor UTF-16"),
    "Latin-1 far below": (("a,b\n" + "1,2\n" * 90_000 + "1,\xe9\n").encode("latin-1"), UnreadableData, "column 'b'"),
    "gzip": (gzip.compress(b"a,b\n1,2\n", mtime=0), UnreadableData, "t.csv, which is gzipped. Name it t.csv.gz"),
    "a web page": ("<!DOCTYPE html>\n<html>404</html>", UnreadableData, "which is a web page (HTML)"),
    "JSON": ('[{"a": 1}]', UnreadableData, "which is JSON"),
    "a pointer": ("version https://git-lfs.github.com/spec/v1\n", UnreadableData, "which is a pointer of Git LFS"),
    "Parquet": (b"PAR1\x15\x04\x15", UnreadableData, "which is Parquet"),
    "a database": (b"SQLite format 3\0", UnreadableData, "which is an SQLite database"),
    "an old spreadsheet": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", UnreadableData, "which is an old Excel"),
}


@pytest.mark.parametrize("case", WRONG)
def test_tables_that_are_refused(case: str) -> None:
    content, error, words = WRONG[case]
    with pytest.raises(DataError) as caught:
        open_file(write(content)).read()
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_workbook_and_a_plain_file_under_other_names() -> None:
    with zipfile.ZipFile("book.csv", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(UnreadableData, match=r"which is an Excel workbook.* Export it as CSV"):
        open_file("book.csv")
    with pytest.raises(UnreadableData, match=r"not gzipped.* Leave .gz out of its name"):
        open_file(write("a,b\n1,2\n", "t.csv.gz"))
    with pytest.raises(UnreadableData, match=r"got t\.parquet, which is gzip"):
        open_file(write(gzip.compress(b"1", mtime=0), "t.parquet"))
    assert open_file(write("a,b\n0.5,1.5\n", "t.tsv")).read().x.tolist() == [[0.5, 1.5]]  # commas all the same


def test_names_that_are_asked_for_are_a_header_whatever_they_are() -> None:
    write("1,2\n1,2\n2,1\n2,2\n")
    assert open_file("t.csv").read().rows == 4
    source = open_file("t.csv", columns=["2", "1"])
    assert (source.columns, source.read().x.tolist()) == (("2", "1"), [[2, 1], [1, 2], [2, 2]])


def test_an_index_is_read_if_asked_for_by_name() -> None:
    write("Unnamed: 0,a\n4,0.5\n2,1.5\n")
    assert open_file("t.csv").read().x.tolist() == [[0.5], [1.5]]
    assert open_file("t.csv", columns=["Unnamed: 0", "a"]).read().x.tolist() == [[4, 0.5], [2, 1.5]]
    with pytest.raises(ShapeMismatch, match="'b'"):
        open_file("t.csv", columns=["b"])


def test_columns_that_nobody_asks_for_are_said_to_be_left_out() -> None:
    write("a,b,c\n0.5,1.5,2.5\n1.5,0.5,3.5\n")
    assert open_file("t.csv", columns=["b"]).read_as.endswith("1 column, columns 'a', 'c' left out")
    assert open_file("t.csv", columns=["b"], context=["a"]).read_as.endswith("2 columns, column 'c' left out")
    assert "left out" not in open_file("t.csv", context=["a"]).read_as


def test_a_context_of_all_columns_leaves_no_event() -> None:
    write("a,b\n0.5,1.5\n")
    with pytest.raises(ShapeMismatch, match=r"got all of t\.csv for the context .*Leave one out"):
        open_file("t.csv", context=["a", "b"])


def test_a_table_of_many_columns() -> None:
    names = [f"c{i}" for i in range(20_000)]
    write(",".join(names) + "\n" + (",".join(["0.5"] * 20_000) + "\n") * 3)
    whole = open_file("t.csv").read()
    assert (whole.columns, tuple(whole.x.shape)) == (tuple(names), (3, 20_000))


def test_a_table_beyond_the_memory_at_hand_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    write("a,b\n" + "0.5,1.5\n" * 100_000)
    monkeypatch.setattr("loglik.arguments.memory.memory_at_hand", lambda: 1_000_000)
    source = open_file("t.csv")
    assert sum(len(x) for x, _ in source.batches(1000)) == 100_000  # a stream needs no room for all
    with pytest.raises(
        TooLarge, match=r"t\.csv, about 100\d\d\d rows of 2 columns, to fit into the 1 MB of memory.* about 3\.2 MB"
    ):
        source.read()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have only names in Unicode")
@pytest.mark.parametrize("name", [b"d\xff.csv", b"d\xff.csv.gz", b"d\xff.parquet"])
def test_names_of_files_that_are_not_utf_8(name: bytes) -> None:
    csv = b"a,b\n0.5,1.5\n"
    pq.write_table(pa.table({"a": [0.5], "b": [1.5]}), "plain.parquet")
    contents = {b"csv": csv, b".gz": gzip.compress(csv, mtime=0), b"uet": Path("plain.parquet").read_bytes()}
    path = os.fsdecode(name)
    Path(path).write_bytes(contents[name[-3:]])
    assert open_file(path).read().x.tolist() == [[0.5, 1.5]]
