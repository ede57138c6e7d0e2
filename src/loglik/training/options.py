"""What a fit may be told: how long, how fast, when to stop."""

import dataclasses
import math
import re
from dataclasses import dataclass

from loglik.arguments.ranges import SEEDS, Range, real, shown, whole
from loglik.errors import UnknownName, UsageError
from loglik.inference.posterior.priors import SCALES
from loglik.records import Record

DEFAULT_STEPS = 3000
LARGE_EVENT = 256  # dimensions
WEIGHTS_PER_VALUE = 40  # with so many, weights decay at the full rate
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
PRECISIONS = ("auto", "float32", "bfloat16")
SECONDS = Range(0.0, 31_557_600.0, above=True)  # a budget: up to a year
WHOLE = {
    "steps": Range(1, 10**12),
    "batch": Range(1, 10**9),
    "evaluations": Range(1, 10**9),
    "patience": Range(1, 10**9),
    "starts": Range(1, 10**6),
    "seed": SEEDS,
}
REAL = {
    "epochs": Range(0.0, 1e9, above=True),
    "budget": SECONDS,
    "lr": Range(0.0, 1e3, above=True),
    "weight_decay": Range(0.0, 1e6),
    "prior": SCALES,
    "warmup": Range(0.0, 1.0, below=True),
    "clip": Range(0.0, 1e30, above=True),
    "ema": Range(0.0, 1.0, below=True),
    "tolerance": Range(0.0, 1e30),
    "save_seconds": Range(0.0, 1e9),
}


@dataclass(frozen=True)
class Options:
    """The options of `fit`. At most one of steps, epochs and budget is given; without any, 3000 steps.

    For EM a step is a pass over the data, and so is an epoch; it has converged after `patience` passes that gain less
    than `tolerance` nats per event. A closed form takes one pass, whatever the limit.
    """

    steps: int | None = None
    epochs: float | None = None
    budget: float | None = None  # seconds, with the start and the looks at validation
    batch: int | None = None  # rows in a step; by default what suits the data, see `batch_rows`, and the budget
    lr: float = 3e-3
    weight_decay: float | None = None  # of matrices, as in AdamW; by default by their size, see `decay`
    prior: float | None = None  # deviation of a normal prior of all weights, for gradients; it takes the decay's place
    warmup: float = 0.03  # the share of the budget over which lr rises from 0, at most 250 steps; a cosine follows
    clip: float = 1.0  # the largest norm of the gradient
    ema: float = 0.999  # decay of the average of the weights, which is what is validated and kept
    evaluations: int = 25  # looks at validation, evenly over the budget; more of them come early
    patience: int | None = None  # looks without a better score before lr falls from the best weights on; 8, EM 1
    tolerance: float = 1e-5
    carry: bool = True  # on a stream, a model that can goes on from each window to the next, else windows are shuffled
    precision: str = "auto"  # "float32", "bfloat16" inside nets, or "auto": bfloat16 on GPUs that have it
    save_seconds: float = 20.0  # between two savings of the training state
    starts: int = 1  # of EM: the start that ends at the highest likelihood is kept
    seed: int = 0

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.steps, self.epochs, self.budget)) > 1:
            raise UsageError("Give one of steps, epochs and budget; got several.")
        for name, within in {**WHOLE, **REAL}.items():
            value = getattr(self, name)
            if value is not None or Options.__dataclass_fields__[name].default is not None:
                read = whole if name in WHOLE else real
                object.__setattr__(self, name, read(name, value, within))
        if not isinstance(self.carry, bool | int) or self.carry not in (False, True):
            raise UsageError(f"Expected carry to be true or false; got {shown(self.carry)}.")
        object.__setattr__(self, "carry", bool(self.carry))
        check_precision(self.precision)

    @classmethod
    def of(cls, **given: object) -> "Options":
        """Options by name; a budget may be said in words ("90s", "2m", "1h").

        Raises:
            UnknownName: no such option; the nearest are proposed. UsageError: a value that cannot be.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        for name in given:
            if name not in known:
                raise UnknownName("option of fit", name, known)
        chosen: Record = given
        if chosen.get("budget") is not None:
            chosen = {**chosen, "budget": seconds(chosen["budget"])}
        return cls(**chosen)

    def given(self) -> Record:
        """The options as keywords of `fit`."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    @property
    def looks_to_wait(self) -> int:
        """Looks at validation without a better score, before training ends."""
        return 8 if self.patience is None else self.patience

    def decay(self, weights: int, values: int, *, has_prior: bool = False) -> float:
        """The weight decay: as given, or 1e-4, and up to 1 for nets with more weights than the data have values.

        A net of 300 000 weights learns 900 rows by heart within a few epochs, before it has learnt what they share.
        A prior is what is believed of the weights: beside one they do not decay unless it is asked for.
        """
        if has_prior and self.weight_decay is None:
            return 0.0
        if self.weight_decay is not None:
            return self.weight_decay
        return min(1.0, max(1e-4, (weights / values - 1.0) / WEIGHTS_PER_VALUE))

    def batch_rows(self, rows: int, dims: int, *, carry: bool = False) -> int:
        """The rows in a step: as given, or about 20 steps to an epoch, within 32 and 512 (128 for large events).

        Where a state is carried it is the number of streams: about 100 windows each, within 8 and 128 streams.
        """
        if self.batch is not None:
            return self.batch
        if carry:
            return max(8, min(rows // 100, 128))
        return max(32, min(rows // 20, 512 if dims <= LARGE_EVENT else 128))

    def total_steps(self, rows: int, batch: int) -> int | None:
        """The number of steps this is, known beforehand; None under a budget of time."""
        if self.budget is not None:
            return None
        if self.epochs is not None:
            return max(1, round(self.epochs * math.ceil(rows / batch)))
        return self.steps or DEFAULT_STEPS


def seconds(budget: str | float) -> float:
    """90, "90", "90s", "1.5m" or "1h" as seconds.

    Raises:
        UsageError: something else, no time at all, or more than a year.
    """
    if not isinstance(budget, str):
        return real("budget", budget, SECONDS)
    match = re.fullmatch(r"\s*([0-9]{0,20}\.?[0-9]{1,20})\s*([smh]?)\s*", budget, re.ASCII)
    told = float(match[1]) * UNITS[match[2] or "s"] if match else 0.0
    if told not in SECONDS:
        raise UsageError(f"Expected a budget such as 60s, 2m or 1h, up to a year (8766h); got {shown(budget)}.")
    return told


def check_precision(precision: object) -> None:
    """Raises UsageError for what is no precision."""
    if precision not in PRECISIONS:
        raise UsageError(f"Expected precision 'auto', 'float32' or 'bfloat16'; got {shown(precision)}.")
