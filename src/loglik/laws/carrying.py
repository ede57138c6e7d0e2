"""The law of carrying: a state that goes on from window to window remembers its own stream, and the past alone."""

import torch
from torch import Tensor

from loglik.contract import Claim, Model
from loglik.laws.enumeration import all_events, enumerable
from loglik.laws.subject import given, reseed
from loglik.laws.verdict import NotApplicable, Result, Status, require
from loglik.spaces import Discrete

TOLERANCE = 1e-9  # relative to the scores, and of a total mass, in float64
ROWS = 4


def carrying(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """From nothing the score is the window's own; given a past it is still a distribution, and rows do not mix."""
    if not model.carries:
        raise NotApplicable("The model scores every window by itself.")
    x, c = x[:ROWS], None if context is None else context[:ROWS]
    log_p, state = _scored(model, x, None, c)
    with torch.no_grad():
        reseed(model, 0)
        own = model.log_likelihood(x, c)
    error = _relative(log_p, own)
    require(error <= TOLERANCE, f"From no state the score differs from the window's own by {error:.1e}, relatively.")
    require(not state.requires_grad, "The state is not detached: gradients would run through all windows before.")
    later, _ = _scored(model, x.flip(0), state, c)
    for row in range(len(x)):
        alone, _ = _scored(
            model, x.flip(0)[row : row + 1], state[row : row + 1], None if c is None else c[row : row + 1]
        )
        error = _relative(alone, later[row : row + 1])
        require(error <= TOLERANCE, f"Streams mix: alone, row {row} scores differently by {error:.1e}, relatively.")
    message = "From no state the score is the window's own; streams do not mix."
    if model.claim is not Claim.EXACT or not isinstance(model.space, Discrete) or not enumerable(model.space):
        return Result(Status.PASSED, message)
    events = all_events(model)
    first = None if c is None else c[:1]
    log_p, _ = _scored(model, events, state[:1].expand(len(events), *state.shape[1:]), given(first, len(events)))
    total = float(log_p.double().exp().sum())
    require(abs(total - 1.0) <= TOLERANCE, f"Given the window before, all probabilities sum to {total:.12g}.")
    return Result(Status.PASSED, f"{message} Given a window before, all probabilities sum to {total:.12g}.")


def _scored(model: Model, x: Tensor, state: Tensor | None, context: Tensor | None) -> tuple[Tensor, Tensor]:
    """With gradients at work, as in training, so that a state that is not detached shows."""
    reseed(model, 0)
    with torch.enable_grad():
        log_p, after = model.log_likelihood_from(x, state, context)
    return log_p.detach(), after


def _relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max()) / max(1.0, float(b.abs().max()))
