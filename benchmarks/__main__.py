"""python -m benchmarks [ROW ...]: run the rows whose names contain one of the words (default: all), print and record.

Peers come with `pip install loglik[peers]`. The exit code is 1 when a bar is missed.
"""

import argparse
from pathlib import Path

import torch

from benchmarks import (
    char_rnn,
    cnf,
    gmm,
    imports,
    linear_gaussian,
    made,
    maf,
    nsf,
    pixelcnn,
    pixelcnnpp,
    pixelrnn,
    products,
    transformer,
    wavenet,
)
from benchmarks.harness import measure, passed, table_lines, write

MODULES = [
    char_rnn, cnf, gmm, imports, linear_gaussian, made, maf, nsf, pixelcnn, pixelcnnpp, pixelrnn, products, transformer,
    wavenet,
]  # fmt: skip
ROWS = [row for module in MODULES for row in module.ROWS]
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", help="words; rows whose names contain one of them are run (default: all)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds per row (default 7)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default 2)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON records go")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = [row for row in ROWS if not options.rows or any(word in row.name for word in options.rows)]
    words = [*options.rows, "--rounds", options.rounds, "--threads", options.threads]
    command = " ".join(map(str, ["python -m benchmarks", *words]))
    records = []
    for row in rows:
        record = measure(row, options.rounds)
        print("\n".join(table_lines(record)), flush=True)
        write(record, options.out, command)
        records.append(record)
    return 0 if rows and all(passed(record) for record in records) else 1


if __name__ == "__main__":
    raise SystemExit(main())
