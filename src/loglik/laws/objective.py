"""The law of the objective: what training maximises is the number reported, unless the model says otherwise.

Batch norm whose log-determinant is right in evaluation and halved in training, or a loss without a term that depends on
a parameter, train another model than the one that is scored.
"""

import copy

import torch
from torch import Tensor, nn

from loglik.bijections.continuous import Continuous
from loglik.contract import Claim, Model
from loglik.laws.subject import reseed, scores
from loglik.laws.verdict import Result, Undecided, require, within

TOLERANCE = 1e-8  # relative
LOOSE = 0.02  # of solvers that are loose in training, nats per dimension
STANDARD_ERRORS = 5.0
REPEATS = 64  # of a noisy objective
EVENTS = 8


def objective(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """In training mode the objective is the log-likelihood: for the same noise, or on average over it.

    Dropout is left off. A model of one's own that overrides `objective` may well want another one; so may a continuous
    flow that is charged for its way. Those are not decided.
    """
    x, context = x[:EVENTS], None if context is None else context[:EVENTS]
    learner, score = _in_training(model), scores(model, x, context).double()
    ways = [part for part in model.modules() if isinstance(part, Continuous)]
    if any(way.kinetic or way.jacobian for way in ways):
        raise Undecided("Training charges for the way that a continuous flow takes.")
    trained = _trained(learner, x, context, 0)
    error = float(((trained - score).abs() / score.abs().clamp(min=1.0)).max())
    how = f"the objective in training on {len(x)} events"
    if error <= TOLERANCE:
        return within(error, TOLERANCE, "The objective in training is the log-likelihood, relative error.", how)
    own = type(model).objective
    if not own.__module__.startswith("loglik."):
        raise Undecided(
            f"The model has an objective of its own; it differs from log_likelihood by up to {error:.2g}, relatively."
        )
    if not torch.equal(trained, _trained(_in_training(model), x, context, 1)) and model.claim is Claim.EXACT:
        raise Undecided("The score is exact, and training has noise: of members or probes chosen at random.")
    if ways:
        gap = abs(float((trained - score).mean())) / model.space.dims
        require(gap <= LOOSE, _said(trained, score))
        return within(gap, LOOSE, "Nats per dimension by which loose steps in training differ.", how)
    return _on_average(model, x, context, how)


def _on_average(model: Model, x: Tensor, context: Tensor | None, how: str) -> Result:
    """Of objectives with other noise than the score's, such as a KL in closed form."""
    learner = _in_training(model)
    trained = torch.stack([_trained(learner, x, context, seed, look=True).mean() for seed in range(REPEATS)])
    score = torch.stack([scores(model, x, context, REPEATS + seed).double().mean() for seed in range(REPEATS)])
    stderr = float((trained.var() + score.var()).div(REPEATS).sqrt())
    require(stderr > 1e-12 * (1.0 + float(score.abs().mean())), _said(trained, score))
    deviations = abs(float((trained - score).mean())) / stderr
    require(deviations <= STANDARD_ERRORS, f"{_said(trained, score)} They are {deviations:.1f} standard errors apart.")
    return within(deviations, STANDARD_ERRORS, "Standard errors by which mean objective and score differ.", how)


def _in_training(model: Model) -> Model:
    """A copy in training mode but for dropout."""
    model = copy.deepcopy(model).train()
    for part in model.modules():
        if isinstance(part, nn.Dropout) or isinstance(getattr(part, "dropout", None), float | nn.Dropout):
            part.eval()
    return model


def _trained(model: Model, x: Tensor, context: Tensor | None, seed: int, *, look: bool = False) -> Tensor:
    """The objective (B,), as in a step of training; `look` leaves running statistics alone."""
    reseed(model, seed)
    with torch.set_grad_enabled(not look):
        return model.objective(x, context).detach().double()


def _said(trained: Tensor, score: Tensor) -> str:
    return (
        f"In training the objective is {float(trained.mean()):.6g} nats on average, and log_likelihood "
        f"{float(score.mean()):.6g}."
    )
