"""run.json as another program, an older version or an enemy would leave it, and what is then done with the run."""

import json
from typing import Any

from attempt import Attempt
from hypothesis import strategies as st

from grammars import tiny
from grammars.hostile import NAMES, damaged, rarely

Path = tuple[str | int, ...]
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 0.5, -0.0, 1e308, float("nan"), float("inf"), 2**31, 2**63, 2**64, 10**30, "",
    "a", "1", "gaussian", "made", "vae", "Real", "../..", "/etc/passwd", "/dev/zero", "finished", "training",
    "interrupted", [], [1], [2, 2], [0], [-1], [10**9], [2**62, 2**62], [[]], {}, {"a": 1}, ["a"] * 3, [None],
    "x" * 5000, *NAMES[:12], {"kind": "Category", "shape": [2], "levels": 10**9}, {"kind": "Real", "shape": [100_000]},
    {"kind": "Integer", "shape": [], "levels": 256}, {"kind": "Integer", "shape": [2], "levels": 1}, {"kind": "Table"},
)  # fmt: skip
WHOLE = (
    b"", b"{}", b"[]", b"null", b"3", b'"run"', b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe{}", b"\x00" * 4096,
    b'{"format": 2}', b'{"format": 2, "model": {}}', b'{"format": true}', b"{}" + b" " * (80 << 20), b"NaN",
)  # fmt: skip
USES = (
    ("score", "run", "t.csv", "--json"), ("score", "run", "t.csv", "--json"), ("sample", "run", "-n", "2"),
    ("sample", "run", "-n", "2", "-o", "s.csv"), ("fit", "t.csv", "-o", "run", "--resume", "--json"),
    ("fit", "t.csv", "-o", "run", "--resume", "--steps", "3", "--json"),
)  # fmt: skip
SLOW = (("report", "run"), ("check", "run"))


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    kind = draw(st.sampled_from(("table", "mixture", "net")))
    files = {**tiny.run(kind), "t.csv": tiny.TABLE.encode()}
    if draw(rarely(10)):
        content = draw(st.one_of(st.sampled_from(WHOLE), damaged(files["run/run.json"])))
    else:
        record = json.loads(files["run/run.json"])
        for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
            record = draw(edited(record))
        content = json.dumps(record).encode()
    use = draw(st.sampled_from(SLOW if draw(rarely(20)) else USES))
    return Attempt(use, {**files, "run/run.json": content}, makes=("run", "s.csv"))


@st.composite
def edited(draw: st.DrawFn, record: Any) -> Any:
    """The record with one entry replaced, removed or added."""
    path = draw(st.sampled_from(list(paths(record))))
    how = draw(st.sampled_from(("replace", "replace", "replace", "remove", "add")))
    return _edited(record, path, how, draw(st.sampled_from(VALUES)))


def paths(value: Any, before: Path = ()) -> list[Path]:
    """Where there is something in a JSON value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[Path] = [before] if before else []
    for key, inner in entries:
        found += paths(inner, (*before, key))
    return found


def _edited(value: Any, path: Path, how: str, new: Any) -> Any:
    if not path:
        return new
    inside = value.copy()
    if len(path) == 1 and how == "remove":
        del inside[path[0]]
    elif len(path) == 1 and how == "add" and isinstance(inside, dict):
        inside[f"{path[0]}_2"] = new
    else:
        inside[path[0]] = _edited(value[path[0]], path[1:], how, new)
    return inside
