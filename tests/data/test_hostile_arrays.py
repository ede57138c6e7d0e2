"""Arrays, archives and frames of every kind that callers hold: read as what they are, or refused by the cause."""

import io
import warnings
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch

from loglik.data import as_source
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
    UsageError,
)

TWO = [[0.5, 1.0], [2.0, 3.0]]
FRAME = pd.DataFrame({"a": [0.5, 2.5, 4.5, 6.5], "b": [1.5, 3.5, 5.5, 7.5]})
CHOSEN = [[6.5, 7.5], [0.5, 1.5], [4.5, 5.5]]  # rows 3, 0 and 2 of it


pytestmark = pytest.mark.usefixtures("in_tmp_path")

READ: dict[str, Callable[[], Any]] = {
    "sparse tensor": lambda: torch.tensor(TWO).to_sparse(),
    "sparse matrix": lambda: scipy.sparse.csr_matrix(TWO),
    "sparse array": lambda: scipy.sparse.coo_array(TWO),
    "float8": lambda: torch.tensor(TWO).to(torch.float8_e4m3fn),
    "half": lambda: torch.tensor(TWO, dtype=torch.float16),
    "parameter": lambda: torch.nn.Parameter(torch.tensor(TWO)),
    "tensors in a list": lambda: [torch.tensor(row, requires_grad=True) for row in TWO],
    "objects that are numbers": lambda: np.array([[0.5, 1], [Decimal(2), 3]], dtype=object),
    "big-endian": lambda: np.array(TWO, dtype=">f8"),
    "Fortran's order": lambda: np.asfortranarray(np.array(TWO)),
    "backwards": lambda: np.array(TWO[::-1])[::-1],
    "long double": lambda: np.array(TWO, dtype=np.longdouble),
    "read-only": lambda: np.frombuffer(np.array(TWO).tobytes()).reshape(2, 2),
    "mask of nothing": lambda: np.ma.masked_array(TWO),
    "record batch": lambda: pa.record_batch({"a": [0.5, 2.0], "b": [1.0, 3.0]}),
}


@pytest.mark.parametrize("case", READ)
def test_arrays_that_are_read(case: str) -> None:
    assert as_source(READ[case]()).read().x.tolist() == TWO


@pytest.mark.parametrize("kind", [torch.uint16, torch.uint32, torch.uint64])
def test_unsigned_tensors_keep_their_values(kind: torch.dtype) -> None:
    assert as_source(torch.tensor([[3], [250]], dtype=kind)).read().x.tolist() == [[3], [250]]


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "identifiers of numpy": (lambda: np.array([[3], [2**64 - 1]], np.uint64), OutsideSpace, r"2\^53; got 1844.* row 2"),
    "identifiers of torch": (
        lambda: torch.tensor([[2**64 - 1]], dtype=torch.uint64),
        OutsideSpace,
        "got 18446744073709",
    ),
    "identifiers of Python": (lambda: [[1, 2**70]], OutsideSpace, "got 1180591620717411303424 at row 1, column 2"),
    "2^53 + 1": (lambda: np.array([[2**53 + 1]], np.uint64), OutsideSpace, "got 9007199254740993"),
    "identifiers in pandas": (lambda: pd.DataFrame({"a": [1, 2**70]}), OutsideSpace, "column 'a'; got 118059162"),
    "identifiers in polars": (
        lambda: pl.DataFrame({"a": pl.Series([1, 2**64 - 1], dtype=pl.UInt64)}),
        OutsideSpace,
        "column 'a'; got 18446744073709551615",
    ),
    "identifiers as decimals": (
        lambda: pa.table({"a": [Decimal("12345678901234567891")]}),
        OutsideSpace,
        "column 'a'; got 1234567890123456",
    ),
    "complex": (lambda: torch.ones(2, 2, dtype=torch.complex64), NotNumeric, "complex"),
    "complex frame": (lambda: FRAME.astype(complex), NotNumeric, r"'a'; got '\(0.5\+0j\)' in row 1"),
    "meta": (lambda: torch.empty(2, 2, device="meta"), UnreadableData, "without values"),
    "nested": (
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
        UnreadableData,
        "a nested tensor",
    ),
    "records": (lambda: np.zeros(2, dtype=[("a", float), ("b", int)]), UnreadableData, "records with the fields a, b"),
    "void": (lambda: np.zeros(2, dtype="V4"), UnreadableData, r"got \|V4"),
    "objects": (
        lambda: np.array([[1, object]], dtype=object),
        UnreadableData,
        "such as <class 'object'> at row 1, col",
    ),
    "None": (lambda: [[1.0], [None]], UnreadableData, "such as None at row 2"),
    "masked": (lambda: np.ma.masked_array([[1], [2]], [[0], [1]]), NotFinite, "1 missing ones, the first at row 2"),
    "masked number": (lambda: np.ma.masked, ShapeMismatch, "single number"),
    "beyond float64": (lambda: np.array([[np.longdouble("1e4000")]]), NotFinite, "infinity at row 1"),
    "bytes": (lambda: b"abc", UsageError, "got bytes"),
    "tensors of several lengths": (lambda: [torch.ones(2), torch.ones(3)], ShapeMismatch, "one length"),
    "a set": (lambda: {1, 2}, UsageError, "got set"),
    "a function": (lambda: len, UsageError, "got builtin"),
    "sparse frame": (lambda: FRAME.astype(pd.SparseDtype("float", 0.0)), NotNumeric, "Sparse pandas data"),
    "one name twice": (lambda: FRAME.set_axis(["a", "a"], axis=1), UnreadableData, "'a' 2 times"),
    "one name twice in arrow": (lambda: pa.table([[1], [2]], names=["a", "a"]), UnreadableData, "'a' 2 times"),
    "names of several types": (lambda: FRAME.set_axis(["a", 1], axis=1), UnreadableData, "names of several types"),
    "a query that fails": (
        lambda: pl.LazyFrame({"a": [1]}).select("z"),
        UnreadableData,
        "it fails with: unable to find",
    ),
    "intervals": (lambda: pd.DataFrame({"a": pd.interval_range(0, 2)}), NotNumeric, "'a'; got extension"),
    "lists": (lambda: pd.DataFrame({"a": [[1], [2, 3]]}), NotNumeric, "'a'; got list"),
    "no rows": (lambda: FRAME.iloc[:0], EmptyData, "none in the table"),
}


@pytest.mark.parametrize("case", WRONG)
def test_arrays_that_are_refused(case: str) -> None:
    build, error, words = WRONG[case]
    with pytest.raises(error, match=words) as caught:
        as_source(build())
    assert "\n" not in str(caught.value)


def test_zeros_are_written_out_only_where_there_is_room() -> None:
    wide = scipy.sparse.csr_matrix((10**7, 10**7))
    with pytest.raises(TooLarge, match=r"the data, sparse .*, to fit into the .*B of memory at hand; .* about 800 TB"):
        as_source(wide)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensor = torch.sparse_coo_tensor(torch.zeros(2, 1, dtype=torch.long), torch.ones(1), (10**7, 10**7))
    with pytest.raises(TooLarge, match="800 TB"):
        as_source(tensor)


# The index of pandas


INDEXED: dict[str, Callable[[], pd.DataFrame]] = {
    "selected": lambda: FRAME.iloc[[3, 0, 2]],
    "named": lambda: FRAME.rename_axis("id").iloc[[3, 0, 2]],
    "named as a column": lambda: FRAME.rename_axis("a").iloc[[3, 0, 2]],
    "of words": lambda: FRAME.set_axis(list("wxyz")).iloc[[3, 0, 2]],
    "of two levels": lambda: FRAME.set_axis(pd.MultiIndex.from_arrays([[1, 1, 2, 2], list("xyxy")])).iloc[[3, 0, 2]],
    "of dates": lambda: FRAME.set_axis(pd.date_range("2020", periods=4)).iloc[[3, 0, 2]],
    "through a CSV": lambda: pd.read_csv(io.StringIO(FRAME.iloc[[3, 0, 2]].to_csv())),
}


@pytest.mark.parametrize("case", INDEXED)
def test_the_index_of_a_frame_is_no_column(case: str) -> None:
    source = as_source(INDEXED[case]())
    assert (source.columns, source.read().x.tolist()) == (("a", "b"), CHOSEN)


@pytest.mark.parametrize("case", sorted(set(INDEXED) - {"named as a column"}))
def test_the_index_in_a_parquet_file_is_no_column(case: str) -> None:
    frame = INDEXED[case]()
    frame.to_parquet("t.parquet")
    whole = open_file("t.parquet").read()
    assert (whole.columns, whole.x.tolist()) == (("a", "b"), CHOSEN)
    left_out = "2 index columns left out" if case == "of two levels" else "index column left out"
    assert whole.remark == f"read as: 3 rows of 2 columns, {left_out}"
    restored = pa.Table.from_pandas(frame)
    assert as_source(restored).read().x.tolist() == CHOSEN


def test_a_named_index_is_read_if_asked_for() -> None:
    FRAME.rename_axis("id").iloc[[3, 0, 2]].to_parquet("t.parquet")
    assert open_file("t.parquet", columns=["id", "a"]).read().x.tolist() == [[3, 6.5], [0, 0.5], [2, 4.5]]


def test_measurements_called_unnamed_are_data() -> None:
    assert as_source(pd.DataFrame({"Unnamed: 0": [0.5, 1.5], "a": [1.0, 2.0]})).columns == ("Unnamed: 0", "a")


# NPY and NPZ


def test_an_archive_of_several_arrays_is_never_guessed_at() -> None:
    np.savez("t.npz", labels=np.arange(2), features=np.array(TWO))
    with pytest.raises(UsageError, match=r"got labels, features in t\.npz\. Choose one: t\.npz:labels"):
        open_file("t.npz")
    chosen = open_file("t.npz:features").read()
    assert chosen.x.tolist() == TWO
    assert chosen.read_as == "array of shape (2, 2), float64, called 'features' of labels, features"
    assert open_file("t.npz", context=("labels",)).read().x.tolist() == TWO  # the only one left
    np.savez("x.npz", y=np.arange(2), x=np.array(TWO))
    assert open_file("x.npz").read_as == "array of shape (2, 2), float64, called 'x' of y, x"
    assert open_file("x.npz").remark == "the array 'x' is read; for 'y', name x.npz:y"
    np.savez("two.npz", x=np.array(TWO), X=np.array(TWO))
    with pytest.raises(UsageError, match="got x, X"):
        open_file("two.npz")
    np.savez("one.npz", anything=np.array(TWO))
    assert open_file("one.npz").remark == ""


def test_archives_that_hold_no_arrays() -> None:
    np.savez("none.npz")
    with pytest.raises(UnreadableData, match="an empty ZIP archive"):
        open_file("none.npz")
    with zipfile.ZipFile("letter.npz", "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    with pytest.raises(EmptyData, match=r"none in letter\.npz, which is a Word document"):
        open_file("letter.npz")
    np.savez("t.npz", x=np.array(TWO))
    Path("t.npy").write_bytes(Path("t.npz").read_bytes())
    with pytest.raises(UnreadableData, match=r"t\.npy, which is a NumPy archive"):
        open_file("t.npy")


def header(text: bytes) -> bytes:
    """An NPY file with this header and three numbers."""
    padded = text + b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + len(padded).to_bytes(2, "little") + padded + bytes(24)


@pytest.mark.parametrize(
    "text",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (3,)",
        b"(" * 3000,
        b"{'descr': 'O', 'fortran_order': False, 'shape': (3,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (3.5,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (60, -2)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (True, 2)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000000)}",
        b"{'descr': [], 'fortran_order': False, 'shape': (3,)}",
        b"__import__('os')",
        b"\xff" * 50,
    ],
)
def test_headers_of_nonsense(text: bytes) -> None:
    Path("t.npy").write_bytes(header(text))
    with zipfile.ZipFile("t.npz", "w") as archive:
        archive.writestr("x.npy", header(text))
    for name in ("t.npy", "t.npz"):
        with pytest.raises(DataError, match=name) as caught:
            open_file(name).read()
        assert type(caught.value) is UnreadableData


def test_arrays_beyond_the_memory_at_hand_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("t.npy", np.zeros((1000, 1000)))
    np.savez_compressed("t.npz", np.zeros((1000, 1000)))
    monkeypatch.setattr("loglik.arguments.memory.memory_at_hand", lambda: 5_000_000)
    source = open_file("t.npy")
    with pytest.raises(
        TooLarge, match=r"t\.npy, 1000 rows of 1000 values, to fit into the 5 MB of memory .* about 16 MB"
    ):
        source.read()
    with pytest.raises(TooLarge, match=r"t\.npz:arr_0, unpacked, to fit into the 5 MB of memory .* about 8 MB"):
        open_file("t.npz")
