"""RESULTS.md, one screen: every miss first, then the best of each data set, then a line for each benchmark."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loglik.score import score_from_json
from recipes.cells import measured, published_cells, table, unit_of
from recipes.recipe import Published, Recipe
from recipes.records import Record, Records
from recipes.verdicts import Verdict, not_timed, verdicts

FOLDER = "docs/results"
HEAD = f"""\
# Results

Written by `make results` from the records in `recipes/results` and `benchmarks/results`; not by hand. Every row, with
its command, machine and date, is in [likelihoods]({FOLDER}/likelihoods.md), [likelihoods beside other
libraries]({FOLDER}/libraries.md), [speed]({FOLDER}/speed.md), [solvers]({FOLDER}/solvers.md),
[memory]({FOLDER}/memory.md) and [few rows]({FOLDER}/few-rows.md). `=` is exact, `<=` a bound: the model is at least
that good. `+-` is one standard error over the held-out rows. Records before 2026-11-29 were made by other defaults,
which the page of likelihoods names. A ratio is the peer's time / ours; of each benchmark the worst is shown, over its
sizes and its peers.
"""


@dataclass(frozen=True)
class Entry:
    """One model that a recipe fitted: its score, and what is published of it."""

    data: str
    label: str
    recipe: Recipe
    score: Record

    @property
    def name(self) -> str:
        """The model of the zoo, with the recipe's label where it has one."""
        models = [fit.model for fit in self.recipe.fits if fit.name == self.label]
        return self.label if models in ([], [self.label]) else f"{models[0]} ({self.label})"

    @property
    def published(self) -> Published | None:
        return self.recipe.published.get(self.label)

    @property
    def behind(self) -> float:
        """By how much the published value is better, in its unit and to its two digits; 0 where nothing is."""
        if self.published is None:
            return 0.0
        per_nat = unit_of(score_from_json(self.score), self.recipe.unit).per_nat
        apart = self.published.value - round(self.score["nats"] * per_nat, 2)
        return max(0.0, round(-apart if per_nat < 0 else apart, 2))

    def cells(self) -> list[str]:
        link = f"[{self.data}]({FOLDER}/likelihoods.md#{self.recipe.name})"
        return [link, self.name, *measured(self.score, self.recipe.unit)]


def overview(records: Records) -> str:
    """The text of RESULTS.md."""
    entries = [
        Entry(run["data"]["name"], one["name"], recipe, one["score"])
        for recipe, run in records.runs
        for one in run["standings"]
    ]
    parts = [HEAD, "## Not reached\n", *_misses(entries, records)]
    if entries:
        parts += ["## The best of each data set\n", _best(entries, records)]
    reached = [group for group in _benchmarks(records) if not _missed(group)]
    if reached:
        parts += ["## Benchmarks that miss no bar\n", _lines(reached, "comparisons", lambda group: f"{len(group)}")]
    return "\n".join(parts)


def _misses(entries: Sequence[Entry], records: Records) -> list[str]:
    """What is published and better, what missed its bar, and what nobody has measured."""
    parts = []
    worse = [entry for entry in entries if entry.behind]
    if worse:
        head = ["data", "model", "measured", "kind", "published", "kind", "worse by"]
        lines = [[*one.cells(), *published_cells(one.published), f"{one.behind:.2f}"] for one in worse]
        parts.append(table(head, lines))
    missed = [group for group in _benchmarks(records) if _missed(group)]
    if missed:
        parts.append(_lines(missed, "every miss", _every_miss))
    failed = [
        f"{run['data']['name']}, {one['name']}: {one['error']}" for _, run in records.runs for one in run["failed"]
    ]
    unmeasured = [f"`{recipe.name}`" for recipe in records.open]
    for title, words in (("Failed", failed), ("Not timed", not_timed(records)), ("Recipes without a run", unmeasured)):
        if words:
            parts.append(f"{title}: {', '.join(words)}.\n")
    return parts or ["Nothing.\n"]


def _best(entries: Sequence[Entry], records: Records) -> str:
    """The best number of each data set, beside the best published one, or the source's own where it is known."""
    truths = {run["data"]["name"]: (recipe, run["truth"]) for recipe, run in records.runs if run.get("truth")}
    lines = []
    for data in dict.fromkeys(entry.data for entry in entries):
        best = max((entry for entry in entries if entry.data == data), key=lambda entry: entry.score["nats"])
        if data in truths:
            recipe, truth = truths[data]
            value, kind = measured(truth, recipe.unit)
            beside = [value, f"{kind}, the source itself"]
        else:
            beside = _best_published(best, [recipe for recipe, _ in records.runs] + records.open)
        lines.append([*best.cells(), *beside])
    return table(["data", "best model", "measured", "kind", "published", "kind"], lines)


def _best_published(best: Entry, known: Sequence[Recipe]) -> list[str]:
    """Of all recipes for the data; the recipe is linked where it is not that of the best model."""
    published = [
        (one, recipe) for recipe in known if recipe.data == best.recipe.data for one in recipe.published.values()
    ]
    if not published:
        return ["-", ""]
    sign = -1 if unit_of(score_from_json(best.score), best.recipe.unit).per_nat < 0 else 1
    one, recipe = max(published, key=lambda pair: sign * pair[0].value)
    value, kind = published_cells(one)
    return [value, kind if one is best.published else f"{kind}, [{recipe.name}](recipes/{recipe.name}.toml)"]


def _benchmarks(records: Records) -> list[list[Verdict]]:
    """The verdicts of each benchmark; those with a bar only, where any has one."""
    groups: dict[str, list[Verdict]] = {}
    for one in verdicts(records):
        groups.setdefault(one.benchmark, []).append(one)
    return [[one for one in group if one.bar] or group for group in groups.values()]


def _missed(group: Sequence[Verdict]) -> list[Verdict]:
    return [one for one in group if one.reached is False]


def _lines(groups: Sequence[Sequence[Verdict]], last: str, cell: Callable[[Sequence[Verdict]], str]) -> str:
    lines = []
    for group in groups:
        worst = min(group, key=lambda one: one.margin)
        name, beside = f"[{worst.benchmark}]({FOLDER}/{worst.page})", f"{worst.beside}, {worst.size}".rstrip(", ")
        lines.append([name, worst.measured, worst.bar or "none", beside, cell(group)])
    return table(["benchmark", "worst", "bar", "beside", last], lines)


def _every_miss(group: Sequence[Verdict]) -> str:
    """Grouped by size, small ones first."""
    sizes: dict[str, list[str]] = {}
    for miss in _missed(group):
        sizes.setdefault(miss.size, []).append(f"{miss.beside} {miss.measured}")
    numbered = sorted(sizes.items(), key=lambda pair: [int(digits) for digits in re.findall(r"\d+", pair[0])])
    return "; ".join(f"{size}: {', '.join(misses)}" if size else ", ".join(misses) for size, misses in numbered)
