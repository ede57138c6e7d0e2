"""Files of weights with other names, types, shapes and values, whose checksum is right, and damaged files."""

import json
import tempfile
from pathlib import Path

import torch
from attempt import Attempt
from hypothesis import strategies as st
from torch import Tensor

from grammars import tiny
from grammars.hostile import damaged

HOW = (
    "remove", "rename", "add", "nan", "infinite", "zero", "ones", "negative", "huge", "half", "int8", "float64", "bool",
    "complex", "flat", "longer", "empty", "scalar", "swap", "transposed",
)  # fmt: skip
USES = (
    ("score", "run", "t.csv", "--json"), ("sample", "run", "-n", "2"), ("sample", "run", "-n", "2", "-o", "s.csv"),
    ("fit", "t.csv", "-o", "run", "--resume", "--steps", "3", "--json"),
)  # fmt: skip


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    kind = draw(st.sampled_from(("table", "mixture", "net")))
    files = {**tiny.run(kind), "t.csv": tiny.TABLE.encode()}
    name = draw(st.sampled_from(("model.safetensors", "model.safetensors", "model.safetensors", "rows.safetensors")))
    how = draw(st.integers(0, 9))
    if how == 0:
        content = draw(damaged(files[f"run/{name}"]))
    elif how == 1:
        content = draw(st.sampled_from((b"", b"\x80\x04K\x01.", b"PK\x03\x04", b"\x08" + bytes(7) + b"{}      ")))
    else:
        tensors, about = _tensors(files[f"run/{name}"])
        for _ in range(draw(st.sampled_from((1, 1, 2)))):
            tensors = _edited(tensors, draw(st.integers(0, 99)), draw(st.sampled_from(HOW)))
        content = _file(tensors, about)
    return Attempt(draw(st.sampled_from(USES)), {**files, f"run/{name}": content}, makes=("run", "s.csv"))


def _tensors(content: bytes) -> tuple[dict[str, Tensor], dict[str, object]]:
    from loglik.storage.reading import read_tensors

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "w")
        path.write_bytes(content)
        return read_tensors(path)


def _file(tensors: dict[str, Tensor], about: dict[str, object]) -> bytes:
    """As loglik writes them, so that only the checks of what is inside can find a fault."""
    from loglik.storage.writing import write_tensors

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "w")
        write_tensors(path, tensors, json.loads(json.dumps(about)))
        return path.read_bytes()


def _edited(tensors: dict[str, Tensor], which: int, how: str) -> dict[str, Tensor]:
    if not tensors:
        return {"x": torch.zeros(2)}
    names = sorted(tensors)
    name, other = names[which % len(names)], names[(which + 1) % len(names)]
    t = tensors[name]
    if how == "remove":
        return {n: v for n, v in tensors.items() if n != name}
    if how == "rename":
        return {(f"{n}_2" if n == name else n): v for n, v in tensors.items()}
    if how == "add":
        return {**tensors, f"{name}.more": torch.zeros(3)}
    if how == "swap":
        return {**tensors, name: tensors[other], other: t}
    new = {
        "nan": lambda: torch.full_like(t.double(), float("nan")),
        "infinite": lambda: torch.full_like(t.double(), float("inf")),
        "zero": lambda: torch.zeros_like(t),
        "ones": lambda: torch.ones_like(t),
        "negative": lambda: -t.double() - 1.0,
        "huge": lambda: torch.full_like(t.double(), 1e300),
        "half": t.half,
        "int8": lambda: t.to(torch.int8),
        "float64": t.double,
        "bool": t.bool,
        "complex": lambda: t.to(torch.complex64),
        "flat": lambda: t.reshape(-1),
        "longer": lambda: torch.cat([t.reshape(-1), t.reshape(-1)]),
        "empty": lambda: t.reshape(-1)[:0],
        "scalar": lambda: torch.zeros((), dtype=t.dtype),
        "transposed": lambda: t.transpose(0, -1).contiguous() if t.ndim else t,
    }[how]()
    # In the type of before, where only values are to be strange.
    keeps = how in ("nan", "infinite", "negative", "huge") and t.is_floating_point()
    return {**tensors, name: new.to(t.dtype) if keeps else new}
