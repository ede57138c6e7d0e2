"""Numbers as the cells of a table show them, and the table."""

import math
from collections.abc import Sequence
from typing import Any

from loglik.report import wording
from loglik.report.wording import Unit
from loglik.score import score_from_json
from recipes.recipe import Published


def measured(fields: dict[str, Any], named: str = "") -> tuple[str, str]:
    """A recorded score and what it is: "= 1.851 +- 0.013 bits/dim", "exact"."""
    score = score_from_json(fields)
    unit, claim = unit_of(score, named), score["claim"]
    value = plain(f"{unit.sign(claim)} {unit.measured(score['nats'], score['stderr'])} {unit.name}")
    return value, str(claim) + (f", K={score['samples']}" if score["samples"] else "")


def unit_of(score: dict[str, Any], named: str) -> Unit:
    """What the score is told in: what its space calls for, or what the recipe names."""
    if not named:
        return Unit.of(score["space"], [score["stderr"]])
    per_nat = {"nats": -1.0, "nats/value": -1.0 / score["space"].dims}[named]
    return Unit(f"{named} of -log p", per_nat, 2 if named == "nats" else 4)


def plain(text: str) -> str:
    for sign, ascii_sign in {"\u2264": "<=", "\u2265": ">=", "\u00b1": "+-", wording.MINUS: "-"}.items():
        text = text.replace(sign, ascii_sign)
    return text


def published_cells(published: Published | None) -> tuple[str, str]:
    return ("-", "") if published is None else (f"{published.value:.2f}", published.kind)


def seconds(of: float) -> str:
    return wording.duration(of).replace(wording.THIN, " ")


def ratio(of: float) -> str:
    return f"{of:.2f}x"


def apart(difference: float | None) -> str:
    """A relative difference of two libraries' values; empty where there is none."""
    return "" if difference is None or math.isnan(difference) else f"{difference:.0e}"


def lead(of: dict[str, Any]) -> str:
    """By how many nats ours is ahead, with the paired standard error."""
    return f"{of['nats']:+.3f} +- {of['stderr']:.3f}"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Markdown; a bar inside a cell is escaped."""
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (head, ["---"] * len(head), *lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"
