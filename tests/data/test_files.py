"""Files of every format, right and wrong: each wrong one answers with its own error, in one line."""

import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from loglik.data.files import open_file
from loglik.errors import (
    ContextError,
    DataNotFound,
    EmptyData,
    NotFinite,
    NotNumeric,
    OutsideSpace,
    ShapeMismatch,
    UnknownName,
    UnreadableData,
)
from loglik.spaces import Category, Integer, Real

pytestmark = pytest.mark.usefixtures("in_tmp_path")


def write(name: str, content: str | bytes) -> str:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


ZIPPED = gzip.compress(b"a,b\n1,2.5\n", mtime=0)  # tests are named by what they are given: no clock in it


def values(name: str, **options: Any) -> list[Any]:
    return open_file(name, **options).read().x.tolist()


# What is right


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "a,b\n1,2.5\n3,4\n", [[1.0, 2.5], [3.0, 4.0]]),
        ("a.csv", "a;b\n1;2.5\n", [[1.0, 2.5]]),
        ("a.tsv", "a\tb\n1\t2.5\n", [[1.0, 2.5]]),
        ("a.csv", "1,2.5\n3,4\n", [[1.0, 2.5], [3.0, 4.0]]),
        ("a.csv", '"a","b"\n"1","2.5"\n 3 ,4\n', [[1.0, 2.5], [3.0, 4.0]]),
        ("a.csv", "\ufeffa,b\r\n1,2.5\r\n\r\n3,4\r\n", [[1.0, 2.5], [3.0, 4.0]]),
        ("a.csv", "a\n1.5\n", [[1.5]]),
        ("a.csv", "a,b\ntrue,1\nFalse,0\n", [[1, 1], [0, 0]]),
        ("a.csv", "a,b\n1e3,-2\n", [[1000.0, -2.0]]),
        ("a.csv.gz", ZIPPED, [[1.0, 2.5]]),
    ],
)
def test_csv(name: str, content: str | bytes, expected: list[Any]) -> None:
    assert values(write(name, content)) == expected


def test_csv_space_and_columns() -> None:
    write("a.csv", "a,b,c\n1,2,0.5\n3,4,1.5\n")
    assert open_file("a.csv").space == Real((3,))
    source = open_file("a.csv", columns=["b", "a"], context=("c",))
    assert (source.space, source.columns, source.context_space) == (Integer((2,), 5), ("b", "a"), Real((1,)))
    assert source.read().x.tolist() == [[2, 1], [4, 3]]
    assert open_file("a.csv", columns=["a"], space=Category((1,), 9)).space == Category((1,), 9)
    assert open_file(write("n.csv", "1,2\n3,4\n")).columns is None
    assert values("n.csv", columns=["x", "y"]) == [[1, 2], [3, 4]]  # no names: by position


def test_a_fraction_after_the_first_block_makes_a_csv_real() -> None:
    write("a.csv", "a,b\n" + "1,2\n" * 1_500_000 + "3,0.5\n")
    source = open_file("a.csv")
    assert source.space == Real((2,))
    assert sum(len(x) for x, _ in source.batches(100_000)) == 1_500_001


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_batches_are_cut_exactly(size: int) -> None:
    x = torch.arange(20.0, dtype=torch.float64).reshape(10, 2) + 0.5
    pq.write_table(pa.table({"a": x[:, 0].numpy(), "b": x[:, 1].numpy()}), "a.parquet", row_group_size=4)
    np.save("a.npy", x.numpy())
    np.savetxt("a.csv", x.numpy(), delimiter=",", header="a,b", comments="")
    for name in ("a.parquet", "a.npy", "a.csv"):
        source = open_file(name)
        parts = [part for part, _ in source.batches(size)]
        assert all(len(part) == size for part in parts[:-1])
        assert torch.equal(torch.cat(parts), x)
        assert torch.equal(source.read().x, x)  # a second pass gives the same
        assert source.fingerprint == open_file("a.npy").fingerprint


def test_parquet_types() -> None:
    table = pa.table(
        {
            "b": pa.array([True, False]),
            "i": pa.array([1, 2], pa.uint16()),
            "d": pa.array([1, 2], pa.decimal128(5, 2)),
            "h.k": pa.array([1.5, 2.5], pa.float32()),
            "__index_level_0__": pa.array([7, 8]),
        }
    )
    pq.write_table(table, "a.parquet")
    source = open_file("a.parquet")
    assert source.columns == ("b", "i", "d", "h.k")
    assert source.rows == 2
    assert values("a.parquet") == [[1.0, 1.0, 1.0, 1.5], [0.0, 2.0, 2.0, 2.5]]
    assert values("a.parquet", columns=["i", "b"]) == [[1, 1], [2, 0]]
    assert open_file("a.parquet", columns=["h.k"]).read().x.dtype == torch.float32


@pytest.mark.parametrize("first", [2**53 + 1, -(2**53) - 1, 2**60 + 1])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_numbers_that_float64_merges_are_refused(first: int, suffix: str) -> None:
    name, ids = f"ids.{suffix}", [first + i if first > 0 else first - i for i in range(20)]
    assert len({float(number) for number in ids}) < 20  # two of them are one as reals
    if suffix == "csv":
        write(name, "id,x\n" + "".join(f"{number},{i}.5\n" for i, number in enumerate(ids)))
    else:
        pq.write_table(pa.table({"id": ids, "x": [i + 0.5 for i in range(20)]}), name)
    with pytest.raises(OutsideSpace, match="column 'id'"):
        open_file(name).read()
    with pytest.raises(OutsideSpace, match="column 'id'"):
        open_file(name, context=("id",)).read()


def test_whole_numbers_below_2_to_53_are_read_exactly() -> None:
    ids = [2**53 - 1 - i for i in range(20)]
    source = open_file(write("ids.csv", "id,x\n" + "".join(f"{number},0.5\n" for number in ids)))
    assert source.read().x[:, 0].long().tolist() == ids


def test_npy_and_npz() -> None:
    np.save("a.npy", np.arange(12).reshape(3, 2, 2))
    assert open_file("a.npy").space == Integer((2, 2), 12)
    np.save("f.npy", np.asfortranarray(np.array([[1.0, 2.0], [3.0, 4.0]], dtype=">f4")))
    assert values("f.npy") == [[1.0, 2.0], [3.0, 4.0]]
    np.save("one.npy", np.array([1.5, 2.5]))
    assert values("one.npy") == [[1.5], [2.5]]
    np.savez("a.npz", y=np.arange(3), X=np.full((3, 2), 0.5))
    assert values("a.npz") == [[0.5, 0.5]] * 3
    assert values("a.npz:y") == [[0], [1], [2]]
    assert open_file("a.npz", context=("y",)).context_space == Category((), 3)
    with pytest.raises(UnknownName, match=r"'z'.*X, y"):
        open_file("a.npz:z")


# What is wrong

INFINITE = np.array([[1.0, 2.0], [3.0, np.inf]])
NPY = b"\x93NUMPY\x01\0"


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("e.csv", "", EmptyData, "empty file"),
        ("e.csv", "\n \n", EmptyData, "blank lines"),
        ("e.csv", "a,b\n", EmptyData, "none in e.csv"),
        ("t.csv", "a,b\n1,2\n3,x\n", NotNumeric, r"column 'b'; got the text 'x' in row 2 of t\.csv"),
        ("t.csv", "a,b\n" + "1,2\n" * 1_500_000 + "3,x\n", NotNumeric, "'x' in row 1500001"),
        ("t.csv", "a,b\ntrue,1\nmaybe,0\n", NotNumeric, "'maybe' in row 2"),
        ("t.csv", "a,b\n2020-01-01,1\n", NotNumeric, "column 'a'"),
        ("n.csv", "a,b\n1,2\n3,nan\n", NotFinite, "a missing value at row 2, column 'b'"),
        ("n.csv", "a,b\n1,2\n3,\n", NotFinite, "row 2, column 'b'"),
        ("t.csv", "?,1\n2,3\n", NotNumeric, "'\\?' in row 1"),
        ("n.csv", "1,,2\n3,4,5\n", NotFinite, "row 1, column 2"),
        ("n.csv", "a\n1\n\n2\n", NotFinite, "row 2, column 'a'"),
        ("n.csv", "a,b\n1,2.5\n-inf,2\n", NotFinite, "infinity at row 2, column 'a'"),
        ("r.csv", "a,b\n1,2\n3,4,5\n", UnreadableData, "Expected 2 values in every row; got 3 in row 2"),
        ("r.csv", "1,2\n1,2\n3\n", UnreadableData, "got 1 in row 3"),
        ("d.csv", "a,a\n1,2\n", UnreadableData, "'a' twice"),
        ("b.csv", bytes(range(128, 256)) * 9, UnreadableData, "UTF-8"),
        ("z.csv.gz", b"not gzip", UnreadableData, "gzip"),
        ("z.csv.gz", ZIPPED[:-9], UnreadableData, "z.csv.gz"),
        ("p.parquet", b"PAR1 and no more", UnreadableData, "Parquet"),
        ("p.npy", pickle.dumps([1]), UnreadableData, "NPY"),
        ("p.npy", NPY, UnreadableData, "damaged"),
        ("p.npz", b"garbage", UnreadableData, "NPZ"),
        ("p.npz", b"PK\x03\x04 garbage", UnreadableData, "damaged"),
        ("p.xyz", "1", UnreadableData, r"ending in \.csv"),
        ("p.pkl", pickle.dumps([1]), UnreadableData, "ending in"),
    ],
)
def test_bad_content(name: str, content: str | bytes, error: type[Exception], words: str) -> None:
    write(name, content)
    with pytest.raises(error, match=words) as caught:
        open_file(name).read()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "error", "words"),
    [
        (INFINITE, NotFinite, "row 2, column 2"),
        (np.array([1, None]), UnreadableData, "run code"),
        (np.array(["1", "b"]), NotNumeric, "text"),
        (np.array([1j]), NotNumeric, "complex"),
        (np.zeros(2, dtype=[("a", float)]), UnreadableData, "array of numbers"),
        (np.array(3.0), ShapeMismatch, "single number"),
        (np.zeros((0, 3)), EmptyData, "none"),
        (np.zeros((3, 0)), ShapeMismatch, "at least one value"),
    ],
)
def test_bad_arrays(array: Any, error: type[Exception], words: str) -> None:
    np.save("a.npy", array, allow_pickle=True)
    np.savez("a.npz", array)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(error, match=words):
            open_file(name).read()


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ({"a": ["x", "y"], "b": [1, 2]}, NotNumeric, r"column 'a'; got the text 'x' in row 1"),
        ({"a": ["1", "2"]}, NotNumeric, "declared as text"),
        ({"a": [[1, 2], [3]]}, NotNumeric, "list"),
        ({"a": pa.array([0], pa.timestamp("s"))}, NotNumeric, "timestamp"),
        ({"a": [1, None]}, NotFinite, "row 2, column 'a'"),
        ({"a": [True, None]}, NotFinite, "row 2, column 'a'"),
        ({"a": [1.0, float("nan")]}, NotFinite, "row 2, column 'a'"),
        ({"a": pa.array([], pa.int64())}, EmptyData, "none"),
        ({}, ShapeMismatch, "at least one column"),
    ],
)
def test_bad_parquet(columns: dict[str, Any], error: type[Exception], words: str) -> None:
    pq.write_table(pa.table(columns), "a.parquet")
    with pytest.raises(error, match=words):
        open_file("a.parquet").read()


def test_damaged_and_truncated_files() -> None:
    x = np.random.default_rng(0).normal(size=(1000, 3))
    pq.write_table(pa.table({"a": x[:, 0]}), "a.parquet")
    np.save("a.npy", x)
    np.savez_compressed("a.npz", x)
    for name in ("a.parquet", "a.npy", "a.npz"):
        whole = Path(name).read_bytes()
        middle = len(whole) // 2
        write(name, whole[:middle])
        with pytest.raises(UnreadableData, match=name):
            open_file(name).read()
        if name != "a.npy":  # an array has no checksum
            write(name, whole[:4] + bytes(200) + whole[204:])
            with pytest.raises(UnreadableData, match=name):
                open_file(name).read()


def test_missing_files_and_folders() -> None:
    write("table.csv", "a\n1\n")
    with pytest.raises(DataNotFound, match=r"Did you mean table\.csv"):
        open_file("tabel.csv")
    with pytest.raises(DataNotFound, match="folder nowhere does not exist"):
        open_file("nowhere/table.csv")
    os.mkdir("folder")
    with pytest.raises(EmptyData, match="the folder folder"):
        open_file("folder")
    write("folder/table.csv", "a\n1\n")
    with pytest.raises(UnreadableData, match=r"folder holds none, but table\.csv"):
        open_file("folder")


def test_columns_contexts_and_levels_that_are_not_there() -> None:
    write("a.csv", "a,b\n1,2\n3,4\n")
    with pytest.raises(ShapeMismatch, match=r"'z'; a\.csv has 'a', 'b'"):
        open_file("a.csv", columns=["a", "z"])
    with pytest.raises(ContextError, match="'z'"):
        open_file("a.csv", context=("z",))
    with pytest.raises(ShapeMismatch, match="at least one column"):
        open_file("a.csv", context=("a", "b"))
    with pytest.raises(ShapeMismatch, match=r"\(3,\)"):
        open_file("a.csv", space=Real((3,)))
    with pytest.raises(OutsideSpace, match="got 4 at row 2, column 'b'"):
        open_file("a.csv", space=Integer((2,), 4)).read()
    write("c.csv", "a,b\n1,0.5\n2,nan\n")
    with pytest.raises(NotFinite, match="row 2, column 'b'"):
        open_file("c.csv", context=("b",)).read()
    np.save("a.npy", np.zeros((2, 2)))
    with pytest.raises(ContextError, match="no named columns"):
        open_file("a.npy", context=("a",))
    with pytest.raises(ShapeMismatch, match="3 columns"):
        open_file("a.npy", columns=["a", "b", "c"])


def test_a_million_rows_of_parquet_stream_in_bounded_memory() -> None:
    x = np.random.default_rng(0).normal(size=(1_000_000, 10))
    pq.write_table(pa.table({f"c{i}": x[:, i] for i in range(10)}), "big.parquet")
    code = """
import resource, pyarrow.parquet
from loglik.data.files import open_file
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
idle = peak()
rows = sum(len(x) for x, _ in open_file("big.parquet").batches(4096))
print(rows, (peak() - idle) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows, megabytes = (int(word) for word in done.stdout.split())
    assert rows == 1_000_000
    assert megabytes < 400  # the bar is 1 GB for all of scoring; about 100 are measured
