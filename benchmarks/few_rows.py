"""`bayes-gaussian` beside `gaussian` with fewer than three rows for each column: held-out nats of six UCI tables.

    python -m benchmarks.few_rows [TABLE ...]

Read from $LOGLIK_DATA/uci_regression. Columns that are constant are left out, the others standardised over the whole
table, with noise of a hundredth of that, as the built-in tables have. Half of the rows, at most 2000, is held out; from
the others `DRAWS` training sets of 2 D rows are drawn, and as many of 3 D - 1. Both models have their defaults, and see
the same rows. The standard error is that of the mean of the paired differences over the held-out rows.
"""

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import loglik
from benchmarks.harness import surroundings
from loglik.data.builtin.places import find
from loglik.data.builtin.uci import read_numbers

RESULTS = Path(__file__).parent / "results"
TABLES = {"concrete": 9, "housing": 14, "parkinsons": 21, "skillcraft": 20, "sml": 27, "wine": 12}  # with their columns
DRAWS, HELD_OUT, NOISE, SEED = 20, 2000, 0.01, 0
BASE, OTHER = "gaussian", "bayes-gaussian"


def table(name: str) -> Tensor:
    """(N, D) in float64."""
    (path,) = find((f"uci_regression/{name}/data.csv",))
    values = read_numbers(path, TABLES[name])
    values = values[:, values.std(0) > 1e-12 * np.abs(values).max(0)]
    values = (values - values.mean(0)) / values.std(0)
    return torch.from_numpy(values + NOISE * np.random.default_rng(SEED).standard_normal(values.shape))


def log_p(model: str, train: Tensor, test: Tensor) -> Tensor:
    fitted = loglik.build(model, loglik.Real((train.shape[1],)), seed=0)
    loglik.fit(fitted, train)
    return loglik.evaluate(fitted, test).values.double()


def compared(name: str, x: Tensor, rows: int) -> dict[str, Any]:
    """The record of one table and one number of rows."""
    order = np.random.default_rng(SEED).permutation(len(x))
    held_out = min(HELD_OUT, len(x) // 2)
    test, rest = x[order[:held_out]], order[held_out:]
    draws = [x[np.random.default_rng(1 + draw).choice(rest, rows, replace=False)] for draw in range(DRAWS)]
    base, other = (torch.stack([log_p(model, train, test) for train in draws]) for model in (BASE, OTHER))
    lead = other - base  # (draws, held-out rows)
    ahead = {**estimate(lead.mean(0)), "median": float(lead.mean(0).median())}
    return {
        "paired": f"{name}-{rows}",
        "data": name,
        "rows": rows,
        "dims": x.shape[1],
        "base": {"name": BASE, **estimate(base.mean(0))},
        "others": {OTHER: {**estimate(other.mean(0)), "ahead": ahead, "bar": True}},
        "ahead_by_draw": lead.mean(1).tolist(),
        "split": f"{held_out} of {len(x)} rows held out, by permutation of seed {SEED}; {DRAWS} training sets of "
        f"{rows} of the others, seeds 1 to {DRAWS}; {x.shape[1]} columns, standardised, noise {NOISE}",
    }


def estimate(values: Tensor) -> dict[str, float]:
    return {"nats": float(values.mean()), "stderr": float(values.std() / len(values) ** 0.5)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_rows", description=__doc__)
    parser.add_argument("tables", nargs="*", default=list(TABLES), help=f"default: {' '.join(TABLES)}")
    options = parser.parse_args()
    for name in options.tables:
        x = table(name)
        for rows in (2 * x.shape[1], 3 * x.shape[1] - 1):
            record = compared(name, x, rows)
            record |= {**surroundings(("torch", "numpy")), "command": f"python -m benchmarks.few_rows {name}"}
            (RESULTS / f"few-rows-{record['paired']}.json").write_text(json.dumps(record, indent=2) + "\n")
            ahead, by_draw = record["others"][OTHER]["ahead"], record["ahead_by_draw"]
            print(
                f"{name}, {rows} rows of {record['dims']}: {BASE} {record['base']['nats']:.3f}, {OTHER} "
                f"{record['others'][OTHER]['nats']:.3f}, ahead by {ahead['nats']:+.3f} +- {ahead['stderr']:.3f}, "
                f"in the median row {ahead['median']:+.3f}; "
                f"in {sum(lead > 0 for lead in by_draw)} of {DRAWS} draws",
                flush=True,
            )


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of covariances that few rows leave nearly singular
    main()
