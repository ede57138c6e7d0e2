"""python -m benchmarks.cnf_accuracy: what a tolerance of 1e-5 means to each library, on the fields of benchmarks.cnf.

For every library: how often a training pass evaluates the field, and how far its log p of 512 events is from the
truth, which 400 steps of the classical Runge-Kutta method in float64 find. Exact traces, in 2 and in 43 dimensions. As
a tolerance means something else to each, ours is then varied, until it is as near the truth as the peer.

Ours are counted for each event, on average: those that are solved again in finer steps take more than others. Our 32
pilots, which find the steps, take evaluations of their own. Those are recorded too.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.cnf import CONTENDERS, EVENTS, PACKAGES, TOLERANCE, LogProb, Net, events, normal, with_divergence
from benchmarks.cnf import ours as our_flow
from benchmarks.harness import OURS, surroundings
from loglik.ode import counting

RESULTS = Path(__file__).parent / "results"
DIMS, STEPS = (2, 43), 400


def truth(dims: int) -> Tensor:
    """log p of the events, (B,)."""
    net, x = Net(dims).double(), events(dims).double()
    both = with_divergence(net, exact=True)
    log_det, h = x.new_zeros(len(x)), 1.0 / STEPS

    def slope(t: float, x: Tensor) -> tuple[Tensor, Tensor]:
        f, divergence = both(torch.tensor(t, dtype=torch.float64), x.detach(), x)
        return f.detach(), divergence.detach()

    for step in range(STEPS):
        t = step * h
        f1, d1 = slope(t, x)
        f2, d2 = slope(t + h / 2, x + h / 2 * f1)
        f3, d3 = slope(t + h / 2, x + h / 2 * f2)
        f4, d4 = slope(t + h, x + h * f3)
        x = x + h / 6 * (f1 + 2 * f2 + 2 * f3 + f4)
        log_det = log_det + h / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
    return normal(x) + log_det


def peer(name: str, dims: int, true: Tensor) -> dict[str, Any]:
    net = Net(dims)
    _, log_prob = CONTENDERS[name](net, dims, True)
    error = _mean_error(log_prob, dims, true)
    return {"evaluations": net.evaluations, "mean_error": error}


def ours(dims: int, true: Tensor, tolerance: float) -> dict[str, Any]:
    flow, log_prob = our_flow(Net(dims), dims, True, tolerance=tolerance)
    rows, trajectory = [], flow._trajectory

    def watched(dynamics: Any, x: Tensor, times: Sequence[float]) -> tuple[Tensor, ...]:
        rows.append(len(x))
        return trajectory(dynamics, x, times)

    flow._trajectory = watched  # type: ignore[method-assign]
    with counting() as tally:
        error = _mean_error(log_prob, dims, true)
    pilots, *ways = tally.each
    evaluations = sum(one * share / EVENTS for one, share in zip(ways, rows, strict=True))
    return {"evaluations": evaluations, "of_pilots": pilots, "mean_error": error, "tolerance": tolerance}


def _mean_error(log_prob: LogProb, dims: int, true: Tensor) -> float:
    return float((log_prob(events(dims)).detach().double() - true).abs().mean())


def compared(dims: int) -> dict[str, Any]:
    true, peers, missing = truth(dims), {}, {}
    for name in CONTENDERS:
        try:
            if name != OURS:
                peers[name] = peer(name, dims, true)
        except ImportError as error:
            missing[name] = f"not installed ({error})"
    ladder = [ours(dims, true, TOLERANCE * 2.0**power) for power in range(6, -7, -1)]
    for one in peers.values():
        one["ours"] = next(rung for rung in ladder if rung["mean_error"] <= one["mean_error"])
    return {"accuracy": peers, "missing": missing, OURS: ours(dims, true, TOLERANCE)}


def main() -> int:
    failed = False
    for dims in DIMS:
        row = f"cnf-accuracy-{dims}"
        record = {"row": row, **compared(dims), "events": EVENTS, **surroundings(PACKAGES)}
        for name, one in record["accuracy"].items():
            same = one["ours"]
            print(f"{row}: {name:<20} {one['evaluations']:>3} evaluations, error {one['mean_error']:.1e}", end="; ")
            print(
                f"ours {same['evaluations']:.1f} (pilots {same['of_pilots']}), error {same['mean_error']:.1e}",
                flush=True,
            )
            failed |= same["evaluations"] > one["evaluations"]
        record["command"] = "python -m benchmarks.cnf_accuracy"
        (RESULTS / f"{row}.json").write_text(json.dumps(record, indent=2) + "\n")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
