"""How the learning rate runs: up, down as a cosine; where training overfits, down once more from the best weights."""

import math
from dataclasses import dataclass

WARMUP_STEPS = 250  # the rise of the learning rate takes no longer, whatever the budget
LEAST_STEPS = 200  # no early stopping before this step
FALL = 0.1  # the factor on the learning rate at which the fall begins


@dataclass(frozen=True)
class Fall:
    """The last part of a training whose validation got no better before the budget was used.

    It begins again at the best weights, and the learning rate falls to 0 over as many steps as those took. What comes
    out thus depends on the optimum, not on the budget: a cosine over a budget that is too long would still be high
    when the optimum passes.
    """

    step: int
    progress: float
    steps: int

    @classmethod
    def after(cls, best_step: int, step: int, progress: float) -> "Fall":
        return cls(step, progress, max(LEAST_STEPS, best_step))

    def done(self, step: int, progress: float) -> float:
        """The share of the fall that is done, 0 to 1."""
        left = 1.0 - self.progress
        return min(1.0, max((step - self.step) / self.steps, (progress - self.progress) / left if left > 0 else 1.0))


def factor(step: int, progress: float, warmup: float, fall: Fall | None) -> float:
    """The factor on the learning rate, 0 to 1: up linearly over `warmup` of the budget, then down as a cosine."""
    if fall is not None:
        return FALL * cosine(fall.done(step, progress))
    risen = max(progress / warmup if warmup else 1.0, step / WARMUP_STEPS)
    if risen < 1.0:
        return (risen * warmup + 1e-3) / (warmup + 1e-3)
    return cosine(max(0.0, progress - warmup) / (1.0 - warmup))


def cosine(done: float) -> float:
    """1 at 0, 0 at 1."""
    return 0.5 * (1.0 + math.cos(math.pi * done))
