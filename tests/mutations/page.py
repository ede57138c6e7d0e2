"""docs/mutations.md, made from the record."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mutation import SOURCE, Mutation, Reach
from trial import Trial

PAGE = SOURCE.parents[1] / "docs" / "mutations.md"

HEAD = """# Mistakes made on purpose

A test that cannot fail proves nothing, and neither does a law. So mistakes are made on purpose: {count} small edits of
the source, each in a copy of the package, many of them known from published code. Of each this page
says whether the project's own tests notice it, and whether `loglik check` does, which a user can run on any model.

`make mutations` tries all of them again and writes this page; `python -m tests.mutations NAME` tries one. The edits
stand in `tests/mutations`, word for word.

## How many are caught

| | caught | of |
|---|---|---|
| by the tests | {suite} | {suite_of} ({suite_share}) |
| by `check`, of those that change a number the model gives | {check} | {check_of} ({check_share}) |

"A number the model gives" is a likelihood, a bound, a sample, a training objective or what a step of EM makes: `check`
is shown a model, and looks at these. Two kinds of mistake it cannot see, whatever its laws, and they are not counted:

- {recipes} mutations make *another sound model* out of the one that was asked for, such as attention without its
  1 / sqrt(d). Its probabilities still sum to one and its samples follow them. Only a comparison with the published
  recipe tells, and that is what the tests do.
- {besides} lie *beside the model*: in reading data, training, scoring, ranking, storing, or in gradients. `check` never
  gets there.

Models are checked as `tests/cases.py` makes them: small, in float32, trained a little by the very code that has the
mistake in it.
"""


def text(mutations: Sequence[Mutation], trials: Mapping[str, Trial]) -> str:
    known = [(m, trials[m.name]) for m in mutations if m.name in trials]
    asked = [(m, t) for m, t in known if m.reach is Reach.MODEL and t.check is not None]
    suite, check = sum(t.caught for _, t in known), sum(bool(t.check) for _, t in asked)
    counts = {reach: sum(m.reach is reach for m, _ in known) for reach in Reach}
    counted = {"count": len(known), "recipes": counts[Reach.RECIPE], "besides": counts[Reach.BESIDE]}
    by_suite = {"suite": suite, "suite_of": len(known), "suite_share": share(suite, len(known))}
    by_check = {"check": check, "check_of": len(asked), "check_share": share(check, len(asked))}
    parts = [HEAD.format(**counted, **by_suite, **by_check)]
    for reach, title in TITLES.items():
        rows = [(m, t) for m, t in known if m.reach is reach]
        parts.append(f"## {title}\n\n" + table(rows, check=reach is not Reach.BESIDE))
    return "\n".join(parts)


TITLES = {
    Reach.MODEL: "Mistakes that change a number of the model",
    Reach.RECIPE: "Another sound model",
    Reach.BESIDE: "Beside the model",
}


def table(rows: Sequence[tuple[Mutation, Trial]], *, check: bool) -> str:
    head = ["family", "mistake", "first test that fails"] + (["laws that `check` finds broken"] if check else [])
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for mutation, trial in rows:
        cells = [mutation.family, f"`{mutation.file}`: {mutation.wrong}", short(trial.suite)]
        if check:
            cells.append(", ".join(trial.check or []) or ("none" if trial.check is not None else ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def short(test: str) -> str:
    """The file and the function, without the folder and without what it was run with."""
    if "::" not in test:
        return test or "none"
    file, function = test.split("::", 1)
    return f"{Path(file).name}, {function.split('[')[0]}"


def share(part: int, whole: int) -> str:
    return f"{100.0 * part / whole:.1f} %" if whole else "-"


def write(mutations: Sequence[Mutation], trials: Mapping[str, Trial]) -> None:
    PAGE.write_text(text(mutations, trials))
