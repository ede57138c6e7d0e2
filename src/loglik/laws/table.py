"""The table of laws, and `check`, which holds a model to all of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.laws import (
    bijectivity,
    bounds,
    carrying,
    causality,
    elsewhere,
    em,
    evidence,
    learning,
    leaving_out,
    mass,
    objective,
    outputs,
    sampling,
    sharpening,
    stepping,
)
from loglik.laws.report import Report
from loglik.laws.subject import check_rows, in_float64, own_randomness, reseed, some_contexts, some_events, varied
from loglik.laws.verdict import Broken, NotApplicable, Result, Status, Undecided
from loglik.promises import check_model
from loglik.spaces import Measure

VALUES = 4_096  # about so many values are looked at: events times dims
FEWEST, MOST = 6, 64  # events


@dataclass(frozen=True)
class Law:
    """A law and the states of the model in which it is to hold.

    Laws hold for all parameters, so they are judged on the model as it is and once more with its parameters varied.
    `generic` marks those that special parameters suspend, such as a last layer of zeros: they are judged varied alone.
    Those that are not `varied` ask about the very parameters, and are judged as it is alone. `one_measure`: those that
    sum or integrate over whole events, and cannot over events of which some values have a mass and others a density.
    """

    name: str
    judge: Callable[[Model, Tensor, Tensor | None], Result]
    generic: bool = False
    varied: bool = True
    one_measure: bool = False


LAWS = (
    Law("shapes", outputs.shapes),
    Law("samples", outputs.samples),
    Law("claim", outputs.claim),
    Law("inputs unchanged", outputs.inputs_unchanged),
    Law("events apart", outputs.events_apart),
    Law("total mass", mass.total_mass, one_measure=True),
    Law("mass elsewhere", elsewhere.mass_elsewhere, varied=False, one_measure=True),
    Law("causality", causality.causality, generic=True),
    Law("steps", stepping.steps),
    Law("carrying", carrying.carrying),
    Law("leaving out", leaving_out.leaving_out, one_measure=True),
    Law("inverse", bijectivity.inverse),
    Law("log-determinant", bijectivity.log_determinant),
    Law("bounds", bounds.bounds),
    Law("em ascends", em.em_ascends),
    Law("statistics add", em.statistics_add),
    Law("weights count", em.weights_count),
    Law("gaps ascend", em.gaps_ascend),
    Law("evidence", evidence.evidence_chains),
    Law("sampler", sampling.sampler, one_measure=True),
    Law("sharpening", sharpening.sharpening),
    Law("objective", objective.objective),
    Law("gradients", learning.gradients, generic=True),
    Law("persistence", learning.persistence),
    Law("contexts", learning.contexts, generic=True),
)


def check(
    model: Model,
    x: Tensor | None = None,
    context: Tensor | None = None,
    *,
    seed: int = 0,
    watch: Callable[[str], None] | None = None,
) -> Report:
    """Hold a model to the laws: any Model, also one of your own.

    The laws run on copies in float64, so neither the model nor torch's random generators are changed. A law that throws
    is broken, and its error's message is the finding.

    Args:
        x: (B, *event), events to look at; the model's own samples if left out.
        context: (B, *c), one for each event; drawn from the space of contexts if left out.
        watch: is told the name of each law before it is judged. Each takes a few seconds at most, of a large model.

    Raises:
        DataError: x does not belong to the model's space.
        ContextError: not one context for each event.

    >>> import loglik
    >>> report = loglik.check(loglik.build("uniform", loglik.Integer((2,), levels=3)))
    >>> report.passed, report["total mass"].status.value
    (True, 'passed')
    """
    check_model(model)
    if x is not None:
        model.space.events(x)
        check_rows(x, context)
    with own_randomness(model), torch.enable_grad():
        subject = in_float64(model)
        reseed(subject, seed)
        x, context = _events(subject, x, context)
        states = (subject, varied(subject, x, context, seed))
        results = []
        for law in LAWS:
            if watch is not None:
                watch(law.name)
            results.append(_judged(law, states, x, context, seed))
    name = str(model.recipe["name"]) if model.recipe else type(model).__name__
    return Report(f"{name} on {model.space}", str(model.claim), seed, results)


def _events(model: Model, x: Tensor | None, context: Tensor | None) -> tuple[Tensor, Tensor | None]:
    n = max(FEWEST, min(MOST, VALUES // model.space.dims))
    if x is not None:
        x = model.space.events(x[:n].to(model.device), torch.float64)
        context = some_contexts(model, len(x)) if context is None else context[:n].to(model.device)
        return x, context
    rows = some_contexts(model, n) if context is None else context[:n].to(model.device)
    return some_events(model, n if rows is None else len(rows), rows), rows


def _judged(law: Law, states: tuple[Model, ...], x: Tensor, context: Tensor | None, seed: int) -> Result:
    """The worst answer on the model as it is and varied, or what could be told of it as it is."""
    states = states[1:] if law.generic else states if law.varied else states[:1]
    results = [_judge(law, state, x, context, seed) for state in states]
    by_status = {status: [result for result in results if result.status is status] for status in Status}
    found = by_status[Status.FAILED] or (by_status[Status.PASSED] if results[0].status is not Status.UNDECIDED else [])
    worst = max(found, key=lambda result: result.severity) if found else results[0]
    # What the varied model passed by is no news of the model itself.
    how = results[0].how if worst.status is Status.PASSED and results[0].how else worst.how
    return replace(worst, law=law.name, how=how)


def _judge(law: Law, model: Model, x: Tensor, context: Tensor | None, seed: int) -> Result:
    reseed(model, seed)
    if law.one_measure and model.space.measure is Measure.MIXED:
        return Result(Status.UNDECIDED, f"Events of {model.space} have a mass in some values, a density in others.")
    try:
        # Each law gets inputs of its own, so that a model which changes them misleads no other law.
        return law.judge(model, x.clone(), None if context is None else context.clone())
    except NotApplicable as reason:
        return Result(Status.NOT_APPLICABLE, str(reason))
    except Undecided as reason:
        return Result(Status.UNDECIDED, str(reason))
    except Broken as finding:
        return Result(Status.FAILED, str(finding))
    except Exception as error:  # a law must not crash on a model that does
        message = " ".join(str(error).split())
        return Result(Status.FAILED, f"It threw {type(error).__name__}: {message[:300]}{_advice(message)}")


def _advice(message: str) -> str:
    """What to write, where a model mixes precisions."""
    if not any(word in message for word in ("dtype", "Double", "Float")):
        return ""
    return (
        " The laws run the model in float64: make tensors that it keeps parameters or buffers (register_buffer), and "
        "new ones with dtype=self.dtype."
    )
