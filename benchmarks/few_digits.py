"""The posterior predictive against the MAP plug-in with few rows: scikit-learn's digits, binarised at 8 of 16.

    python -m benchmarks.few_digits [MODEL,MODEL] [ROWS ...] [--methods METHOD,METHOD]

The scale of the normal prior is the one whose MAP scores best on 200 rows of validation, which favours the plug-in. All
methods have that prior. Scores are of the same held-out rows; differences are paired.

The members of the ensemble hold rows out, and keep the step that scores best on them; the mode sees all rows, and is
fitted to the end. So the members by themselves are a control: their mean score tells what stopping early does, and how
far the ensemble is above it, what averaging does.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import loglik
from benchmarks.harness import surroundings
from loglik.data import Memory, open_dataset
from loglik.inference.posterior.target import LogJoint
from loglik.models.predictive import PosteriorPredictive

RESULTS = Path(__file__).parent / "results"
BASE, ALONE = "MAP", "one early-stopped fit"

SCALES = (0.1, 0.2, 0.35, 0.6, 1.0, 2.0)
VALID = 200
METHODS = {"laplace": 32, "laplace-diagonal": 32, "laplace-last-layer": 32, "ensemble": 8, "hmc": 32}


def binary_digits() -> Tensor:
    """All 1797 images (N, 64) of 0 and 1, in an order drawn with seed 0."""
    data = open_dataset("digits", seed=0)
    x = torch.cat([part.read().x for part in (data.train, data.valid, data.test)])
    x = (x.flatten(1) >= 8).long()
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))]


def plug_in(name: str, train: Tensor, scale: float) -> loglik.Model:
    settings = {"hidden": (16,)} if name == "made" else {}
    model = loglik.build(name, loglik.Integer((64,), levels=2), seed=0, **settings)
    loglik.fit(model, train, valid=train, prior=scale, steps=300, lr=0.01, ema=0.99)
    joint = LogJoint(model, Memory(model.space, train), loglik.NormalPrior(scale))
    model.load_state_dict({**model.state_dict(), **joint.state(joint.mode())})  # the mode itself, not its neighbourhood
    return model


def estimate(values: Tensor) -> dict[str, float]:
    return {"nats": float(values.mean()), "stderr": float(values.std() / len(values) ** 0.5)}


def scores(model: loglik.Model, train: Tensor, test: Tensor, scale: float, method: str) -> dict[str, Tensor]:
    """Each (N,): log p of the held-out rows by a method; of an ensemble also what one member says on average."""
    options = {"steps": 600, "lr": 0.01, "ema": 0.99}
    found = loglik.posterior(model, train, method=method, prior=scale, samples=METHODS[method], options=options)
    print(f"    {getattr(found, 'remark', '')}", flush=True)
    told = {method: loglik.evaluate(found, test).values.double()}
    if method == "ensemble" and isinstance(found, PosteriorPredictive):
        members = [loglik.evaluate(member, test).values.double() for member in found.members]  # type: ignore[arg-type]
        told[ALONE] = torch.stack(members).mean(0)
    return told


def compared(name: str, x: Tensor, count: int, methods: list[str]) -> dict[str, Any]:
    """The record of one model and one number of rows."""
    train, valid, test = x[:count], x[count : count + VALID], x[500 + VALID :]
    fits = {scale: plug_in(name, train, scale) for scale in SCALES}
    scale = max(fits, key=lambda s: loglik.evaluate(fits[s], valid).nats)
    base = loglik.evaluate(fits[scale], test).values.double()
    print(f"{name}, {count} rows, prior scale {scale}: {BASE} {base.mean():.3f} nats", flush=True)
    told: dict[str, Tensor] = {}
    for method in methods:
        started = time.perf_counter()
        try:
            told |= scores(fits[scale], train, test, scale, method)
        except loglik.LoglikError as error:
            print(f"    {method}: {error}", flush=True)
        print(f"    {method}: {time.perf_counter() - started:.0f} s", flush=True)
    others = {
        method: {**estimate(log_p), "ahead": estimate(log_p - base), "bar": method == "ensemble"}
        for method, log_p in told.items()
    }
    if ALONE in told:
        others["ensemble"]["ahead_of_one"] = estimate(told["ensemble"] - told[ALONE])
    return {
        "paired": f"digits-{name}-{count}",
        "data": f"digits, binarised, {name}",
        "rows": count,
        "dims": x.shape[1],
        "base": {"name": BASE, "scale": scale, **estimate(base)},
        "others": others,
        "split": f"of all images in an order of seed 0: {count} rows to train on, the next {VALID} for the scale, the "
        f"last {len(test)} held out",
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_digits")
    parser.add_argument("models", nargs="?", default="fvsbn,made")
    parser.add_argument("rows", nargs="*", type=int, default=[100, 300])
    parser.add_argument("--methods", default=",".join(METHODS))
    options = parser.parse_args()
    x = binary_digits()
    for name in options.models.split(","):
        for count in options.rows:
            record = compared(name, x, count, options.methods.split(","))
            command = f"python -m benchmarks.few_digits {name} {count} --methods {options.methods}"
            record |= {**surroundings(("torch", "numpy")), "command": command}
            (RESULTS / f"few-rows-{record['paired']}.json").write_text(json.dumps(record, indent=2) + "\n")
            for method, one in record["others"].items():
                lead = one["ahead"]
                print(f"  {method}: {one['nats']:.3f}, above {BASE} by {lead['nats']:+.3f} +- {lead['stderr']:.3f}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
