"""`as_source` on everything a caller may hold."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from loglik.data import Memory, Source, as_source, open_dataset
from loglik.data.source import Batch
from loglik.errors import (
    ContextError,
    DataNotFound,
    EmptyData,
    NotFinite,
    NotNumeric,
    OutsideSpace,
    ShapeMismatch,
    UnreadableData,
    UsageError,
)
from loglik.spaces import Category, Integer, Real

FRAMES = [pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.table]


def test_types_decide_the_space() -> None:
    assert as_source(torch.randn(5, 2)).space == Real((2,))
    assert as_source(torch.ones(5, 2)).space == Real((2,))  # whole values of a real type stay real
    assert as_source(np.arange(12).reshape(3, 2, 2)).space == Integer((2, 2), 12)
    assert as_source([0, 0, 0]).space == Integer((1,), 2)
    assert as_source([0, 256]).space == Real((1,))
    assert as_source([-1, 1]).space == Real((1,))
    assert as_source(torch.tensor([[True, False]])).space == Integer((2,), 2)


@pytest.mark.parametrize(
    "kind", ["u1", "i1", "u2", "i4", "u8", "<i8", ">i4", "f2", "<f4", ">f8", "bool", np.longdouble]
)
def test_every_numeric_type_is_read(kind: Any) -> None:
    source = as_source(np.array([[0, 1], [1, 1]]).astype(kind)).read()
    assert source.x.tolist() == [[0, 1], [1, 1]]


def test_precision_is_kept() -> None:
    assert as_source(np.zeros((2, 1), np.float32)).read().x.dtype == torch.float32
    assert as_source(np.zeros((2, 1))).read().x.dtype == torch.float64
    assert as_source(torch.zeros(2, 1, dtype=torch.bfloat16)).read().x.dtype == torch.float32
    assert as_source(np.zeros((2, 1), np.int64)).read().x.dtype == torch.uint8


def test_one_row_and_one_column() -> None:
    assert as_source([1.5]).read().x.shape == (1, 1)
    assert as_source(torch.randn(1, 3)).rows == 1
    assert as_source(pd.Series([1.5, 2.5])).read().x.shape == (2, 1)


def test_a_stated_space_is_checked_and_lays_out_flat_rows() -> None:
    assert as_source(np.arange(8).reshape(2, 4), space=Integer((1, 2, 2), 8)).read().x.shape == (2, 1, 2, 2)
    assert as_source(np.zeros((2, 3, 3)), space=Integer((1, 3, 3), 2)).read().x.shape == (2, 1, 3, 3)
    assert as_source(np.array([[0.0, 2.0]]), space="category:3").space == Category((2,), 3)
    assert as_source([1, 2], space="real").read().x.is_floating_point()
    for levels in (256, 300, 65536):  # more than a byte holds
        assert as_source(torch.tensor([[0, 255]], dtype=torch.uint8), space=f"integer:{levels}").rows == 1
    with pytest.raises(OutsideSpace, match=r"got 7 at row 2, column 2 "):
        as_source([[1, 2], [3, 7]], space="integer:5")
    with pytest.raises(OutsideSpace, match=r"got 0\.5 at row 1"):
        as_source([[0.5]], space="integer:5")
    with pytest.raises(ShapeMismatch, match=r"\(1, 2, 2\)"):
        as_source(np.zeros((2, 2, 1)), space=Integer((1, 2, 2), 8))


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ([[1.0, 2.0], [-np.inf, np.nan]], NotFinite, "infinity at row 2, column 1"),
        (torch.tensor([[1.0], [np.inf]]), NotFinite, "infinity at row 2, column 1"),
        (np.full((1, 1, 2, 2), np.inf), NotFinite, r"row 1, position \(1, 1, 1\)"),
        ([], EmptyData, "none"),
        (torch.zeros(0, 3), EmptyData, "none"),
        (np.zeros((3, 0)), ShapeMismatch, "at least one value"),
        (3.5, ShapeMismatch, "single number"),
        ([[1], [1, 2]], ShapeMismatch, "one length"),
        (["1", "x"], NotNumeric, "'x' at row 2"),
        (np.array([1j]), NotNumeric, "complex"),
        (torch.tensor([1j]), NotNumeric, "complex"),
        (np.array([1, None]), UnreadableData, "object"),
        (np.array(["2020-01-01"], dtype="M8[D]"), UnreadableData, "datetime"),
        (object(), UsageError, "object"),
        (None, UsageError, "NoneType"),
        ("nowhere.csv", DataNotFound, "nowhere.csv"),
    ],
)
def test_bad_data_is_said_in_one_line(data: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        as_source(data)
    assert "\n" not in str(caught.value)


def test_context_beside_an_array() -> None:
    labels = as_source(torch.randn(3, 2), [0, 4, 1]).read()
    assert labels.context_space == Category((), 5)
    assert labels.context is not None
    assert labels.context.shape == (3,)
    real = as_source(torch.randn(3, 2), torch.randn(3, 4)).read()
    assert real.context_space == Real((4,))
    with pytest.raises(ContextError, match="one context per row"):
        as_source(torch.randn(3, 2), torch.randn(2, 4))
    with pytest.raises(NotFinite, match="the context"):
        as_source(torch.randn(2, 2), [0.5, np.nan])


@pytest.mark.parametrize("frame", FRAMES)
def test_frames_of_any_library(frame: Any) -> None:
    source = as_source(frame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "c": [True, False, True]}))
    assert source.columns == ("a", "b", "c")
    assert source.read().x.tolist() == [[1.0, 0.5, 1.0], [2.0, 1.5, 0.0], [3.0, 2.5, 1.0]]


@pytest.mark.parametrize("frame", FRAMES)
def test_columns_and_contexts_of_frames(frame: Any) -> None:
    data = frame({"a": [1, 2], "b": [0.5, 1.5], "c": [3, 4]})
    source = as_source(data, "b", columns=["c", "a"]).read()
    assert source.space == Integer((2,), 5)
    assert source.x.tolist() == [[3, 1], [4, 2]]
    assert source.context is not None
    assert source.context.tolist() == [[0.5], [1.5]]
    with pytest.raises(ShapeMismatch, match=r"'z'.*'a', 'b', 'c'"):
        as_source(data, columns=["z"])
    with pytest.raises(ContextError, match="'z'"):
        as_source(data, ["z"])


@pytest.mark.parametrize("frame", FRAMES)
def test_bad_values_in_frames(frame: Any) -> None:
    with pytest.raises(NotFinite, match="row 2, column 'a'"):
        as_source(frame({"a": [1.0, None]}))
    with pytest.raises(NotNumeric, match=r"'a'.*'x' in row 2"):
        as_source(frame({"a": ["1", "x"]}))
    with pytest.raises((EmptyData, ShapeMismatch)):
        as_source(frame({}))


def test_pandas_objects_and_categories() -> None:
    with pytest.raises(NotNumeric, match=r"'a'; got 'x' in row 2"):
        as_source(pd.DataFrame({"a": pd.Series([1, "x", 3], dtype=object)}))
    with pytest.raises(NotNumeric, match="'q' in row 1"):
        as_source(pd.DataFrame({"a": pd.Categorical(["q", "r"])}))
    with pytest.raises(NotNumeric, match="timestamp"):
        as_source(pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}))


def test_columns_of_data_without_names_are_counted() -> None:
    assert as_source(torch.randn(2, 3), columns=["a", "b", "c"]).columns is None
    with pytest.raises(ShapeMismatch, match="2 columns"):
        as_source(torch.randn(2, 3), columns=["a", "b"])


class Twice(Source):
    space = Real((1,))

    def batches(self, size: int) -> Iterator[Batch]:
        yield torch.ones(2, 1), None


def test_sources_pass_through() -> None:
    source = Twice()
    assert as_source(source) is source
    assert as_source(source, space="real") is source
    with pytest.raises(UsageError, match="space="):
        as_source(source, space="integer:3")
    with pytest.raises(UsageError, match="own contexts"):
        as_source(source, context=[1, 2])
    memory = Memory(Real((1,)), torch.tensor([[1.0], [2.0]]))
    assert as_source(memory, space="integer:3").space == Integer((1,), 3)
    with pytest.raises(UsageError, match="part"):
        as_source(open_dataset("digits"))
