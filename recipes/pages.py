"""The pages under docs/results: every recorded row, with its command, machine and date."""

import math
from collections.abc import Sequence
from typing import Any

from loglik.report import wording
from loglik.score import score_from_json
from recipes.cells import apart, lead, measured, plain, published_cells, ratio, seconds, table, unit_of
from recipes.recipe import Recipe
from recipes.records import Record, Records

LIKELIHOODS = """\
# Likelihoods

Written by `make results` from the records in `recipes/results`; not by hand. Summary: [RESULTS](../../RESULTS.md).

Every number says what it is. For bits/dim and for nats of -log p less is better, and `<=` marks what a lower bound of
the likelihood gives: the model is at least that good. `+-` is one standard error over the held-out rows. Published
numbers stand as they were published, with the kind their authors state.

Each record has its day. Until 2026-11-29 models shifted and scaled their data in single precision, by plain means and
deviations; contexts were read in their own unit; fits had other defaults (looks at validation, weight decay, batches
under a budget); and errors took all rows for independent, which for texts, recordings and crops of one photograph
makes them too small. Records since then are free of this.
"""
LEARNED = """\
# Likelihoods beside other libraries

Written by `make results` from the records in `benchmarks/results`; not by hand. Summary: [RESULTS](../../RESULTS.md).

What flows learn of the same rows in the same processor time: log p of the test rows, more is better. A seed is bad if
its test score is not finite, or worse than that of independent normals.
"""
SPEED = """\
# Speed beside other libraries

Written by `make results` from the records in `benchmarks/results`; not by hand. Summary: [RESULTS](../../RESULTS.md).

The same task for all, in turns within one process. A ratio above 1 says that ours takes less time; the bar is what we
aim at. How fast products by themselves are in bfloat16, to which the rows of bfloat16 come down, says `product-bf16`.
"""
SOLVERS = """\
# Evaluations of continuous flows at the same accuracy

Written by `make results` from the records in `benchmarks/results`; not by hand. Summary: [RESULTS](../../RESULTS.md).

How often the field is evaluated for the same mean error of log p. Ours are counted for each event, on average; what the
32 pilots took, which find the steps, stands in the last column.
"""
MEMORY = """\
# Memory

Written by `make results` from the records in `benchmarks/results`; not by hand. Summary: [RESULTS](../../RESULTS.md).

Peaks over the process that has loaded the model and waits.
"""
FEW = """\
# Few rows

Written by `make results` from the records in `benchmarks/results`; not by hand. Summary: [RESULTS](../../RESULTS.md).

Posterior predictives beside point estimates fitted to the same few rows: nats of the held-out rows, more is better. A
lead is paired, with the standard error of its mean over the held-out rows; the bar is two of them. Where one row
decides a mean, its standard error is as large as the lead: see the median row too.
"""


def pages(records: Records) -> dict[str, str]:
    """File name -> text; a kind of which nothing is recorded has no page."""
    written = {"likelihoods.md": _likelihoods(records.runs)}
    for name, head, rows, entries in (
        ("libraries.md", LEARNED, _learned, records.learned),
        ("speed.md", SPEED, _speed, records.timed),
        ("solvers.md", SOLVERS, _solved, records.solved),
        ("memory.md", MEMORY, _weighed, records.weighed),
        ("few-rows.md", FEW, _paired, records.paired),
    ):
        if entries:
            written[name] = "\n".join([head, rows(entries), _commands(entries)])
    return written


def _commands(records: Sequence[Record]) -> str:
    return "".join(f"    {command}\n" for command in sorted({entry["command"] for entry in records}))


def _likelihoods(runs: Sequence[tuple[Recipe, Record]]) -> str:
    head = ["data", "model", "measured", "kind", "published", "kind", "rows", "fit", "recipe"]
    lines = []
    for recipe, run in runs:
        data, link = run["data"]["name"], f"[{recipe.name}](#{recipe.name})"
        for standing in run["standings"]:
            name, score, took = standing["name"], standing["score"], seconds(standing["fit_seconds"])
            published = published_cells(recipe.published.get(name))
            lines.append([data, name, *measured(score, recipe.unit), *published, str(score["events"]), took, link])
        if run.get("truth"):
            truth = run["truth"]
            told = measured(truth, recipe.unit)
            lines.append([data, "the source itself", *told, "-", "", str(truth["events"]), "", link])
        lines += [[data, one["name"], "-", one["error"], *[""] * 5] for one in run["failed"]]
    rows = table(head, lines) if lines else "None recorded yet: `python -m recipes run NAME`.\n"
    how = ["## How each was measured\n", *(_recipe(recipe, run) for recipe, run in runs)] if runs else []
    return "\n".join([LIKELIHOODS, rows, *how])


def _recipe(recipe: Recipe, run: Record) -> str:
    """The command, the machine, the split and the sources of one recipe."""
    hardware, versions = run["hardware"], run["versions"]
    threads = f"{hardware['threads']} thread{'s' * (hardware['threads'] > 1)}"
    machine = ", ".join([hardware["cpu"], threads] + ([hardware["gpu"]] if hardware["gpu"] else []))
    sources = sorted({entry.source for entry in recipe.published.values()})
    lines = [
        f"### {recipe.name}\n",
        f"{recipe.title}. {recipe.note}".strip() + "\n",
        "".join(f"    {line}\n" for line in run["command"].splitlines()),
        f"{run['date']}, {seconds(run['seconds'])} on {machine};",
        f"loglik {versions['loglik']}, torch {versions['torch']}.",
        f"Split: {wording.split(run['data']['split'])}.\n",
        *(f"Published: {source}.\n" for source in sources),
        *_processor(run["standings"], recipe.unit),
    ]
    return "\n".join(lines)


def _processor(standings: Sequence[dict[str, Any]], unit: str) -> list[str]:
    """What single fits took of the processor, why they ended, and what they had reached on the validation rows."""
    fits = [one for one in standings if "cpu_seconds" in one]
    return [
        f"{one['name']}: {one['steps']} steps, {seconds(one['cpu_seconds'])} of processor time with scoring; "
        f"{one['stopped']}{_validation(one, unit)}.\n"
        for one in fits
    ]


def _validation(standing: dict[str, Any], unit: str) -> str:
    if standing.get("valid_nats") is None:
        return ""
    score = score_from_json(standing["score"])
    told = unit_of(score, unit)
    value = wording.number(standing["valid_nats"] * told.per_nat, told.digits)
    return plain(f"; {told.sign(score['claim'])} {value} {told.name} on the validation rows")


def _learned(records: Sequence[Record]) -> str:
    head = ["data", "flow", "library", "nats", "loglik is ahead by", "bad seeds", "parameters", "steps", "machine",
            "date"]  # fmt: skip
    lines = []
    for entry in records:
        machine = f"{entry['cpu']}, {entry['threads']} thread"
        for name, one in entry["libraries"].items():
            finite = [nats for nats in one["nats"] if math.isfinite(nats)]
            mean = f"{sum(finite) / len(finite):.3f}" if finite else "-"
            ahead = lead(entry["ahead"][name]) if name in entry["ahead"] else ""
            bad = f"{one['bad_seeds']} of {entry['seeds']}"
            steps = f"{min(one['steps'])} to {max(one['steps'])} in {entry['seconds']:g} s"
            lines.append(
                [entry["data"], entry["flow"], f"{name} {entry['versions'].get(name, '')}".strip(), mean, ahead, bad,
                 str(one["parameters"]), steps, machine, entry["date"][:10]]
            )  # fmt: skip
    return table(head, lines)


def _speed(records: Sequence[Record]) -> str:
    """Ratios of the interleaved runs, and how far the libraries' answers are apart."""
    head = ["benchmark", "loglik", "peer", "peer's time / ours", "bar", "range", "values differ by", "machine", "date"]
    lines = []
    for entry in records:
        ours = f"{entry['ms']['loglik']:.1f} ms"
        where = [f"{entry['cpu']}, {entry['threads']} threads", entry["date"][:10]]
        for peer, one in entry["ratios"].items():
            named = f"{peer} {entry['versions'].get(peer, '')}".strip()
            if peer in entry.get("extrapolated", {}):
                named += f" (extrapolated from {entry['extrapolated'][peer]:.1%} of the work)"
            between = f"{one['min']:.1f} to {one['max']:.1f} in {entry['rounds']} rounds"
            difference = apart(entry["agreement"].get(peer, {}).get("relative_difference"))
            lines.append([entry["row"], ours, named, ratio(one["median"]), _bar(one), between, difference, *where])
        lines += [[entry["row"], ours, peer, reason, "", "", "", *where] for peer, reason in entry["missing"].items()]
    return table(head, lines)


def _bar(one: dict[str, Any]) -> str:
    return "" if one["bar"] is None else f"{ratio(one['bar'])}: {'reached' if one['reached'] else 'not reached'}"


def _solved(records: Sequence[Record]) -> str:
    head = ["measurement", "peer", "peer's evaluations", "mean error, nats", "loglik's", "mean error, nats", "pilots'"]
    lines = [
        [entry["row"], f"{name} {entry['versions'].get(name.split()[0], '')}", str(one["evaluations"]),
         f"{one['mean_error']:.1e}", f"{one['ours']['evaluations']:.1f}", f"{one['ours']['mean_error']:.1e}",
         str(one["ours"]["of_pilots"])]
        for entry in records for name, one in entry["accuracy"].items()
    ]  # fmt: skip
    return table(head, lines)


def _weighed(records: Sequence[Record]) -> str:
    head = ["measurement", "model", "peak over idle", "allowed", "time", "machine", "date"]
    lines = [
        [entry["row"], name, f"{peak['over_idle_mb']:.0f} MB", f"{entry['bar_mb']} MB", f"{peak['seconds']:.1f} s",
         f"{entry['cpu']}, {entry['threads']} threads", entry["date"][:10]]
        for entry in records for name, peak in entry["peaks"].items()
    ]  # fmt: skip
    return table(head, lines)


def _paired(records: Sequence[Record]) -> str:
    head = ["data", "rows", "columns", "model", "nats", "ahead of", "by", "in the median row", "split", "date"]
    lines = []
    for entry in records:
        base, about = entry["base"], [entry["data"], str(entry["rows"]), str(entry["dims"])]
        how = [entry["split"], entry["date"][:10]]
        lines.append([*about, base["name"], lead(base).lstrip("+"), "", "", "", *how])
        for name, one in entry["others"].items():
            median = f"{one['ahead']['median']:+.3f}" if "median" in one["ahead"] else ""
            lines.append([*about, name, lead(one).lstrip("+"), base["name"], lead(one["ahead"]), median, *how])
    return table(head, lines)
