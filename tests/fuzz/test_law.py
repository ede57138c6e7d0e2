"""The law notices what breaks it: each case is a command or call that loglik must never be."""

from typing import Any

import law
import pytest
from attempt import PYTHON, Attempt

FINE = {"code": 0, "error": "", "trace": "", "raw": [], "out": "", "err": ""}
REFUSED = {**FINE, "code": 12, "err": "loglik: Expected rows; got none. Add rows.\n"}
SCORE = ("score", "run", "t.csv", "--json")
HALF = '{"nats": "nan", "not_finite": []}'


def broken(result: dict[str, Any], before: dict[str, str], after: dict[str, str], died: str = "", held: int = 0) -> str:
    answer = {"results": [result], "died": died, "bytes": held}
    return next((kind for _, kind in law.breaks(Attempt(SCORE, makes=("new",)), answer, before, after)), "")


@pytest.mark.parametrize(
    ("result", "before", "after", "kind"),
    [
        (REFUSED, {"t.csv": "1"}, {"t.csv": "1"}, ""),
        ({**FINE, "out": '{"nats": "nan", "not_finite": [3]}'}, {}, {"new": "", "new/run.json": "1"}, ""),
        ({**REFUSED, "code": 70}, {}, {}, "Ended in nothing that is known, code 70"),
        ({**REFUSED, "code": 1, "error": "ValueError no"}, {}, {}, "Ended in nothing that is known, code 1"),
        ({**REFUSED, "err": "loglik: [Errno 2] No such file.\n"}, {}, {}, "Another library's words ([Errno)"),
        (
            {**REFUSED, "err": "loglik: The file \x1b[31m is empty.\n"},
            {},
            {},
            "Control characters of a name are obeyed",
        ),
        ({**REFUSED, "err": "Split: 1.\nloglik: Expected rows.\n"}, {}, {}, "More than one line"),
        ({**REFUSED, "out": "0.5\n"}, {}, {}, "More than one line"),
        ({**REFUSED, "err": "Expected rows.\n"}, {}, {}, "The last line is not ours"),
        ({**FINE, "out": "nats: 3"}, {}, {}, "No JSON"),
        ({**FINE, "out": HALF}, {}, {}, "Not finite, and no row is listed"),
        (REFUSED, {"t.csv": "1"}, {"t.csv": "2"}, "score changed a file"),
        (REFUSED, {"t.csv": "1"}, {}, "score changed a file"),
        (REFUSED, {}, {"new": "1"}, "score was refused and left something"),
        ({**FINE, "out": "{}"}, {}, {"../x": "1"}, "score left something behind"),
    ],
)
def test_a_break_is_noticed(result: dict[str, Any], before: dict[str, str], after: dict[str, str], kind: str) -> None:
    assert broken(result, before, after) == kind


def test_a_death_and_too_much_memory_are_noticed() -> None:
    assert broken(FINE, {}, {}, died="died of signal 11") == "score died of signal 11"
    assert broken(FINE, {}, {}, held=3 << 30) == "score took memory"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os\nos.kill(os.getpid(), 11)", "died of signal 11"),
        ("bytearray(3 << 30)", "MemoryError"),
        ("raise ValueError('of nobody')", "ValueError"),
        ("import warnings\nwarnings.warn('of another')", "raw warning"),
        ("import pathlib\npathlib.Path('t.csv').write_text('1')", "Changed or removed t.csv"),
        ("open('../x', 'w').close()", "Left ../x behind"),
    ],
)
def test_a_child_cannot_hide_it(source: str, words: str) -> None:
    outcome = law.judge(Attempt((PYTHON, source), {"t.csv": b"a\n1\n"}))
    assert words in outcome.broken


def test_an_input_can_be_kept_and_tried_again() -> None:
    attempt = Attempt(SCORE, {"t.csv": b"\xff\x00"}, (SCORE,), ("new",), {"a": "b"}, ("p",))
    assert Attempt.from_json(attempt.to_json()) == attempt
