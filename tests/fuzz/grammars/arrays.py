"""NPY headers and NPZ archives: types, shapes and orders that numpy writes, and ones that it would not."""

import io
import struct
import zipfile
from math import prod

import numpy as np
from attempt import Attempt
from hypothesis import strategies as st

from grammars import tiny
from grammars.hostile import damaged, mostly, names, rarely, used

TYPES = (
    "<f8", "<f4", "<f2", ">f8", "|u1", "|i1", "<i2", "<u2", ">i4", "<i8", "<u8", "|b1", "<c16", "<f16", "|O", "<U3",
    "|S4", "<M8[ns]", "<m8[s]", "|V4", "<f3", "", "[('a', '<f8'), ('b', '<i4')]", "('<f8', (2,))",
)  # fmt: skip
SHAPES = (
    (60, 2), (60, 3), (60,), (60, 1), (1, 2), (2, 2), (0, 2), (60, 0), (), (60, 1, 4, 4), (60, 4, 4), (60, 4, 4, 3),
    (2**40, 2), (2**62, 2**62), (-1, 2), (60, 300), (1000, 2), (5, 1, 1, 1, 1, 1, 2), (60, -2), (3.5, 2), (True, 2),
)  # fmt: skip
VALUES = ("normal", "bytes", "binary", "constant", "nan", "far", "negative")
MODELS = ("gaussian", "gaussian", "histogram", "uniform", "gmm")


@st.composite
def npy_attempts(draw: st.DrawFn) -> Attempt:
    content = draw(npy())
    content = draw(damaged(content)) if draw(rarely(8)) else content
    space = draw(mostly((), ("--space", "integer:256"), ("--space", "real"), ("--space", "category:2")))
    return draw(used({"x.npy": content}, "x.npy", MODELS, tiny.run("table"), space))


@st.composite
def npz_attempts(draw: st.DrawFn) -> Attempt:
    usual = st.sampled_from(("x", "X", "train", "labels", "features", "arr_0", "test", "y"))
    keys = draw(st.lists(st.one_of(usual, usual, names), min_size=1, max_size=3, unique=True))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))) as archive:
        for key in keys:
            member = key.replace("\x00", "0") + draw(mostly(".npy", "", ".txt", ".npy.npy"))
            archive.writestr(member or "0", draw(npy()))
        if draw(rarely(20)):  # little that becomes much
            archive.writestr("bomb.npy", header("<f8", (2**27, 2), False) + bytes(2**20), zipfile.ZIP_DEFLATED)
    content = draw(damaged(out.getvalue())) if draw(rarely(8)) else out.getvalue()
    key = draw(st.sampled_from(("", *(f":{key}" for key in keys), ":nowhere", ":"))).replace("\x00", "0")
    context = draw(mostly((), ("--context", "labels"), ("--context", "y"), ("--context", "x,y")))
    return draw(used({"x.npz": content}, f"x.npz{key}", MODELS, tiny.run("table"), context))


@st.composite
def npy(draw: st.DrawFn) -> bytes:
    kind, shape = draw(mostly("<f8", *TYPES, share=3)), draw(mostly((60, 2), *SHAPES, share=3))
    values, fortran = draw(mostly("normal", *VALUES, share=3)), draw(mostly(False, True, "no"))
    count = prod(shape) if all(isinstance(n, int) and 0 <= n < 2000 for n in shape) else 120
    return header(str(kind), shape, fortran) + _numbers(str(kind), str(values), min(count, 20_000))


def header(kind: str, shape: object, fortran: object = False) -> bytes:
    """How an NPY file begins; a shape that is text stands there as it is."""
    told = kind if kind.startswith(("[", "(")) else repr(kind)
    text = f"{{'descr': {told}, 'fortran_order': {fortran!r}, 'shape': {shape}, }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def _numbers(kind: str, values: str, count: int) -> bytes:
    random = np.random.default_rng(0)
    x = {
        "normal": lambda: random.normal(size=count),
        "bytes": lambda: random.integers(0, 256, count),
        "binary": lambda: random.integers(0, 2, count),
        "constant": lambda: np.full(count, 7),
        "nan": lambda: np.where(random.uniform(size=count) < 0.05, np.nan, 1.0),
        "far": lambda: 1e300 * random.normal(size=count),
        "negative": lambda: -random.integers(0, 2**40, count),
    }[values]()
    try:
        dtype = np.dtype(kind)
        with np.errstate(all="ignore"):
            return b"\x80\x04." * count if dtype.hasobject else x.astype(dtype).tobytes()
    except (TypeError, ValueError, SyntaxError):
        return x.astype("<f8").tobytes() * 2
