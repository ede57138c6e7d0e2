"""All events of a small discrete space, and the weights of bounds at given events."""

from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.contract import LatentModel, Model
from loglik.laws.patience import affordable
from loglik.laws.subject import draws, given, reseed
from loglik.models.dequantized import Dequantized
from loglik.spaces import Discrete, Space

MOST_EVENTS = 20_000
ROWS_AT_ONCE = 65_536
MOST_WEIGHTS = 200_000
MOST_VALUES = 1_000_000  # weights times dims
COUNTED = 20_000  # samples, to see what lies outside the levels


def enumerable(space: Space) -> bool:
    return isinstance(space, Discrete) and float(space.levels) ** min(space.dims, 64) <= MOST_EVENTS


def all_events(model: Model) -> Tensor:
    """(levels^D, *shape): every event of the model's space once; the last value changes fastest."""
    space = model.space
    assert isinstance(space, Discrete)
    count = space.levels**space.dims
    places = space.levels ** torch.arange(space.dims - 1, -1, -1, device=model.device)
    digits = torch.arange(count, device=model.device)[:, None] // places % space.levels
    return digits.reshape(count, *space.shape)


def index_of(x: Tensor, space: Discrete) -> Tensor:
    """(B, *shape) -> (B,): which of `all_events` each event is."""
    places = space.levels ** torch.arange(space.dims - 1, -1, -1, device=x.device)
    return (x.long().flatten(1) * places).sum(1)


@dataclass(frozen=True)
class EventWeights:
    """Of each event, over its K draws: the mean weight, the variance of that mean, what the largest single weight
    contributes to it, and the mean log weight; (N,) each."""

    weight: Tensor
    variance: Tensor
    largest: Tensor
    log_weight: Tensor


def mean_weights(model: LatentModel, events: Tensor, row: Tensor | None) -> EventWeights:
    """The weights w = p(x, z) / q(z|x) of draws of z for each event, of more draws where there are fewer events."""
    reseed(model, 0)
    most = min(MOST_WEIGHTS, MOST_VALUES // model.space.dims)
    repeats = max(8, min(1_000, most // len(events)))
    at_once = max(1, ROWS_AT_ONCE // repeats)
    parts = []
    for some in torch.split(events, at_once):
        repeated = some.repeat_interleave(repeats, dim=0)
        with torch.no_grad():
            log_w = model.log_weight(repeated, given(row, len(repeated))).double()
        parts.append(log_w.reshape(len(some), repeats))
    log_w = torch.cat(parts)
    w = log_w.exp()
    return EventWeights(w.mean(1), w.var(1) / repeats, w.amax(1) / repeats, log_w.mean(1))


@dataclass(frozen=True)
class Share:
    """A probability counted on samples, and its standard error."""

    share: float = 0.0
    stderr: float = 0.0


def mass_outside(model: Model, row: Tensor | None) -> Share:
    """What a dequantised density has outside [0, levels)^D: its bound leaves it out, its samples count it in."""
    if not isinstance(model, Dequantized):
        return Share()
    assert isinstance(model.space, Discrete)
    n = affordable(lambda k: draws(model.density, k, row), COUNTED)
    y = draws(model.density, n, row).flatten(1)
    share = float(((y < 0) | (y >= model.space.levels)).any(1).double().mean())
    return Share(share, (share * (1.0 - share) / n) ** 0.5)
