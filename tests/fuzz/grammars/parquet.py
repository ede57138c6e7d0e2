"""Parquet files: every type of column that there is, gaps, nesting, no rows, strange names, and damage."""

import datetime
import decimal
import io
import json
from typing import Any

import numpy as np
from attempt import Attempt
from hypothesis import strategies as st

from grammars import tiny
from grammars.hostile import damaged, mostly, names, rarely, used

KINDS = (
    "double", "float", "half", "int8", "int64", "uint64", "identifier", "bool", "string", "large_string", "dictionary",
    "decimal", "date", "timestamp", "timestamp_tz", "time", "duration", "binary", "list", "fixed_list", "struct",
    "null", "gaps", "nan", "infinite", "all_null", "map", "bool_gaps", "whole_gaps",
)  # fmt: skip


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, count = int(draw(mostly(60, 25, 3, 1, 0, share=4))), draw(st.sampled_from((2, 2, 1, 3, 0)))
    kinds = [draw(mostly("double", *KINDS, share=3)) for _ in range(count)]
    heads = [draw(names) if draw(rarely(5)) else "abc"[i] for i in range(count)]
    columns = [_column(str(kind), rows, pa) for kind in kinds]
    table = pa.Table.from_arrays(columns, names=heads) if count else pa.table({})
    if draw(rarely(6)):  # as pandas writes it, with an index
        table = table.append_column("__index_level_0__", pa.array(range(len(table))))
        table = table.replace_schema_metadata({b"pandas": draw(st.sampled_from((_PANDAS, b"{}", b"no json")))})
    out = io.BytesIO()
    size = draw(st.sampled_from((1 << 20, 7)))
    pq.write_table(table, out, row_group_size=size, compression=draw(st.sampled_from(("snappy", "none", "zstd"))))
    content = draw(damaged(out.getvalue())) if draw(rarely(8)) else out.getvalue()
    name = str(draw(mostly("t.parquet", "t.pq", "T.PARQUET")))
    context = draw(mostly((), ("--context", "b"), ("--context", "a")))
    models = ("gaussian", "gaussian", "gmm", "histogram")
    return draw(used({name: content}, name, models, tiny.run("table"), context))


_PANDAS = json.dumps({
    "index_columns": ["__index_level_0__"], "column_indexes": [], "columns": [], "pandas_version": "2.2",
    "creator": {"library": "pyarrow", "version": "16"},
}).encode()  # fmt: skip


def _column(kind: str, n: int, pa: Any) -> Any:
    random = np.random.default_rng(n)
    x, k = random.normal(size=n), random.integers(0, 3, n)
    day, zone = datetime.datetime(2024, 1, 1), datetime.UTC
    made = {
        "double": lambda: pa.array(x),
        "float": lambda: pa.array(x, pa.float32()),
        "half": lambda: pa.array(x.astype(np.float16)),
        "int8": lambda: pa.array(k, pa.int8()),
        "int64": lambda: pa.array(k),
        "uint64": lambda: pa.array([2**64 - 1] * n, pa.uint64()),
        "identifier": lambda: pa.array([2**60 + int(i) for i in k], pa.int64()),
        "bool": lambda: pa.array(k > 0),
        "string": lambda: pa.array([("red", "green", "")[i] for i in k], pa.string()),
        "large_string": lambda: pa.array([str(i) for i in k], pa.large_string()),
        "dictionary": lambda: pa.array([("red", "green", None)[i] for i in k], pa.string()).dictionary_encode(),
        "decimal": lambda: pa.array([decimal.Decimal(int(i)) for i in k], pa.decimal128(30, 5)),
        "date": lambda: pa.array([day.date() for _ in k], pa.date32()),
        "timestamp": lambda: pa.array([day] * n, pa.timestamp("ns")),
        "timestamp_tz": lambda: pa.array([day.replace(tzinfo=zone)] * n, pa.timestamp("us", "UTC")),
        "time": lambda: pa.array([day.time()] * n, pa.time64("us")),
        "duration": lambda: pa.array([datetime.timedelta(seconds=int(i)) for i in k], pa.duration("s")),
        "binary": lambda: pa.array([b"\x00\xff"] * n, pa.binary()),
        "list": lambda: pa.array([[1.0] * int(i) for i in k], pa.list_(pa.float64())),
        "fixed_list": lambda: pa.array([[1.0, float(i)] for i in k], pa.list_(pa.float64(), 2)),
        "struct": lambda: pa.array([{"u": 1.0, "v": int(i)} for i in k]),
        "null": lambda: pa.nulls(n),
        "gaps": lambda: pa.array([None if i else 1.5 for i in k], pa.float64()),
        "nan": lambda: pa.array([float("nan") if i else 1.5 for i in k], pa.float64()),
        "infinite": lambda: pa.array([float("inf") if i else 1.5 for i in k], pa.float64()),
        "all_null": lambda: pa.nulls(n, pa.float64()),
        "map": lambda: pa.array([[("u", 1)] for _ in k], pa.map_(pa.string(), pa.int8())),
        "bool_gaps": lambda: pa.array([None if i else True for i in k], pa.bool_()),
        "whole_gaps": lambda: pa.array([None if i else 3 for i in k], pa.int32()),
    }
    return made[kind]()
