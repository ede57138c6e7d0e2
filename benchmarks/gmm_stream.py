"""Three passes of EM over a Parquet file, a mixture of 16 Gaussians: peak memory and rows per second, 2 and 20 million.

python -m benchmarks.gmm_stream writes benchmarks/results/gmm-stream-2M.json and gmm-stream-20M.json; the files of rows
(1.6 GB the larger) are made in a temporary folder. The exit code is 1 when the memory or the linear time is missed.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import surroundings

COLUMNS, COMPONENTS, PASSES, THREADS = 10, 16, 3, 2
MILLIONS = (2, 20)
AT_ONCE = 1_000_000  # rows that are made and written together
BAR_MB = 1536  # of the whole process
LINEAR = 1.25  # a row of the larger file takes at most this much longer
RESULTS = Path(__file__).parent / "results"

# VmHWM, the peak of this very process: getrusage would count what its parent held before it started.
FIT = """
import json, sys, time
import pyarrow.parquet, torch
import loglik
from loglik.data import open_source
torch.set_num_threads(int(sys.argv.pop()))
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
path, covariance, components, passes, weights = sys.argv[1:]
model = loglik.build("gmm", loglik.Real((10,)), components=int(components), covariance=covariance, seed=0)
seen = []
start, idle = time.perf_counter(), peak()
rows = path if weights else open_source(path, columns=[f"c{i}" for i in range(10)])
loglik.fit(model, rows, weights=weights or None, steps=int(passes), tolerance=0.0, watch=seen.append)
times = [step.seconds for step in seen]
each = (times[-1] - times[0]) / (len(times) - 1)
print(json.dumps({"idle_mb": idle, "peak_mb": peak(), "over_idle_mb": peak() - idle,
                  "seconds": time.perf_counter() - start, "seconds_per_pass": each, "nats": seen[-1].nats}))
"""


def main() -> int:
    torch.set_num_threads(THREADS)  # as the processes that fit have, for the record
    kept, reached = {}, True
    with tempfile.TemporaryDirectory() as folder:
        for millions in MILLIONS:
            path = Path(folder) / f"{millions}M.parquet"
            write(path, millions)
            kept[millions] = {
                "gmm, diagonal covariances": fitted(path, "diagonal", millions),
                "gmm, full covariances": fitted(path, "full", millions),
                "gmm, full covariances, weights": fitted(path, "full", millions, weights="w"),
            }
            path.unlink()
    for millions, peaks in kept.items():
        few = kept[MILLIONS[0]]
        slower = {name: few[name]["rows_per_second"] / peak["rows_per_second"] for name, peak in peaks.items()}
        met = all(peak["peak_mb"] < BAR_MB for peak in peaks.values()) and max(slower.values()) < LINEAR
        record = {
            "row": f"{PASSES} passes of EM, K={COMPONENTS}, over {millions}000000 x {COLUMNS} rows from Parquet",
            "peaks": peaks,
            "bar_mb": BAR_MB,
            "seconds_per_row_over_those_of_the_smaller_file": slower,
            "reached": met,
            "command": "python -m benchmarks.gmm_stream",
            **surroundings(("torch", "pyarrow")),
        }
        (RESULTS / f"gmm-stream-{millions}M.json").write_text(json.dumps(record, indent=2) + "\n")
        reached = reached and met
    return 0 if reached else 1


def write(path: Path, millions: int) -> None:
    """Rows of 16 heaps and a column of weights, in row groups of a million."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    centres = 4.0 * random.normal(size=(COMPONENTS, COLUMNS))
    shapes = random.normal(size=(COMPONENTS, COLUMNS, COLUMNS)) / COLUMNS**0.5
    names = [f"c{i}" for i in range(COLUMNS)]
    schema = pa.schema([(name, pa.float64()) for name in [*names, "w"]])
    with pq.ParquetWriter(path, schema) as writer:
        for _ in range(millions):
            parts = random.multinomial(AT_ONCE, np.full(COMPONENTS, 1.0 / COMPONENTS))
            x = np.concatenate(
                [centre + random.normal(size=(n, COLUMNS)) @ shape
                 for centre, shape, n in zip(centres, shapes, parts, strict=True)]
            )[random.permutation(AT_ONCE)]  # fmt: skip
            columns = [*x.T, random.uniform(0.5, 1.5, AT_ONCE)]
            writer.write_table(pa.table(dict(zip(schema.names, map(np.ascontiguousarray, columns), strict=True))))


def fitted(path: Path, covariance: str, millions: int, weights: str = "") -> dict[str, Any]:
    command = [sys.executable, "-c", FIT, str(path), covariance, str(COMPONENTS), str(PASSES), weights, str(THREADS)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    found["rows_per_second"] = 1e6 * millions / found["seconds_per_pass"]
    print(
        f"gmm-stream {millions}M {covariance}{' weighted' if weights else ''}: peak {found['peak_mb']:.0f} MB "
        f"({found['over_idle_mb']:.0f} over idle), {found['rows_per_second']:.3g} rows/s in a pass",
        flush=True,
    )
    return found


if __name__ == "__main__":
    raise SystemExit(main())
