"""Draws inputs from a grammar and holds the law against each."""

from collections import Counter
from dataclasses import dataclass, field

from attempt import Attempt
from grammars import GRAMMARS
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from law import Broken, judge

RULES = settings(
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


@dataclass
class Tally:
    """How many inputs came to which end, and a small example of each way in which the law was broken."""

    ends: Counter[str] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)


def search(grammar: str, examples: int, first_seed: int) -> Tally:
    """Goes on after a failure: hypothesis makes it small, and its kind is passed over from then on."""
    tally, number = Tally(), first_seed
    while (left := examples - tally.ends.total()) > 0:
        before, kind = tally.ends.total(), ""

        @seed(number)
        @settings(RULES, max_examples=left, verbosity=Verbosity.quiet)
        @given(GRAMMARS[grammar])
        def holds(attempt: Attempt) -> None:
            nonlocal kind
            outcome = judge(attempt)
            if not kind:  # else it is being made small, and must not slip to another kind
                tally.ends[f"broken: {outcome.kind}" if outcome.broken else outcome.name] += 1
                kind = "" if outcome.kind in tally.broken else outcome.kind
            if kind and outcome.kind == kind:
                raise Broken(grammar, attempt, outcome)

        try:
            holds()
        except Broken as error:
            tally.broken[kind] = str(error)
        if tally.ends.total() == before:
            break  # there are no more inputs
        number += 1
    return tally
