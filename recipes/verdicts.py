"""What the benchmarks were to reach and whether they did: one verdict for each comparison, whatever was measured."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from recipes.cells import apart, lead, ratio
from recipes.records import Record, Records

SIZE = re.compile(r"-(?=\d)")  # a benchmark's name ends where its sizes begin: maf-training | 63


@dataclass(frozen=True)
class Verdict:
    """One comparison of a benchmark.

    benchmark, size: maf-training, 63   beside: the peer   measured, bar: as they are shown; no bar is empty
    page: where the row stands   margin: the less, the worse; compared within one benchmark
    """

    benchmark: str
    size: str
    beside: str
    measured: str
    bar: str
    reached: bool | None
    margin: float
    page: str


def verdicts(records: Records) -> list[Verdict]:
    found = [one for entry in records.timed for one in _timed(entry)]
    found += [one for entry in records.learned for one in _learned(entry)]
    found += [one for entry in records.solved for one in _solved(entry)]
    found += [one for entry in records.paired for one in _paired(entry)]
    return found + [one for entry in records.weighed for one in _weighed(entry)]


def not_timed(records: Records) -> list[str]:
    """Comparisons that a record names and lacks."""
    entries = [*records.timed, *records.solved]
    return [f"{entry['row']} beside {peer}: {why}" for entry in entries for peer, why in entry["missing"].items()]


def _named(row: str) -> tuple[str, str]:
    benchmark, *size = SIZE.split(row, maxsplit=1)
    return benchmark, "".join(size)


def _timed(entry: Record) -> Iterator[Verdict]:
    """Ratios of times; values too far apart are verdicts too, since they make a ratio worthless."""
    name = _named(entry["row"])
    for peer, one in entry["ratios"].items():
        bar = "" if one["bar"] is None else ratio(one["bar"])
        margin = one["median"] / (one["bar"] or 1.0)
        yield Verdict(*name, peer, ratio(one["median"]), bar, one["reached"], margin, "speed.md")
    for peer, one in entry["agreement"].items():
        if one.get("reached") is False:
            told = f"values differ by {apart(one['relative_difference'])}"
            yield Verdict(*name, peer, told, apart(one["tolerance"]), False, 0.0, "speed.md")


def _learned(entry: Record) -> Iterator[Verdict]:
    """Leads in nats: to be ahead, or behind by less than a standard error."""
    for peer, one in entry["ahead"].items():
        told = f"{lead(one)} nats"
        name = f"likelihood of {entry['flow']}"
        yield Verdict(name, entry["data"], peer, told, "+0 nats", one["reached"], one["nats"], "libraries.md")


def _solved(entry: Record) -> Iterator[Verdict]:
    """Evaluations of the field at the same accuracy."""
    for peer, one in entry["accuracy"].items():
        fewer = one["evaluations"] / one["ours"]["evaluations"]
        told = f"{ratio(fewer)} evaluations"
        yield Verdict(*_named(entry["row"]), peer, told, ratio(1.0), fewer >= 1.0, fewer, "solvers.md")


def _weighed(entry: Record) -> Iterator[Verdict]:
    for model, peak in entry["peaks"].items():
        used, bar = peak["over_idle_mb"], entry["bar_mb"]
        told = f"{used:.0f} MB"
        yield Verdict("memory", entry["row"], model, told, f"{bar} MB", used <= bar, bar / used, "memory.md")


def _paired(entry: Record) -> Iterator[Verdict]:
    """Leads in nats over a point estimate: to be ahead by two standard errors, where a method has a bar."""
    for method, one in entry["others"].items():
        if one["bar"]:
            ahead = one["ahead"]
            errors = ahead["nats"] / ahead["stderr"]
            name = (f"few rows, {method}", f"{entry['data']} {entry['rows']}")
            told = f"{lead(ahead)} nats"
            yield Verdict(*name, entry["base"]["name"], told, "+2 errors", errors > 2.0, errors, "few-rows.md")
