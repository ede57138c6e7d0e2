"""More steps must not make a model worse: held-out nats of a flow on small tables, by the steps it may take.

    python -m benchmarks.small_tables [MODEL] [STEPS ...]

Three tables come with scikit-learn, two are read from $LOGLIK_DATA/uci_regression. Columns are standardised, and get
noise of a twentieth of that, for many values repeat; a fifth of the rows is held out. A line tells where the fit
stopped, and which step was kept.
"""

import gzip
import os
import sys
from pathlib import Path

import numpy as np
import torch

import loglik

SKLEARN = ("wine", "diabetes", "breast_cancer")
UCI = ("concrete", "wine")
STEPS = (250, 2500, 10_000)
NOISE = 0.05  # of a column's standard deviation


def tables() -> dict[str, np.ndarray]:
    """(N, D) by name; those that are not at hand are left out."""
    from sklearn import datasets

    found = {name: getattr(datasets, f"load_{name}")().data for name in SKLEARN}
    for name in UCI:
        path = Path(os.environ.get("LOGLIK_DATA", ".")) / "uci_regression" / name / "data.csv.gz"
        if path.exists():
            with gzip.open(path, "rt") as file:
                found[f"uci {name}"] = np.loadtxt(file, delimiter=",")
    return found


def parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, and rows held out."""
    order = np.random.default_rng(0).permutation(len(x))
    x = (x - x.mean(0)) / (x.std(0) + 1e-9)
    x = x + NOISE * np.random.default_rng(1).normal(size=x.shape)
    held_out = len(x) // 5
    return x[order[held_out:]], x[order[:held_out]]


def main() -> None:
    torch.set_num_threads(1)
    model = sys.argv[1] if len(sys.argv) > 1 else "realnvp"
    for name, x in tables().items():
        train, test = parts(x)
        said = []
        for steps in map(int, sys.argv[2:] or STEPS):
            flow = loglik.build(model, loglik.Real((x.shape[1],)), seed=0)
            history = loglik.fit(flow, train, steps=steps, seed=0)
            nats = loglik.evaluate(flow, test).nats
            said.append(f"{steps}: {nats:.3f} (stopped at {history.steps}, kept {history.best_step})")
        print(f"{model}, {name} {train.shape}: " + "; ".join(said), flush=True)


if __name__ == "__main__":
    main()
