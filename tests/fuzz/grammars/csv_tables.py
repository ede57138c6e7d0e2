"""CSV as people and programs write it: separators, decimals, quotes, headers, gaps, encodings, and damage."""

import gzip
from collections.abc import Callable

import numpy as np
from attempt import Attempt
from hypothesis import strategies as st

from grammars import tiny
from grammars.hostile import damaged, mostly, names, rarely, used, words

Random = np.random.Generator
COLUMNS: dict[str, Callable[[Random, int], list[str]]] = {
    "real": lambda r, n: [f"{v:.6f}" for v in r.normal(size=n)],
    "short": lambda r, n: [f"{v:.1f}" for v in r.normal(size=n)],
    "far": lambda r, n: [repr(float(v)) for v in 1e300 * r.normal(size=n)],
    "near": lambda r, n: [repr(float(v)) for v in 1e-310 * r.normal(size=n)],
    "stamp": lambda r, n: [repr(1.7e9 + float(v)) for v in r.uniform(size=n)],
    "whole": lambda r, n: [str(v) for v in r.integers(0, 9, n)],
    "index": lambda r, n: [str(v) for v in range(n)],
    "identifier": lambda r, n: [str(int(v)) for v in r.integers(2**60, 2**62, n)],
    "beyond": lambda r, n: [str(2**64 + int(v)) for v in r.integers(0, 9, n)],
    "constant": lambda r, n: ["3.5"] * n,
    "truth": lambda r, n: [("true", "false")[v] for v in r.integers(0, 2, n)],
    "yes": lambda r, n: [("yes", "No")[v] for v in r.integers(0, 2, n)],
    "word": lambda r, n: [("red", "green", "blue")[v] for v in r.integers(0, 3, n)],
    "date": lambda r, n: [f"2024-{v % 12 + 1:02d}-{v % 28 + 1:02d}" for v in r.integers(0, 400, n)],
    "moment": lambda r, n: [f"2024-01-02T{v % 24:02d}:00:00Z" for v in r.integers(0, 400, n)],
    "clock": lambda r, n: [f"{v % 24:02d}:{v % 60:02d}" for v in r.integers(0, 400, n)],
    "percent": lambda r, n: [f"{v:.1f}%" for v in r.normal(size=n)],
    "thousands": lambda r, n: [f"{v:,}" for v in r.integers(1000, 10**7, n)],
    "money": lambda r, n: [f"$ {v:.2f}" for v in r.normal(size=n)],
    "gaps": lambda r, n: [("", "NA", "nan", "-", "?", "null", "1.5", "2.5")[v] for v in r.integers(0, 8, n)],
    "infinite": lambda r, n: [("inf", "-Infinity", "1.0", "1e999")[v] for v in r.integers(0, 4, n)],
    "spaced": lambda r, n: [f" {v:.3f} " for v in r.normal(size=n)],
    "code": lambda r, n: [f"{v:05d}" for v in r.integers(0, 999, n)],
    "empty": lambda r, n: [""] * n,
    "plus": lambda r, n: [f"+{v:.3f}" for v in r.uniform(size=n)],
    "foreign": lambda r, n: ["\u0661\u0662", "\uff11"] * (n // 2) + ["1"] * (n % 2),
    "long": lambda r, n: ["0." + "1" * 400] * n,
}


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    content = draw(text())
    name = str(draw(mostly("t.csv", "t.tsv", "t.CSV", "t.csv.gz", "$x.csv", "\x1b[31m.csv", "a b.csv")))
    coded = content.encode(draw(mostly("utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32", "cp1252")), "replace")
    coded = draw(damaged(coded)) if draw(rarely(6)) else coded
    coded = gzip.compress(coded, mtime=0) if name.endswith(".gz") else coded
    coded = draw(damaged(coded)) if draw(rarely(12)) else coded
    context = ("--context", draw(st.sampled_from(("a", "1", "a,b", "", "nowhere"))))
    space = ("--space", draw(st.sampled_from(("real", "integer:9", "category:3", "integer:1", "integer:", "word"))))
    more = draw(mostly((), context, space))
    models = ("gaussian", "gaussian", "gmm", "histogram", "uniform")
    return draw(used({name: coded}, name, models, tiny.run("table"), more))


@st.composite
def text(draw: st.DrawFn) -> str:
    rows = draw(mostly(60, 25, 10, 3, 2, 1, 0, share=4))
    count = draw(mostly(draw(st.integers(1, 5)), 3000, share=40))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    usual, strange = st.sampled_from(("real", "short", "whole")), st.sampled_from(sorted(COLUMNS))
    kinds = [draw(strange if draw(rarely(4)) else usual) for _ in range(min(count, 5))]
    columns = [COLUMNS[kinds[i % 5]](random, rows) for i in range(count)]
    separator, decimal = draw(mostly(",", ";", "\t", "|", " ", ";;")), draw(mostly(".", ","))
    table = [[cell.replace(".", str(decimal)) for cell in row] for row in zip(*columns, strict=True)]
    long = st.one_of(words, st.just("1" * 200_000))
    if table and draw(rarely(6)):  # one cell, or one row, of another kind
        row = draw(st.integers(0, rows - 1))
        table[row] = draw(st.sampled_from(([], table[row][:-1], [*table[row], "1"], [draw(long), *table[row][1:]])))
    letters = [f"{'abcde'[i % 5]}{i // 5 or ''}" for i in range(count)]
    header = draw(mostly("letters", "none", "years", "names", "index", "twice"))
    head = {
        "letters": letters,
        "none": [],
        "years": [str(2019 + i) for i in range(count)],
        "names": [*(draw(names) for _ in range(min(count, 5))), *letters[5:]] if header == "names" else [],
        "index": ["", *letters],
        "twice": ["a"] * count,
    }[str(header)]
    if header == "index":
        table = [[str(i), *row] for i, row in enumerate(table)]
    quote = draw(mostly("needed", "always", "never"))
    lines = [str(separator).join(_quoted(cell, str(separator), str(quote)) for cell in row) for row in table]
    lines = [str(separator).join(_quoted(cell, str(separator), str(quote)) for cell in head), *lines] if head else lines
    lines = [*draw(mostly((), ("# made by a tool", "# mm"), ("", ""), ("sep=;",), ("Report of May",))), *lines]
    lines += draw(mostly((), ("",), ("", "", ""), ("total 60",), ("\x1a",)))
    end = str(draw(mostly("\n", "\r\n", "\r")))
    return end.join(lines) + draw(st.sampled_from((end, "")))


def _quoted(cell: str, separator: str, quote: str) -> str:
    needed = quote == "always" or (quote == "needed" and any(mark in cell for mark in (separator, '"', "\n", "\r")))
    return '"' + cell.replace('"', '""') + '"' if needed else cell
