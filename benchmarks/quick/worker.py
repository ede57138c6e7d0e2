"""One tree's worker: reads requests as lines of JSON, answers with times. It uses the public interface alone.

{"prepare": NAME}                      -> {work: milliseconds of one call, warm}
{"time": NAME,  "work": W, "calls": n} -> milliseconds of the fastest of n calls
{"where": true}                       -> the file that loglik was imported from
"""

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

import loglik
from benchmarks.quick.problems import PROBLEMS, Problem

BEFORE = 3  # steps that a model has learned before it is timed
LR = 1e-9  # so that timed steps do their work and every one of them meets the same weights, to rounding
Work = Callable[[], object]


def works(problem: Problem) -> dict[str, Work]:
    """score, train, sample -> how to do it once."""
    x = problem.data()
    model = problem.build()
    loglik.fit(model, x, steps=BEFORE, seed=0)
    model.eval()

    @torch.no_grad()
    def score() -> None:
        model.log_likelihood(x)

    @torch.no_grad()
    def sample() -> None:
        model.sample(problem.draws)

    return {"score": score, "train": fits(problem) if problem.by_fit else steps(problem), "sample": sample}


def fits(problem: Problem) -> Work:
    """`fit` of a model that is fitted already: passes of EM, of a closed form, or the loop of gradients."""
    x, model = problem.data(), problem.build()
    loglik.fit(model, x, steps=BEFORE, seed=0)

    def train() -> None:
        loglik.fit(model, x, steps=problem.by_fit, lr=LR, seed=0)

    return train


def steps(problem: Problem) -> Work:
    """One step up the gradient of the objective."""
    x, model = problem.data(), problem.build()
    loglik.fit(model, x, steps=BEFORE, seed=0)
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:  # as `uniform` has none
        return lambda: model.objective(x)
    adam = torch.optim.AdamW(parameters, lr=LR, fused=True)

    def train() -> None:
        adam.zero_grad(set_to_none=True)
        (-model.objective(x).mean()).backward()  # type: ignore[no-untyped-call]
        adam.step()

    return train


def fastest(work: Work, calls: int) -> float:
    """Milliseconds of the fastest of `calls` calls: whoever else has the processor meanwhile makes none faster.

    All draw the same noise; the garbage collector waits.
    """
    gc.collect()
    gc.disable()
    best = float("inf")
    for _ in range(calls):
        torch.manual_seed(0)
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    gc.enable()
    return best * 1e3


def main() -> None:
    torch.set_num_threads(1)
    problems = {problem.name: problem for problem in PROBLEMS}
    ready: dict[str, dict[str, Work]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: Any = loglik.__file__
        if "prepare" in request:
            name = request["prepare"]
            ready[name] = works(problems[name])
            for work in ready[name].values():  # the first call compiles
                work()
            answer = {kind: fastest(work, 2) for kind, work in ready[name].items()}
        elif "time" in request:
            answer = fastest(ready[request["time"]][request["work"]], request["calls"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
