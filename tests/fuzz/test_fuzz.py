"""A few inputs of each grammar, always the same ones; `make fuzz` tries thousands."""

import pytest
from attempt import Attempt
from grammars import GRAMMARS
from grammars.mended import mended
from hypothesis import example, given, settings
from law import Broken, judge
from survey import RULES

EXAMPLES = 10


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_the_law_holds(grammar: str) -> None:
    @settings(RULES, max_examples=EXAMPLES, derandomize=True)
    @given(GRAMMARS[grammar])
    def holds(attempt: Attempt) -> None:
        outcome = judge(attempt)
        if outcome.broken:
            raise Broken(grammar, attempt, outcome)

    for attempt in mended().get(grammar, ()):
        holds = example(attempt)(holds)
    holds()
