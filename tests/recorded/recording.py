"""Writes a recorded run, and computes again all that it says.

A recorded run is a run folder, as `fit` and `save` make it, and one file beside it: the rows, and what the model said
of them. All randomness is seeded. Only the public interface is used, so that any later loglik can be asked the same.
"""

import math
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import loglik
from cases import Case, data
from loglik import Model
from loglik.spaces import Real
from loglik.training.history import Step

RUNS = Path(__file__).parent / "runs"
SAID = "recorded.safetensors"  # beside the files of the run
ROWS, DRAWS, K = 48, 6, 3
SEED, OPTIONS = 3, {"lr": 0.02, "ema": 0.0, "seed": 5}
STEPS, FEW = 20, 3  # of the run, and of the history that is recorded
INPUTS = ("x", "context")


def record(name: str, case: Case) -> None:
    """Write runs/NAME anew."""
    x = data(case.space, ROWS)
    given = {"x": x.double() / 3 if isinstance(case.space, Real) else x.to(torch.int32)}
    if case.context is not None:
        c = data(case.context, ROWS)
        given["context"] = c.double() / 3 if isinstance(case.context, Real) else c.to(torch.int32)
    hyperparameters = case.hyperparameters | ({"context": case.context} if case.context else {})
    model = loglik.build(case.model_name, case.space, seed=SEED, **hyperparameters)
    loglik.fit(model, given["x"], context=given.get("context"), steps=STEPS, **OPTIONS)
    shutil.rmtree(RUNS / name, ignore_errors=True)
    loglik.save(model, RUNS / name)
    found = given | said(loglik.load(RUNS / name), given)
    save_file({key: value.contiguous() for key, value in found.items()}, RUNS / name / SAID)


def recorded(name: str) -> dict[str, Tensor]:
    return load_file(RUNS / name / SAID)


def said(model: Model, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """All that a fitted model says of the rows, in float64; `model` itself is left in double precision."""
    x, context = given["x"], given.get("context")
    found = history(model, given) | scores(model, x, context) | draws(model, context)
    double = model.double()
    again = scores(double, x, context) | draws(double, context)
    return found | {f"double.{name}": value for name, value in again.items()}


@torch.no_grad()
def scores(model: Model, x: Tensor, context: Tensor | None) -> dict[str, Tensor]:
    """name -> (B,): the log-likelihood, the objective, K-sample bound and scores with a state carried, if there are."""
    found = {}
    for name in ("log_likelihood", "objective"):
        torch.manual_seed(SEED)
        found[name] = getattr(model, name)(x, context).double()
    if model.has_weights and model.claim is not loglik.Claim.EXACT:  # of exact models it is the score
        torch.manual_seed(SEED)
        found["bound"] = model.bound(x, context, samples=K).double()
    if model.carries:
        half = len(x) // 2
        first, then = (None, None) if context is None else (context[:half], context[half:])
        state = model.log_likelihood_from(x[:half], None, first)[1]
        found["carried"] = model.log_likelihood_from(x[half:], state, then)[0].double()
    return found


@torch.no_grad()
def draws(model: Model, context: Tensor | None) -> dict[str, Tensor]:
    torch.manual_seed(SEED)
    return {"sample": model.sample(DRAWS, None if context is None else context[:DRAWS]).double()}


def history(model: Model, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fits the same model anew from its seed.

    first (2,): objective and norm of the gradient at the first step   history (steps, 2): of all steps
    weights (T, 2): norm and sum of each tensor that was learned, after them; sorted, so that names do not matter
    """
    assert model.recipe is not None
    recipe = model.recipe
    fresh = loglik.build(recipe["name"], recipe["space"], seed=SEED, **recipe["hyperparameters"])
    steps: list[list[float]] = []

    def watch(step: Step) -> None:
        steps.append([step.nats, step.grad_norm or 0.0])

    loglik.fit(fresh, given["x"], context=given.get("context"), steps=FEW, watch=watch, **OPTIONS)
    learned = [p.detach() for p in fresh.parameters()] or [b for b in fresh.buffers() if b.is_floating_point()]
    sizes = sorted((float(t.double().norm()), float(t.double().sum())) for t in learned)
    weights = torch.tensor(sizes).double()
    if not steps:  # nothing to fit
        return {"weights": weights}
    return {"first": torch.tensor(steps[0]).double(), "history": torch.tensor(steps).double(), "weights": weights}


def differences(model: Model, record: dict[str, Tensor]) -> dict[str, float]:
    """name -> how far what the model says now lies from the record: the largest difference, by the largest number."""
    given = {name: record[name] for name in INPUTS if name in record}
    now = said(model, given)
    if missing := set(record) ^ set(now) ^ set(given):
        raise AssertionError(f"Expected the same entries as in the record; these are in one alone: {sorted(missing)}.")
    return {name: difference(value, record[name]) for name, value in now.items()}


def difference(now: Tensor, then: Tensor) -> float:
    """max |now - then| / max |then|; infinite where shapes, or places that are not finite, differ."""
    if now.shape != then.shape:
        return math.inf
    same = (now == then) | (now.isnan() & then.isnan())
    if bool(same.all()):
        return 0.0
    off = torch.where(same, 0.0, (now - then).abs()).max()
    largest = float(off / then[then.isfinite()].abs().max())
    return math.inf if math.isnan(largest) else largest
