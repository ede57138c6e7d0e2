"""Fitting by EM or in closed form: passes over the rows, within the limits that hold for gradients too."""

import time

from loglik.contract import FittedBy, Model
from loglik.data import Source
from loglik.errors import UsageError
from loglik.inference.em import em
from loglik.inference.processes import any_process
from loglik.training.gradient import Watch
from loglik.training.history import History, Step
from loglik.training.interrupts import Interrupts
from loglik.training.options import Options

MAX_PASSES = 500  # of EM, where neither steps nor epochs are given


def fit_by_em(
    model: Model, source: Source, options: Options, *, started: float, noted: Interrupts, watch: Watch | None
) -> History:
    """Passes until `patience` of them gain too little, or until no further one fits into the limits; at least one.

    Args:
        started: when the fit began, by `time.perf_counter`; a budget counts from there.

    Raises:
        UsageError: fewer epochs than the one that EM needs. Diverged: see `em`.
    """
    closed_form = model.fitted_by is FittedBy.CLOSED_FORM
    history = History(str(model.fitted_by))
    limit = most_passes(options, closed_form=closed_form)
    idle = 0
    before = time.perf_counter()
    for done in em(model, source, seed=options.seed):
        now = time.perf_counter()
        if closed_form and done.gaps:  # the closed form is that of whole rows
            closed_form, history.method = False, str(FittedBy.EM)
            limit = most_passes(options, closed_form=False)
        history.seconds, history.steps, history.epochs = now - started, done.step + 1, done.step + 1
        timed = 0.0
        if options.budget is not None:  # used up when the next pass would not end within it
            timed = (history.seconds + now - before) / options.budget
        before = now
        step = Step(history.steps, history.seconds, min(1.0, max(history.steps / limit, timed)), done.nats)
        history.rows.append(step)
        if watch:
            watch(step)
        idle = idle + 1 if done.gain < options.tolerance else 0
        if closed_form or idle >= (options.patience or 1):
            history.stopped = "converged"
        elif any_process(noted.asked):
            history.stopped = "interrupted"
        elif any_process(step.progress >= 1.0):
            history.stopped = "budget used"
        if history.stopped:
            return history
    raise AssertionError("EM passes never end by themselves")


def most_passes(options: Options, *, closed_form: bool) -> int:
    """How many passes the options allow: a step is a pass, and so is an epoch; half a pass is none."""
    if options.epochs is not None and options.epochs < 1:
        raise UsageError(f"Expected epochs >= 1, as this model is fitted in whole passes; got {options.epochs}.")
    if closed_form:
        return 1
    return options.steps or int(options.epochs or MAX_PASSES)
