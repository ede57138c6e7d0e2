"""Expected sufficient statistics: sums over events, so that EM streams over batches and over machines."""

from dataclasses import dataclass, fields, replace
from typing import Self

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Sums over events. A subclass adds fields, tensors that add up over batches. One called `shift` is shared by all.

    events: how many were counted, a float64 scalar.
    log_likelihood: the sum of their log-likelihoods under the parameters before `maximize`, a float64 scalar.
    """

    events: Tensor
    log_likelihood: Tensor

    def __add__(self, other: Self, /) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in self._summed()})

    def __truediv__(self, copies: float) -> Self:
        """The same with each event counted 1 / `copies` times."""
        return replace(self, **{name: getattr(self, name) / copies for name in self._summed()})

    def of_fixed_size(self) -> "Stats":
        """The same in tensors whose sizes do not depend on the events, as those of several processes must be to add."""
        return self

    def _summed(self) -> list[str]:
        return [field.name for field in fields(self) if field.name != "shift"]
