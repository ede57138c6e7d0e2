"""Several starts of EM, whose optimum is a local one: the start that ends highest is kept, and all are recorded."""

import math
import time
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from loglik.arguments.ranges import LARGEST_SEED
from loglik.contract import FittedBy, Model
from loglik.data import Source
from loglik.errors import Diverged, UsageError
from loglik.inference.em import value_of
from loglik.inference.randomness import seeded
from loglik.training.gradient import Watch
from loglik.training.history import History, Start
from loglik.training.interrupts import Interrupts
from loglik.training.options import Options
from loglik.training.passes import fit_by_em


def check_starts(model: Model, options: Options) -> None:
    """Raises UsageError for several starts of what has one optimum, or is trained by gradients."""
    if options.starts > 1 and model.fitted_by is not FittedBy.EM:
        name = (model.recipe or {}).get("name", type(model).__name__)
        raise UsageError(
            f"Expected a model that EM fits for {options.starts} starts; got {name}, fitted by {model.fitted_by}. "
            "Leave starts out."
        )


def fit_from_starts(
    model: Model,
    source: Source,
    options: Options,
    initialize: Callable[[], None],
    *,
    started: float,
    noted: Interrupts,
    watch: Watch | None,
) -> History:
    """EM from `options.starts` starts; the model is left with the parameters of the highest log p(X) + log p(theta).

    The first start is that of a fit with one. Steps and epochs hold for each; a budget of time is for all, in even
    shares of what is left. A start that diverges is none, unless all do.

    Args:
        initialize: begins anew, from torch's generators.

    Raises:
        Diverged: every start. See `fit_by_em`.
    """
    best: tuple[float, History, dict[str, Tensor]] | None = None
    starts: list[Start] = []
    failure: Diverged | None = None
    fresh = {name: t.detach().clone() for name, t in model.state_dict().items()}
    for k in range(options.starts):
        seed = options.seed if k == 0 else (options.seed * 1_000_003 + k) % (LARGEST_SEED + 1)
        begun, left = time.perf_counter(), options.starts - k
        budget = None if options.budget is None else max(1e-3, (options.budget - (begun - started)) / left)
        model.load_state_dict(fresh)
        try:
            with seeded(seed):
                initialize()
            history = fit_by_em(
                model, source, replace(options, budget=budget), started=begun, noted=noted,
                watch=_in_turn(watch, k, options.starts),
            )  # fmt: skip
            value = value_of(model, source, seed=options.seed)
        except Diverged as error:
            failure = error
            starts.append(Start(seed, -math.inf, 0, "diverged"))
            continue
        starts.append(Start(seed, value, history.steps, history.stopped, [row.nats for row in history.rows]))
        if best is None or value > best[0]:
            best = value, history, {name: t.detach().clone() for name, t in model.state_dict().items()}
            kept = k
        if history.interrupted:
            break
    if best is None:
        assert failure is not None
        raise failure
    _, history, weights = best
    model.load_state_dict(weights)
    history.starts, history.kept_start = starts, kept + 1
    history.stopped = starts[-1].stopped if starts[-1].stopped == "interrupted" else history.stopped
    history.seconds = time.perf_counter() - started
    return history


def _in_turn(watch: Watch | None, place: int, of: int) -> Watch | None:
    """The watcher of one start, for which the progress is that of all."""
    if watch is None:
        return None
    return lambda step: watch(replace(step, progress=(place + step.progress) / of))
