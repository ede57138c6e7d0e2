"""Memory of scoring 1 000 000 x 10 rows from Parquet: the peak over the process that has loaded the model and waits.

python -m benchmarks.streaming writes benchmarks/results/streaming.json; the exit code is 1 when the bar is missed.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness import surroundings

ROWS, COLUMNS = 1_000_000, 10
BAR_MB = 1024
RESULT = Path(__file__).parent / "results" / "streaming.json"

# VmHWM, the peak of this very process: getrusage would count what its parent held before it started.
SCORE = """
import json, sys, time
import loglik
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
model = loglik.load(sys.argv[1])
idle, start = peak(), time.perf_counter()
score = loglik.evaluate(model, sys.argv[2])
print(json.dumps({"idle_mb": idle, "over_idle_mb": peak() - idle, "seconds": time.perf_counter() - start,
                  "events": score.events, "nats": score.nats}))
"""


def main() -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    import loglik

    records = {}
    with tempfile.TemporaryDirectory() as folder:
        x = np.random.default_rng(0).normal(size=(ROWS, COLUMNS))
        table = Path(folder) / "table.parquet"
        pq.write_table(pa.table({f"c{i}": x[:, i] for i in range(COLUMNS)}), table)
        for name, options in (("gaussian", {}), ("gmm", {"steps": 5}), ("realnvp", {"steps": 5})):
            model = loglik.build(name, loglik.Real((COLUMNS,)))
            loglik.fit(model, x[:5000], **options)
            run = loglik.save(model, Path(folder) / name)
            command = [sys.executable, "-c", SCORE, str(run), str(table)]
            shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            records[name] = json.loads(shown)
            print(name, records[name])
    reached = all(r["over_idle_mb"] < BAR_MB and r["events"] == ROWS for r in records.values())
    record = {
        "row": f"scoring {ROWS} x {COLUMNS} rows from Parquet",
        "peaks": records,
        "bar_mb": BAR_MB,
        "reached": reached,
        "command": "python -m benchmarks.streaming",
        **surroundings(("torch", "pyarrow")),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(record, indent=2) + "\n")
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
