"""What a log-likelihood is, and how a model is fitted: the two things that every table states beside a number."""

from enum import IntEnum, StrEnum


class Claim(IntEnum):
    """What a log-likelihood is. A composite claims what its weakest part does: the maximum."""

    EXACT = 0  # log p(x)
    LOWER_BOUND = 1  # at most log p(x), in expectation over the model's own noise
    ESTIMATE = 2  # may lie on either side of log p(x)

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class FittedBy(StrEnum):
    """How `fit` finds the parameters of a model."""

    NOTHING = "nothing"  # there is nothing to learn
    CLOSED_FORM = "closed form"  # one pass of `expect` and `maximize` reaches the optimum
    EM = "EM"  # passes of `expect` and `maximize` never lower the likelihood
    GRADIENTS = "gradients"  # of `objective`

    @property
    def in_passes(self) -> bool:
        """Whether the model has `expect` and `maximize`."""
        return self in (FittedBy.CLOSED_FORM, FittedBy.EM)
