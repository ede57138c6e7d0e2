"""python -m benchmarks.density [DATA ...]: what flows of ours and of others learn of real tables in the same time.

Everybody gets the same rows, minibatches, optimiser, schedule and seconds of processor time, on one thread, and nets of
the same widths: 5 layers of 2 x 64. The weights that are best on the validation rows are scored on the test rows. Rows
are paired, so the standard error is that of the difference. A seed is bad if its test score is not finite, or worse
than that of independent normals.
"""

import argparse
import copy
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import OURS, surroundings
from loglik.data import open_dataset
from loglik.spaces import Real
from loglik.zoo import build

RESULTS = Path(__file__).parent / "results"
TABLES = ("bike", "keggdirected", "keggundirected", "pol")
LAYERS, HIDDEN, BINS, BOUND = 5, (64, 64), 8, 5.0
BATCH, LR, CLIP, EVALUATIONS = 256, 2e-3, 5.0, 8
PACKAGES = ("torch", "nflows", "zuko")

LogProb = Callable[[Tensor], Tensor]


def ours(flow: str, x: Tensor) -> tuple[nn.Module, LogProb]:
    model = build(flow, Real((x.shape[1],)), layers=LAYERS, hidden=HIDDEN)
    with torch.no_grad():
        model.initialize(x[:4096])
    return model, model.log_likelihood


def zuko(flow: str, x: Tensor) -> tuple[nn.Module, LogProb]:
    import zuko

    options = {"transforms": LAYERS, "hidden_features": HIDDEN}
    dims = x.shape[1]
    model = zuko.flows.MAF(dims, **options) if flow == "maf" else zuko.flows.NSF(dims, bins=BINS, **options)
    return model, lambda y: model().log_prob(y)


def nflows(flow: str, x: Tensor) -> tuple[nn.Module, LogProb]:
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.transforms import (
        CompositeTransform,
        MaskedAffineAutoregressiveTransform,
        MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
        ReversePermutation,
    )

    dims, nets = x.shape[1], {"num_blocks": len(HIDDEN) - 1, "use_residual_blocks": False}
    parts: list[nn.Module] = []
    for _ in range(LAYERS):
        if flow == "maf":
            parts.append(MaskedAffineAutoregressiveTransform(dims, HIDDEN[0], **nets))
        else:
            parts.append(
                MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
                    dims, HIDDEN[0], num_bins=BINS, tails="linear", tail_bound=BOUND, **nets
                )
            )
        parts.append(ReversePermutation(dims))
    model = Flow(CompositeTransform(parts), StandardNormal((dims,)))
    return model, model.log_prob


LIBRARIES = {OURS: ours, "nflows": nflows, "zuko": zuko}


def trained(
    prepare: Callable[[], tuple[nn.Module, LogProb]], parts: Sequence[Tensor], seed: int, seconds: float
) -> dict[str, Any]:
    """Fit for so many seconds of processor time; what it says of every test row, and what it took."""
    train, valid, test = parts
    torch.manual_seed(seed)
    model, log_prob = prepare()
    log_prob(train[:BATCH]).mean().backward()  # type: ignore[no-untyped-call]  # compiled loops are loaded here
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    rows = torch.Generator().manual_seed(seed)
    best, kept, used, steps, looked = -math.inf, copy.deepcopy(model.state_dict()), 0.0, 0, 0
    model.train()
    while used < seconds:
        start = time.process_time()
        for group in optimizer.param_groups:
            group["lr"] = LR * 0.5 * (1.0 + math.cos(math.pi * used / seconds))
        optimizer.zero_grad()
        loss = -log_prob(train[torch.randint(len(train), (BATCH,), generator=rows)]).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        used += time.process_time() - start
        steps += 1
        if used >= seconds * (looked + 1) / EVALUATIONS:
            looked += 1
            score = float(scored(model, log_prob, valid).mean())
            if score > best:
                best, kept = score, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    parameters = sum(p.numel() for p in model.parameters())
    return {"log_p": scored(model, log_prob, test), "steps": steps, "parameters": parameters}


@torch.no_grad()
def scored(model: nn.Module, log_prob: LogProb, x: Tensor) -> Tensor:
    """(N,) in float64, in evaluation mode."""
    model.eval()
    log_p = torch.cat([log_prob(part) for part in x.split(1024)]).double()
    model.train()
    return log_p


def compared(data: str, flow: str, seeds: int, seconds: float) -> dict[str, Any]:
    """All libraries on one table; libraries take turns, so that a slow hour of the machine is everyone's."""
    found = open_dataset(data)
    train, valid, test = (found.train.x, found.valid.x, found.test.x)  # type: ignore[attr-defined]
    normals = float(torch.distributions.Normal(train.mean(0), train.std(0)).log_prob(test).sum(1).double().mean())
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in LIBRARIES}
    for seed in range(seeds):
        for name, prepare in LIBRARIES.items():
            runs[name].append(trained(lambda p=prepare: p(flow, train), (train, valid, test), seed, seconds))  # type: ignore[misc]
    mean = {name: torch.stack([run.pop("log_p") for run in done]) for name, done in runs.items()}
    record = {
        "density": f"{flow}-{data}",
        "data": data,
        "flow": flow,
        "seconds": seconds,
        "seeds": seeds,
        "normals": normals,
    }
    record["libraries"] = {
        name: {
            "nats": [float(row.mean()) for row in log_p],
            "bad_seeds": sum(not float(row.mean()) > normals for row in log_p),
            "steps": [run["steps"] for run in runs[name]],
            "parameters": runs[name][0]["parameters"],
        }
        for name, log_p in mean.items()
    }
    record["ahead"] = {name: ahead(mean[OURS], log_p) for name, log_p in mean.items() if name != OURS}
    return {**record, "split": found.split, **surroundings(PACKAGES)}


def ahead(ours: Tensor, theirs: Tensor) -> dict[str, Any]:
    """Mean over rows and seeds of ours - theirs, with its standard error over rows; seeds that both survived."""
    fine = ours.isfinite().all(1) & theirs.isfinite().all(1)
    difference = (ours[fine] - theirs[fine]).mean(0)
    stderr = float(difference.std() / math.sqrt(len(difference)))
    nats = float(difference.mean())
    return {"nats": nats, "stderr": stderr, "seeds": int(fine.sum()), "reached": nats >= -stderr}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.density", description=__doc__)
    parser.add_argument("data", nargs="*", default=TABLES, help=f"tables (default: {' '.join(TABLES)})")
    parser.add_argument("--flow", choices=("maf", "nsf"), action="append", help="default: both")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of processor time for every fit")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for data in options.data:
        for flow in options.flow or ("maf", "nsf"):
            record = compared(data, flow, options.seeds, options.seconds)
            words = [data, "--flow", flow, "--seeds", options.seeds, "--seconds", f"{options.seconds:g}"]
            record["command"] = " ".join(map(str, ["python -m benchmarks.density", *words]))
            (RESULTS / f"density-{flow}-{data}.json").write_text(json.dumps(record, indent=2) + "\n")
            for name, one in record["libraries"].items():
                nats = sum(one["nats"]) / len(one["nats"])
                size = f"{one['parameters']:>8} parameters  {one['steps']} steps  {one['bad_seeds']} bad"
                print(f"{record['density']:<22} {name:<8} {nats:9.3f} nats  {size}")
            for name, lead in record["ahead"].items():
                print(f"{'':<22} ahead of {name}: {lead['nats']:+.3f} +- {lead['stderr']:.3f}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
