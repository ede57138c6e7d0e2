"""The colours of a report: one table for light and dark, and one colour per model in all figures of it.

The first series are those of Okabe and Ito (2008), which colour-blind readers tell apart, lightened on dark paper; the
others follow Tol (2021). No figure relies on colour alone: every mark has its name beside it. Baselines are grey: they
are what the others are measured against.
"""

from collections.abc import Sequence
from itertools import cycle

from loglik.contract import Model
from loglik.registry import Route
from loglik.zoo import ZOO

# name -> on light paper, on dark paper. The light ones differ from each other: figures are drawn in them, and
# `drawing.to_svg` then puts the name in place of the value.
COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#15171b"),
    "ink": ("#1b1d22", "#e8e9ec"),
    "muted": ("#626873", "#9aa1ad"),
    "rule": ("#dfe2e7", "#31353d"),
    "blue": ("#0072b2", "#4aa3df"),
    "vermillion": ("#d55e00", "#f0803c"),
    "green": ("#009e73", "#2bc49a"),
    "purple": ("#b8639a", "#dd9cc0"),
    "orange": ("#d99300", "#ffc04d"),
    "sky": ("#56b4e9", "#9ad4f7"),
    "olive": ("#857a00", "#e6dc5a"),
    "wine": ("#882255", "#d0689a"),
    "teal": ("#2a9d98", "#5cc9c3"),
    "indigo": ("#4b3f9e", "#9188e0"),
    "rose": ("#cc6677", "#e8929f"),
    "brown": ("#8a5a2b", "#c9945f"),
    "stone": ("#7c828d", "#959ca8"),
    "slate": ("#50565f", "#c3c8d0"),
    "ash": ("#9ba1ab", "#737a86"),
}
SERIES = ("blue", "vermillion", "green", "purple", "orange", "sky", "olive", "wine", "teal", "indigo", "rose", "brown")
GREYS = ("ash", "stone", "slate")


def light(name: str) -> str:
    """The colour on light paper, in which figures are drawn."""
    return COLOURS[name][0]


def stylesheet(dark: bool) -> str:
    """CSS custom properties, one for every colour."""
    return " ".join(f"--{name}: {pair[dark]};" for name, pair in COLOURS.items())


def assign(models: Sequence[tuple[str, Model | None]]) -> dict[str, str]:
    """name -> colour name, in order: greys for baselines; where the colours are used up, they come round again."""
    greys, series = cycle(GREYS), cycle(SERIES)
    return {name: next(greys if is_baseline(name, model) else series) for name, model in models}


def is_baseline(name: str, model: Model | None) -> bool:
    entry = ZOO.get(builder_name(name, model))
    return entry is not None and entry.route is Route.BASELINE


def builder_name(name: str, model: Model | None) -> str:
    """The model's name in the zoo; its own name where it is not of the zoo."""
    return str(((model.recipe if model is not None else None) or {}).get("name", name))
