"""More steps for a run that is finished: how much was done, how much is left.

The limit is the total: `steps=5000` gives a run of 3000 steps 2000 more. They begin at the weights that were kept, with
fresh moments (what is kept of a finished run is its weights alone), and the learning rate runs up and down once more
over what is left. Unless validation finds better weights, the kept ones stay.
"""

import dataclasses

from loglik.errors import RunMismatch
from loglik.records import Record
from loglik.training.options import Options

LIMITS = ("steps", "epochs", "budget")


def further(fit: Record, given: Record) -> Record | None:
    """The entry `fit` of run.json for a run that goes on to the limit that is given; None if it is no other limit.

    `done` says what the run had when it was given more: steps, epochs and seconds.

    Raises:
        RunMismatch: no more than was done.
    """
    limits = {name: given[name] for name in LIMITS if given.get(name) is not None}
    options = Options(**fit["options"])
    wanted = Options.of(**{**options.given(), **dict.fromkeys(LIMITS), **limits})
    if not limits or wanted == options:
        return None
    history = fit["history"]
    done = {name: history[name] for name in ("steps", "epochs", "seconds")}
    ((name, limit),) = limits.items()
    if remaining_of(name, wanted, done) <= 0:
        so_far = done["seconds" if name == "budget" else name]
        raise RunMismatch(
            f"Expected {name} above the {so_far:.6g} that this run has taken, as it is the total; got {limit}. "
            "Give a greater one."
        )
    return {"options": dataclasses.asdict(wanted), "done": done}


def remaining(options: Options, done: Record) -> Options:
    """The options of the fit that is left."""
    name = next(name for name in LIMITS if getattr(options, name) is not None)
    left: Record = {name: remaining_of(name, options, done)}
    return dataclasses.replace(options, **left)


def remaining_of(name: str, options: Options, done: Record) -> float:
    """How much of the limit of this name is left."""
    so_far: float = done["seconds" if name == "budget" else name]
    total: float = getattr(options, name)
    return total - so_far
