"""The law of the objective: what training maximises is the number reported, unless the model says otherwise.

Batch norm whose log-determinant is right in evaluation and halved in training, or a loss without a term that depends on
a parameter, train another model than the one that is scored.
"""

import copy

import torch
from torch import Tensor, nn

from loglik.bijections.continuous import Continuous
from loglik.contract import Claim, Model
from loglik.laws.patience import in_time
from loglik.laws.subject import reseed, scores
from loglik.laws.verdict import Result, Undecided, require, within

TOLERANCE = 1e-8  # relative
LOOSE = 0.02  # of solvers that are loose in training, nats per dimension
STANDARD_ERRORS = 5.0
REPEATS, FEWEST = 64, 16  # of a noisy objective
EVENTS = 8
DEARER = 20.0  # times what training charges, so that it stands out from loose steps


def objective(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """In training mode the objective is the log-likelihood: for the same noise, or on average over it.

    Dropout is left off. What training charges for the way of a continuous flow only takes off, and without it the law
    holds. An ensemble that trains one member at a time has no better objective than score: a mean of logarithms is
    below the logarithm of the mean. A model of one's own that overrides `objective` may well want another one, which is
    not decided.
    """
    x, context = x[:EVENTS], None if context is None else context[:EVENTS]
    learner, score = _in_training(model), scores(model, x, context).double()
    ways = [part for part in learner.modules() if isinstance(part, Continuous)]
    _charges_take_off(learner, ways, x, context)
    trained = _trained(copy.deepcopy(learner), x, context, 0)
    error = float(((trained - score).abs() / score.abs().clamp(min=1.0)).max())
    how = f"the objective in training on {len(x)} events"
    if error <= TOLERANCE:
        return within(error, TOLERANCE, "The objective in training is the log-likelihood, relative error.", how)
    own = type(model).objective
    if not own.__module__.startswith("loglik."):
        raise Undecided(
            f"The model has an objective of its own; it differs from log_likelihood by up to {error:.2g}, relatively."
        )
    if model.claim is not Claim.EXACT:
        return _on_average(model, x, context, how)
    noisy = not torch.equal(trained, _trained(copy.deepcopy(learner), x, context, 1))
    if not ways and not noisy:
        return within(error, TOLERANCE, f"Relative error of the objective. {_details(trained, score)}", how)
    return _over_passes(learner, score, x, context, how, loose=bool(ways), noisy=noisy)


def _over_passes(
    learner: Model, score: Tensor, x: Tensor, context: Tensor | None, how: str, *, loose: bool, noisy: bool
) -> Result:
    """Of what differs in each call, probes or members, the mean counts; that of loose steps is a little off."""
    seeds = in_time(range(REPEATS if noisy else 1), fewest=FEWEST)
    found = torch.stack([_trained(learner, x, context, seed, look=True) for seed in seeds]).mean(1)
    stderr = float(found.std()) / len(found) ** 0.5 if noisy else 0.0
    gap = float(found.mean()) - float(score.mean())
    allowed = LOOSE * learner.space.dims * loose + STANDARD_ERRORS * stderr
    measured, word = (abs(gap), "off") if loose else (max(gap, 0.0), "above")
    message = f"Nats by which the mean objective of {len(found)} passes is {word} the score. {_details(found, score)}"
    return within(measured, allowed, message, how)


def _charges_take_off(learner: Model, ways: list[Continuous], x: Tensor, context: Tensor | None) -> None:
    """Of a `learner` whose training charges for ways through continuous flows; it is left without charges."""
    charges = [(way, way.kinetic, way.jacobian) for way in ways if way.kinetic or way.jacobian]
    if not charges:
        return
    for way, kinetic, jacobian in charges:
        way.kinetic, way.jacobian = DEARER * kinetic, DEARER * jacobian
    dear = float(_trained(learner, x, context, 0, look=True).mean())
    for way, _, _ in charges:
        way.kinetic = way.jacobian = 0.0
    free = float(_trained(learner, x, context, 0, look=True).mean())
    require(
        dear <= free + LOOSE * learner.space.dims,
        f"Training charges for the way of a flow, and gives for it: with {DEARER:.0f} times the charge the objective "
        f"is {dear:.6g} nats on average, without {free:.6g}.",
    )


def _on_average(model: Model, x: Tensor, context: Tensor | None, how: str) -> Result:
    """Of objectives with other noise than the score's, such as a KL in closed form."""
    learner = _in_training(model)
    trained = torch.stack([_trained(learner, x, context, seed, look=True).mean() for seed in range(REPEATS)])
    score = torch.stack([scores(model, x, context, REPEATS + seed).double().mean() for seed in range(REPEATS)])
    stderr = float((trained.var() + score.var()).div(REPEATS).sqrt())
    require(stderr > 1e-12 * (1.0 + float(score.abs().mean())), _details(trained, score))
    deviations = abs(float((trained - score).mean())) / stderr
    require(
        deviations <= STANDARD_ERRORS, f"{_details(trained, score)} They are {deviations:.1f} standard errors apart."
    )
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


def _details(trained: Tensor, score: Tensor) -> str:
    return (
        f"In training the objective is {float(trained.mean()):.6g} nats on average, and log_likelihood "
        f"{float(score.mean()):.6g}."
    )
