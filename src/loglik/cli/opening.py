"""The data of a command: opened as its options say, opened again as a run had them, and what is told of them."""

import os
from dataclasses import dataclass, replace

from loglik.cli.console import talk
from loglik.cli.options import columns_of
from loglik.data import Dataset, Source, open_dataset
from loglik.data.splits import PARTS, TOGETHER, in_words
from loglik.errors import ContextError, DataError, UsageError
from loglik.records import Record
from loglik.spaces import Space, space_from_json

ContextColumns = bool | tuple[str, ...] | None  # True for labels, names of columns, None for none


@dataclass(frozen=True)
class Opening:
    """The data set that the options of a command describe; `context` as `context_of` reads it."""

    data: str
    seed: int
    space: Space | str | None
    context: ContextColumns
    window: int | None
    together: bool
    weights: str | None = None  # a column

    def open(self) -> Dataset:
        return open_dataset(
            self.data, seed=self.seed, space=self.space, context=self.context, window=self.window,
            keep_equal_rows_together=self.together, weights=self.weights,
        )  # fmt: skip

    def again(self, record: Record) -> Dataset:
        """The data of a run, opened as they were when it began, except for what the options state."""
        about = record["data"]
        recorded = space_from_json(about["space"]) if about.get("space") else None
        opening = self._as_recorded(record)
        found: Dataset | None = None
        try:
            found = opening.open()
            if self.space or recorded in (None, found.space):
                return found
        except DataError:
            if self.space or recorded is None:
                raise
        try:
            return replace(opening, space=recorded).open()
        except (DataError, UsageError):
            if found is None:
                raise
            return found  # other data: the run refuses them, and names its own

    def _as_recorded(self, record: Record) -> "Opening":
        """These options, completed from a record: seed, context, window and split."""
        about, fit = record["data"], record.get("fit") or {}
        split = about.get("split") or {}
        context = self.context
        if context is None and about.get("context") is not None:
            context = tuple(about["context_columns"]) if about.get("context_columns") else True
        return replace(
            self,
            seed=(fit.get("options") or {}).get("seed") or 0,
            context=context,
            window=self.window or split.get("window"),
            weights=self.weights or about.get("weights"),
            together=self.together or bool(split.get(TOGETHER)),
        )


def context_of(data: str, words: str | None) -> ContextColumns:
    """True for the labels of a built-in set or folder, names of columns for a file, None for none."""
    if words is None:
        return None
    if words == "label" and (os.path.isdir(data) or ("." not in data and "/" not in data)):
        return True
    return columns_of(words)


def contexts_like(about: Record, given: ContextColumns) -> ContextColumns:
    """The context columns of a run, `about` its data; what is given must be the same.

    Raises:
        ContextError: other columns, or another order.
    """
    own = about.get("context_columns")
    if own is None:
        return given
    if given not in (None, tuple(own)):
        raise ContextError(
            f"Expected the context columns of the run, {', '.join(own)}; got others. Leave --context out."
        )
    return tuple(own)


def tell_split(dataset: Dataset) -> None:
    """Say on stderr how the file was read and its rows split. Called when the work begins: a refusal is one line."""
    tell_reading(dataset.name, dataset)
    talk(f"Split: {in_words(dataset)}.")
    for remark in remarks_on_parts(dataset):
        talk(f"{remark}.")


def tell_reading(name: str, data: Dataset | Source) -> None:
    """Say on stderr how a file was read, and what a user should know of it."""
    if data.read_as:
        talk(f"{name}: read as: {data.read_as}.")
    if remark := remark_on(data):
        talk(f"{name}: {remark}.")


def remark_on(data: Dataset | Source) -> str:
    """What a user should know of a file; empty where it only repeats how the file was read."""
    return "" if data.remark == f"read as: {data.read_as}" else data.remark


def remarks_on_parts(dataset: Dataset) -> list[str]:
    """What a user should know of the parts, each with the name of its part."""
    remarks = {part: getattr(dataset, part).remark for part in PARTS}
    return [f"{part}: {remark}" for part, remark in remarks.items() if remark]
