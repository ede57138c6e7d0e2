"""One line of the catalog: what is known of a built-in data set before it is loaded. It stands beside its loader."""

from collections.abc import Callable
from dataclasses import dataclass

from loglik.data.builtin.places import missing
from loglik.data.source import Dataset


@dataclass(frozen=True)
class Builtin:
    """A built-in data set: its name, its loader, and its space and what it is, in words.

    `files` are those it is read from, below $LOGLIK_DATA; sets that are drawn or shipped have none. If `labelled`,
    `load(context=True)` gives the labels as contexts. If `windowed`, `load(window=T)` cuts windows of T characters or
    samples, or crops of that side.
    """

    name: str
    load: Callable[..., Dataset]
    space: str
    about: str
    files: tuple[str, ...] = ()
    labelled: bool = False
    windowed: bool = False

    @property
    def available(self) -> bool:
        """Whether all its files are there."""
        return not self.files or not missing(self.files)
