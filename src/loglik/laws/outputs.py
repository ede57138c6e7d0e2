"""Laws about what goes in and what comes out: shapes, finiteness, spaces, inputs left alone, events kept apart."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor

from loglik.contract import Bijection, Claim, LatentModel, Model
from loglik.errors import DataError
from loglik.laws.subject import draws, given, other_contexts, reseed, scores
from loglik.laws.verdict import Broken, Result, Status, Undecided, require, within
from loglik.ops import repeat_rows

# Matrix products round differently in batches of other shapes; a leak between events is many orders larger.
MIXING = 1e-9
MANY, MANY_VALUES = 1024, 1 << 15  # events, and values, of a large batch


def shapes(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """Scores and objectives are (B,) and finite; model(x) is the log-likelihood; one row is a batch too."""
    score = scores(model, x, context)
    require(tuple(score.shape) == (len(x),), f"log_likelihood of {len(x)} events has shape {tuple(score.shape)}.")
    bad = torch.nonzero(~torch.isfinite(score)).flatten().tolist()
    require(not bad, f"log_likelihood is not finite on rows {bad[:5]}.")
    reseed(model, 0)
    called = model(x, context)
    require(torch.equal(called.detach(), score), "model(x) is not log_likelihood(x).")
    reseed(model, 0)
    objective = model.objective(x, context)
    require(tuple(objective.shape) == (len(x),), f"objective of {len(x)} events has shape {tuple(objective.shape)}.")
    require(bool(torch.isfinite(objective).all()), "objective is not finite.")
    one = scores(model, x[:1], None if context is None else context[:1])
    require(tuple(one.shape) == (1,), f"log_likelihood of one event has shape {tuple(one.shape)}.")
    return Result(Status.PASSED, f"(B,) and finite on {len(x)} events.")


def samples(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """Samples are (n, *event), finite, in the space, and have a finite log-likelihood."""
    n = min(len(x), 8)
    rows = None if context is None else context[:n]
    drawn = draws(model, n, rows)
    expected = (n, *model.space.shape)
    require(tuple(drawn.shape) == expected, f"sample({n}) has shape {tuple(drawn.shape)}, not {expected}.")
    require(bool(torch.isfinite(drawn).all()), "Samples are not finite.")
    try:
        model.space.events(drawn, model.dtype)
    except DataError as error:
        raise Broken(f"Samples leave the space. {error}") from None
    require(tuple(draws(model, 1, None if rows is None else rows[:1]).shape) == (1, *expected[1:]), "sample(1) fails.")
    score = scores(model, drawn, rows)
    require(bool(torch.isfinite(score).all()), "The model's own samples have a log-likelihood that is not finite.")
    if rows is not None:
        shared = draws(model, n, rows[:1])
        require(tuple(shared.shape) == expected, "One context for all samples does not give (n, *event).")
    return Result(Status.PASSED, f"(n, *event), finite, in {model.space}.")


def claim(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """A model claims no more than its weakest part; an exact number does not change with the random seed."""
    claims = [part.claim for part in model.modules() if isinstance(part, Model | Bijection)]
    weakest = max(claims)
    require(weakest <= model.claim, f"The model claims {model.claim}, one of its parts only {weakest}.")
    if isinstance(model, LatentModel):
        require(model.claim is not Claim.EXACT, "A model with an integral inside claims to be exact.")
        return Result(Status.PASSED, f"A model with an integral inside claims {model.claim}.")
    if model.claim is not Claim.EXACT:
        return Result(Status.PASSED, f"Claims {model.claim}.")
    same = torch.equal(scores(model, x, context, seed=1), scores(model, x, context, seed=2))
    require(same, "The model claims to be exact, and its log-likelihood changes with the random seed.")
    return Result(Status.PASSED, "Claims exact, and the number does not depend on the seed.")


def inputs_unchanged(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """No call changes its arguments; scoring and sampling change nothing in the model."""
    model = copy.deepcopy(model)
    calls: dict[str, Callable[[], object]] = {
        "log_likelihood": lambda: model.log_likelihood(x, context),
        "objective": lambda: model.objective(x, context),
        "sample": lambda: model.sample(2, None if context is None else context[:2]),
    }
    if isinstance(model, LatentModel) and model.has_weights:
        calls["bound"] = lambda: model.bound(x, context, samples=2)
    if model.fitted_by.in_passes:
        calls["expect"] = lambda: model.expect(x, context)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seen, known = x.clone(), None if context is None else context.clone()
    with torch.no_grad():
        for name, call in calls.items():
            call()
            _unchanged(name, x, seen, context, known)
            changed = [key for key, value in model.state_dict().items() if not _same(value, before[key])]
            require(not changed, f"{name} changes the model's {', '.join(changed)}.")
        model.initialize(x, context)
        _unchanged("initialize", x, seen, context, known)
    return Result(Status.PASSED, f"{', '.join(calls)} and initialize leave their inputs alone.")


def _unchanged(name: str, x: Tensor, seen: Tensor, context: Tensor | None, known: Tensor | None) -> None:
    require(_same(x, seen), f"{name} changes the events it is given.")
    require(context is None or known is None or _same(context, known), f"{name} changes the context it is given.")


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.equal(a.nan_to_num(), b.nan_to_num()))


def events_apart(model: Model, x: Tensor, context: Tensor | None) -> Result:
    """The score of an event does not depend on the others in its batch, in evaluation and in training.

    All other events (and contexts) are replaced and the same random numbers drawn: the event's score must stay. That
    tells for bounds and dropout too, whose noise belongs to a place in the batch. Exact models must also give the same
    in another order, alone, and in a large batch.
    """
    if len(x) < 2:
        raise Undecided("One event cannot mix with others.")
    worst = 0.0
    for training in (False, True):
        worst = max(worst, _influence_of_others(copy.deepcopy(model).train(training), x, context))
    if model.claim is Claim.EXACT:
        worst = max(worst, _influence_of_batch(model, x, context))
    return within(worst, MIXING, "Change of a score when the rest of its batch changes, in evaluation and in training.")


def _influence_of_others(model: Model, x: Tensor, context: Tensor | None) -> float:
    whole, objective = scores(model, x, context), _objective(model, x, context)
    worst = 0.0
    for row in {0, len(x) // 2, len(x) - 1}:
        others = model.space.other(x)
        others[row] = x[row]
        known = context
        if context is not None and model.context is not None:
            known = other_contexts(model, context)
            known[row] = context[row]
        worst = max(worst, _relative(scores(model, others, known)[row], whole[row]))
        worst = max(worst, _relative(_objective(model, others, known)[row], objective[row]))
    return worst


def _influence_of_batch(model: Model, x: Tensor, context: Tensor | None) -> float:
    whole = scores(model, x, context)
    turned = scores(model, x.flip(0), None if context is None else context.flip(0)).flip(0)
    alone = scores(model, x[:1], given(None if context is None else context[:1], 1))
    # Operations may have a compiled form for large batches, which is to say the same.
    times = -(-min(MANY, MANY_VALUES // model.space.dims) // len(x))
    many = scores(model, x.repeat_interleave(times, 0), repeat_rows(context, times))[::times] if times > 1 else whole
    return max(_relative(turned, whole), _relative(alone, whole[:1]), _relative(many, whole))


def _objective(model: Model, x: Tensor, context: Tensor | None) -> Tensor:
    reseed(model, 0)
    with torch.no_grad():
        return model.objective(x, context)


def _relative(a: Tensor, b: Tensor) -> float:
    error = float(((a - b).abs() / b.abs().clamp(min=1.0)).max())
    return math.inf if math.isnan(error) else error
