"""How often differential equations were evaluated, for whoever wants to report it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What `each` solve inside one `counting` took, in order; `tolerance` is the loosest among them."""

    each: list[int] = field(default_factory=list)
    tolerance: float | None = None

    @property
    def evaluations(self) -> int:
        return sum(self.each)

    def add(self, evaluations: int, tolerance: float | None) -> None:
        self.each.append(evaluations)
        if tolerance is not None:
            self.tolerance = max(tolerance, self.tolerance or 0.0)


_open: ContextVar[tuple[Tally, ...]] = ContextVar("loglik_ode_tallies", default=())


@contextmanager
def counting() -> Iterator[Tally]:
    """Count the evaluations of every solve until the block ends."""
    tally = Tally()
    token = _open.set((*_open.get(), tally))
    try:
        yield tally
    finally:
        _open.reset(token)


def count(evaluations: int, tolerance: float | None) -> None:
    for tally in _open.get():
        tally.add(evaluations, tolerance)
