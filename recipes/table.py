"""RESULTS.md, from the recorded runs of the recipes and of the benchmarks: the same records give the same text."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loglik.report import wording
from loglik.report.wording import Unit
from loglik.score import score_from_json
from recipes.recipe import HERE, RESULTS, Published, Recipe, recipes

BENCHMARKS = HERE.parent / "benchmarks" / "results"
HEAD = """\
# Results

Written by `python -m recipes table` from the recorded runs in `recipes/results` and `benchmarks/results`; not by hand.

Every number says what it is. For bits/dim and for nats of -log p less is better, and `<=` marks what a lower bound of
the likelihood gives: the model is at least that good. `+-` is one standard error over the held-out rows. Published
numbers stand as they were published, with the kind their authors state.

Each record has its day. Until 2026-11-29 models shifted and scaled their data in single precision, by plain means and
deviations; contexts were read in their own unit; fits had other defaults (looks at validation, weight decay, batches
under a budget); and errors took all rows for independent, which for texts, recordings and crops of one photograph
makes them too small. Records since then are free of this.
"""
SPEED = """\
The same task for all, in turns within one process. A ratio above 1 says that ours takes less time; the bar is what we
aim at. How fast products by themselves are in bfloat16, to which the rows of bfloat16 come down, says `product-bf16`.
"""


def results(folder: Path = HERE, recorded: Path = RESULTS, benchmarks: Path = BENCHMARKS) -> str:
    """The text of RESULTS.md."""
    done = [
        (recipe, path) for recipe in recipes(folder).values() if (path := recorded / f"{recipe.name}.json").exists()
    ]
    runs = [(recipe, json.loads(path.read_text())) for recipe, path in done]
    measured = [json.loads(path.read_text()) for path in sorted(benchmarks.glob("*.json"))]
    timed = [entry for entry in measured if "ratios" in entry]
    weighed = [entry for entry in measured if "peaks" in entry]
    learned = [entry for entry in measured if "libraries" in entry]
    solved = [entry for entry in measured if "accuracy" in entry]
    parts = [HEAD, "## Likelihoods\n", _likelihoods(runs)]
    if runs:
        parts += ["## How each was measured\n", *(_recipe(recipe, run) for recipe, run in runs)]
    if learned:
        parts += ["## Likelihoods beside other libraries\n", _densities(learned)]
    if timed:
        parts += ["## Speed beside other libraries\n", SPEED, _speed(timed)]
    if solved:
        parts += ["## Evaluations of continuous flows at the same accuracy\n", _accuracy(solved)]
    if weighed:
        parts += ["## Memory\n", _memory(weighed)]
    return "\n".join(parts)


def _likelihoods(runs: Sequence[tuple[Recipe, dict[str, Any]]]) -> str:
    head = ["data", "model", "measured", "kind", "published", "kind", "rows", "fit", "recipe"]
    lines = []
    for recipe, run in runs:
        for standing in run["standings"]:
            published = recipe.published.get(standing["name"])
            score, took = standing["score"], _seconds(standing["fit_seconds"])
            lines.append([run["data"]["name"], standing["name"], *_measured(score, recipe.unit), *_published(published),
                          str(score["events"]), took, f"[{recipe.name}](#{recipe.name})"])  # fmt: skip
        if run.get("truth"):
            truth = run["truth"]
            rows, link = str(truth["events"]), f"[{recipe.name}](#{recipe.name})"
            lines.append(
                [run["data"]["name"], "the source itself", *_measured(truth, recipe.unit), "-", "", rows, "", link]
            )
        lines += [[run["data"]["name"], one["name"], "-", one["error"], *[""] * 5] for one in run["failed"]]
    return table(head, lines) if lines else "None recorded yet: `python -m recipes run NAME`.\n"


def _measured(fields: dict[str, Any], named: str = "") -> tuple[str, str]:
    score = score_from_json(fields)
    unit, claim = _unit(score, named), score["claim"]
    value = _plain(f"{unit.sign(claim)} {unit.measured(score['nats'], score['stderr'])} {unit.name}")
    return value, str(claim) + (f", K={score['samples']}" if score["samples"] else "")


def _unit(score: dict[str, Any], named: str) -> Unit:
    """What the score is told in: what its space calls for, or what the recipe names."""
    if not named:
        return Unit.of(score["space"], [score["stderr"]])
    per_nat = {"nats": -1.0, "nats/value": -1.0 / score["space"].dims}[named]
    return Unit(f"{named} of -log p", per_nat, 2 if named == "nats" else 4)


def _plain(text: str) -> str:
    for sign, ascii_sign in {"\u2264": "<=", "\u2265": ">=", "\u00b1": "+-", wording.MINUS: "-"}.items():
        text = text.replace(sign, ascii_sign)
    return text


def _published(published: Published | None) -> tuple[str, str]:
    return ("-", "") if published is None else (f"{published.value:.2f}", published.kind)


def _seconds(seconds: float) -> str:
    return wording.duration(seconds).replace(wording.THIN, " ")


def _recipe(recipe: Recipe, run: dict[str, Any]) -> str:
    """The command, the machine, the split and the sources of one recipe."""
    hardware, versions = run["hardware"], run["versions"]
    threads = f"{hardware['threads']} thread{'s' * (hardware['threads'] > 1)}"
    machine = ", ".join([hardware["cpu"], threads] + ([hardware["gpu"]] if hardware["gpu"] else []))
    sources = sorted({entry.source for entry in recipe.published.values()})
    lines = [
        f"### {recipe.name}\n",
        f"{recipe.title}. {recipe.note}".strip() + "\n",
        "".join(f"    {line}\n" for line in run["command"].splitlines()),
        f"{run['date']}, {_seconds(run['seconds'])} on {machine};",
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
        f"{one['name']}: {one['steps']} steps, {_seconds(one['cpu_seconds'])} of processor time with scoring; "
        f"{one['stopped']}{_validation(one, unit)}.\n"
        for one in fits
    ]


def _validation(standing: dict[str, Any], unit: str) -> str:
    if standing.get("valid_nats") is None:
        return ""
    score = score_from_json(standing["score"])
    told = _unit(score, unit)
    value = wording.number(standing["valid_nats"] * told.per_nat, told.digits)
    return _plain(f"; {told.sign(score['claim'])} {value} {told.name} on the validation rows")


def _densities(records: Sequence[dict[str, Any]]) -> str:
    """What flows learn of the same rows in the same time: log p of the test rows, more is better."""
    head = ["data", "flow", "library", "nats", "loglik is ahead by", "bad seeds", "parameters", "steps", "machine",
            "date"]  # fmt: skip
    lines = []
    for entry in records:
        machine = f"{entry['cpu']}, {entry['threads']} thread"
        for name, one in entry["libraries"].items():
            finite = [nats for nats in one["nats"] if math.isfinite(nats)]
            mean = f"{sum(finite) / len(finite):.3f}" if finite else "-"
            lead = entry["ahead"].get(name)
            ahead = f"{lead['nats']:+.3f} +- {lead['stderr']:.3f}" if lead else ""
            bad = f"{one['bad_seeds']} of {entry['seeds']}"
            steps = f"{min(one['steps'])} to {max(one['steps'])} in {entry['seconds']:g} s"
            lines.append(
                [entry["data"], entry["flow"], f"{name} {entry['versions'].get(name, '')}".strip(), mean, ahead, bad,
                 str(one["parameters"]), steps, machine, entry["date"][:10]]
            )  # fmt: skip
    return table(head, lines) + "\n" + "".join(f"    {command}\n" for command in _commands(records))


def _speed(records: Sequence[dict[str, Any]]) -> str:
    """Ratios of the interleaved runs, and how far the libraries' answers are apart."""
    head = ["benchmark", "loglik", "peer", "peer's time / ours", "bar", "range", "values differ by", "machine", "date"]
    lines = []
    for entry in records:
        ours = f"{entry['ms']['loglik']:.1f} ms"
        machine = f"{entry['cpu']}, {entry['threads']} threads"
        for peer, ratio in entry["ratios"].items():
            named = f"{peer} {entry['versions'].get(peer, '')}".strip()
            if peer in entry.get("extrapolated", {}):
                named += f" (extrapolated from {entry['extrapolated'][peer]:.1%} of the work)"
            between = f"{ratio['min']:.1f} to {ratio['max']:.1f} in {entry['rounds']} rounds"
            difference = entry["agreement"].get(peer, {}).get("relative_difference")
            apart = "" if difference is None or math.isnan(difference) else f"{difference:.0e}"
            lines.append(
                [entry["row"], ours, named, f"{ratio['median']:.2f}x", _bar(ratio), between, apart, machine,
                 entry["date"][:10]]
            )  # fmt: skip
        lines += [[entry["row"], ours, peer, reason, "", "", "", machine, entry["date"][:10]]
                  for peer, reason in entry["missing"].items()]  # fmt: skip
    return table(head, lines) + "\n" + "".join(f"    {command}\n" for command in _commands(records))


def _bar(ratio: dict[str, Any]) -> str:
    if ratio["bar"] is None:
        return ""
    return f"{ratio['bar']:.2f}x: {'reached' if ratio['reached'] else 'not reached'}"


def _accuracy(records: Sequence[dict[str, Any]]) -> str:
    """How often the field is evaluated for the same mean error of log p; ours beside what its pilots took."""
    head = ["measurement", "peer", "peer's evaluations", "mean error, nats", "loglik's", "mean error, nats", "pilots'"]
    lines = [
        [entry["row"], f"{name} {entry['versions'].get(name.split()[0], '')}", str(one["evaluations"]),
         f"{one['mean_error']:.1e}", f"{one['ours']['evaluations']:.1f}", f"{one['ours']['mean_error']:.1e}",
         str(one["ours"]["of_pilots"])]
        for entry in records for name, one in entry["accuracy"].items()
    ]  # fmt: skip
    return table(head, lines) + "\n" + "".join(f"    {command}\n" for command in _commands(records))


def _commands(records: Sequence[dict[str, Any]]) -> list[str]:
    return sorted({entry["command"] for entry in records})


def _memory(records: Sequence[dict[str, Any]]) -> str:
    """Peaks over the idle process, beside what is allowed."""
    head = ["measurement", "model", "peak over idle", "allowed", "time", "machine", "date"]
    lines = [
        [entry["row"], name, f"{peak['over_idle_mb']:.0f} MB", f"{entry['bar_mb']} MB", f"{peak['seconds']:.1f} s",
         f"{entry['cpu']}, {entry['threads']} threads", entry["date"][:10]]
        for entry in records for name, peak in entry["peaks"].items()
    ]  # fmt: skip
    return table(head, lines) + "\n" + "".join(f"    {entry['command']}\n" for entry in records)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Markdown; a bar inside a cell is escaped."""
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (head, ["---"] * len(head), *lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"
