"""What run.json holds: the schema that every entry is checked against before anything is made of it.

What further versions, or the user (`save(about=)`), add at the top, in `data`, `fit` and a score is let through.
"""

import dataclasses

from loglik.contract import Claim
from loglik.data.splits import TOGETHER
from loglik.spaces import kinds_of_space
from loglik.storage.schema import (
    Check,
    Wrong,
    fields_of,
    listed,
    none_or,
    number,
    one_of,
    plain,
    table,
    text,
    truth,
    whole,
)
from loglik.training.history import History, Start, Step
from loglik.training.options import Options

LARGEST_SIZE = 1 << 40  # of an axis, levels and the like: above what any memory holds, below what products overflow
MOST_VALUES = 1 << 27  # of one event: 1 GB in float64
DISCRETE = {"levels": whole(2, LARGEST_SIZE)}
COUNT = whole(0)
NUMBER = number(finite=False)  # scores and errors may be infinite: a single row has no standard error
AMOUNTS = {"steps": COUNT, "epochs": number(0.0), "seconds": number(0.0)}
STARTS = listed(fields_of(Start, finite=False, seed=whole(0, (1 << 64) - 1), trace=listed(NUMBER)))
CLAIM = one_of(*(str(claim) for claim in Claim))
HISTORY = fields_of(
    History, finite=False, rows=listed(fields_of(Step, finite=False)), starts=STARTS, evidence_claim=none_or(CLAIM),
    **AMOUNTS,
)  # fmt: skip
OPTIONS = fields_of(Options, seed=whole(0, (1 << 64) - 1))
NAMES = none_or(listed(text()))


def space(value: object, place: str) -> None:
    """A space, as `Space.to_json` writes it."""
    table({"kind": one_of(*kinds_of_space())}, others=plain())(value, place)
    assert isinstance(value, dict)
    shape = listed(whole(1, LARGEST_SIZE), most=16)
    more = {field.name: plain() for field in dataclasses.fields(kinds_of_space()[value["kind"]])}
    known = {"kind": text(), "shape": shape, **(DISCRETE if "levels" in more else {})}
    table({**more, **known})(value, place)
    values = 1
    for size in value["shape"]:
        values *= size
    if values > MOST_VALUES:
        raise Wrong(f"{place}.shape", f"of at most {MOST_VALUES} values", value["shape"])


def hyperparameter(value: object, place: str) -> None:
    """A number, a word, a list of numbers, a space or none; which, the builder says."""
    if isinstance(value, dict):
        space(value, place)
    elif isinstance(value, list):
        listed(number(), most=1000)(value, place)
    elif isinstance(value, str):
        text(200)(value, place)
    elif isinstance(value, float):
        number()(value, place)
    elif value is not None and not isinstance(value, bool):
        whole(-LARGEST_SIZE, LARGEST_SIZE)(value, place)


POSTERIOR = table({"draws": whole(1, 10_000), "about": text(1000), "log_evidence": none_or(number())})
MODEL = table(
    {"name": text(200), "space": space, "hyperparameters": table(others=hyperparameter)}, {"posterior": POSTERIOR}
)
SPLIT = table(
    maybe={
        **dict.fromkeys(("train", "valid", "test"), COUNT),
        "window": none_or(whole(1, LARGEST_SIZE)),
        TOGETHER: truth,
    },
    others=plain(),
)
DATA = table(
    {"space": space},
    {
        "name": none_or(text()),
        "source": none_or(text()),
        "split": none_or(SPLIT),
        "fingerprint": none_or(text(100)),
        "columns": NAMES,
        "context_columns": NAMES,
        "context": none_or(space),
        "weights": none_or(text()),
        "vocabulary": NAMES,
        "labels": NAMES,
        "sample_rate": none_or(whole(1, 10**9)),
    },
    others=plain(),
)
FIT = table(
    maybe={
        "options": OPTIONS,
        "history": none_or(HISTORY),
        "done": table(AMOUNTS),
        "seed": none_or(whole()),
    },
    others=plain(),
)
SCORE = table(
    {"nats": NUMBER, "stderr": NUMBER, "claim": CLAIM, "space": space,
     "events": COUNT},
    {"samples": none_or(COUNT), "stderr_by": text(200), "stderr_units": COUNT, "median": NUMBER,
     "carried_by": none_or(COUNT), "not_finite": listed(COUNT), "part": text(200), "rows": text(200), "past": text(),
     "text": text(), "equal_rows": COUNT, "name": none_or(text()), "data": none_or(text())},
    others=plain(),
)  # fmt: skip
LAW = table(
    maybe={"law": text(), "status": text(), "detail": text(), "how": text(),
           "measured": none_or(plain(0)), "tolerance": none_or(plain(0))},
    others=plain(),
)  # fmt: skip
RECORD: Check = table(
    {"format": whole(1), "model": MODEL},
    {
        "claim": CLAIM,
        "parameters": COUNT,
        "receptive_field": COUNT,
        "versions": table(others=text(1000)),
        "status": one_of("training", "finished", "interrupted", "diverged"),
        "error": text(),
        "command": text(),
        "data": none_or(DATA),
        "fit": FIT,
        "scores": none_or(listed(SCORE)),
        "laws": none_or(table(maybe={"results": listed(LAW), "passed": truth}, others=plain())),
    },
    others=plain(),
)
