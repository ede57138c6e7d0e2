"""The posterior predictive against the MAP plug-in with few rows: scikit-learn's digits, binarised at 8 of 16.

    python -m benchmarks.few_digits

The scale of the normal prior is the one whose MAP scores best on 200 rows of validation, which favours the plug-in. All
methods have that prior. Scores are of the same held-out rows; differences are paired.
"""

import sys
import time
import warnings

import torch
from torch import Tensor

import loglik
from loglik.data import Memory, open_dataset
from loglik.inference.posterior.target import LogJoint

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


def main(names: list[str], counts: list[int]) -> None:
    x = binary_digits()
    for name in names:
        for count in counts:
            train, valid, test = x[:count], x[count : count + VALID], x[500 + VALID :]
            fits = {scale: plug_in(name, train, scale) for scale in SCALES}
            scale = max(fits, key=lambda s: loglik.evaluate(fits[s], valid).nats)
            base = loglik.evaluate(fits[scale], test)
            print(
                f"{name}, {count} rows, prior scale {scale}: MAP {base.nats:.3f} +- {base.stderr:.3f} nats", flush=True
            )
            for method, samples in METHODS.items():
                started = time.perf_counter()
                options = {"steps": 600, "lr": 0.01, "ema": 0.99}
                try:
                    found = loglik.posterior(
                        fits[scale], train, method=method, prior=scale, samples=samples, options=options
                    )
                except loglik.LoglikError as error:
                    print(f"    {method}: {error}", flush=True)
                    continue
                seconds = time.perf_counter() - started
                score = loglik.evaluate(found, test)
                gain = score.values - base.values
                error = gain.std() / len(gain) ** 0.5
                print(
                    f"    {method}: {score.nats:.3f}, above MAP by {gain.mean():+.3f} +- {error:.3f}, {seconds:.0f} s; "
                    f"{getattr(found, 'remark', '')}",
                    flush=True,
                )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1].split(",") if sys.argv[1:] else ["fvsbn", "made"], [int(n) for n in sys.argv[2:]] or [100, 300])
