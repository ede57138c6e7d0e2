"""Data as the rest of the package sees them: rows of events of one space, in memory or streamed, with fixed splits."""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loglik.arguments.memory import check_memory
from loglik.errors import EmptyData, ShapeMismatch
from loglik.ops import has_gaps
from loglik.spaces import Space

VALUES_AT_ONCE = 1 << 26  # of a source that is read whole, about so many values are read together
Batch = tuple[Tensor, Tensor | None]  # events (B, *event) and their contexts (B, *c), or None


class Source(ABC):
    """Rows of events, and possibly one context for each, in a fixed order.

    `rows` is None where only reading to the end tells. `batches` may be called any number of times; each pass gives
    the same rows in the same order, the last batch as short as it comes. `columns` names the values of an event, and
    `context_columns` those of a context, where the data came with names. `vocabulary` is what the levels stand for, one
    string each, where they are symbols; `sample_rate` is that of sound, in Hz. `read_as` says how a file was read, and
    `remark` what a user should know of it.

    `stream` says that the rows are windows of one long sequence, each going on where the one before it ended: a text,
    a recording. Models that can (`Model.carries`) then remember earlier windows.

    `groups` (N,), whole numbers, says which rows depend on each other where they come from one thing: crops of one
    photograph, words of one speaker. Rows of one group have one number; None says that rows are independent.

    `weights` (N,), float64, says how many times each row counts in a fit; None for once. A source that is streamed
    brings them with its batches alone: `weighted_batches`. `weights_column` is the column of a table that they were.

    `gaps` counts the values that are missing, NaN, of reals; None where only reading to the end tells.
    """

    space: Space
    context_space: Space | None = None
    rows: int | None = None
    columns: tuple[str, ...] | None = None
    context_columns: tuple[str, ...] | None = None
    vocabulary: tuple[str, ...] | None = None
    sample_rate: int | None = None
    stream: bool = False
    groups: Tensor | None = None
    weights: Tensor | None = None
    weights_column: str | None = None
    read_as: str = ""
    remark: str = ""

    @property
    def gaps(self) -> int | None:
        return None

    @abstractmethod
    def batches(self, size: int) -> Iterator[Batch]:
        """All rows in order, `size` at a time."""

    def weighted_batches(self, size: int) -> Iterator[tuple[Tensor, Tensor | None, Tensor | None]]:
        """The same with the weights of the rows (B,), None where each counts once."""
        start = 0
        for x, c in self.batches(size):
            yield x, c, None if self.weights is None else self.weights[start : start + len(x)]
            start += len(x)

    def read(self) -> "Memory":
        """All rows in memory.

        Raises:
            TooLarge: more rows than fit into it.
        """
        xs: list[Tensor] = []
        cs: list[Tensor] = []
        ws: list[Tensor] = []
        whole, filled = None, 0
        for x, c, w in self.weighted_batches(max(1, min(65536, VALUES_AT_ONCE // self.space.dims))):
            if whole is None and self.rows is not None and self.rows > len(x):
                needed = float(x[0].nbytes) * self.rows
                check_memory(needed, f"{self.rows} events of {self.space}", "Take fewer of them.")
                whole = x.new_empty(self.rows, *x.shape[1:])
            if whole is None:
                xs.append(x)
            else:
                whole[filled : filled + len(x)] = x
            filled += len(x)
            cs += [] if c is None else [c]
            ws += [] if w is None else [w]
        x = whole[:filled] if whole is not None else torch.cat(xs) if len(xs) > 1 else xs[0]  # one part is not copied
        c = torch.cat(cs) if self.context_space is not None else None
        memory = Memory(
            self.space, x, c, self.context_space, self.columns,
            stream=self.stream, vocabulary=self.vocabulary, sample_rate=self.sample_rate, groups=self.groups,
            context_columns=self.context_columns,
        )  # fmt: skip
        memory.weights, memory.weights_column = torch.cat(ws) if ws else None, self.weights_column
        memory.read_as, memory.remark = self.read_as, self.remark
        return memory

    @property
    def fingerprint(self) -> str:
        """Identifies the rows, their contexts and their order: equal for equal ones."""
        digest = RowDigest()
        for x, context in self.batches(65536):
            digest.update(x, context)
        return digest.hexdigest()


def rebatched(parts: Iterable[Batch], size: int) -> Iterator[Batch]:
    """The same rows in the same order, `size` at a time; the last batch is as short as it comes."""
    held: list[Batch] = []
    for part in parts:
        held.append(part)
        while _rows(held) >= size:
            x, c = _joined(held)
            yield x[:size], None if c is None else c[:size]
            held = [(x[size:], None if c is None else c[size:])]
    if _rows(held):
        yield _joined(held)


def _rows(parts: Sequence[Batch]) -> int:
    return sum(len(x) for x, _ in parts)


def _joined(parts: Sequence[Batch]) -> Batch:
    if len(parts) == 1:  # not copied
        return parts[0]
    contexts = [c for _, c in parts if c is not None]
    return torch.cat([x for x, _ in parts]), torch.cat(contexts) if contexts else None


class RowDigest:
    """Hashes events and contexts batch by batch; the same rows give the same digest however they are cut into batches.

    The digest is "ROWS", or "ROWS-CONTEXTS" where there are contexts.
    """

    def __init__(self) -> None:
        self._rows = hashlib.blake2b(digest_size=8)
        self._contexts: hashlib.blake2b | None = None

    def update(self, x: Tensor, context: Tensor | None = None) -> None:
        _hash_into(self._rows, x)
        if context is not None:
            self._contexts = self._contexts or hashlib.blake2b(digest_size=8)
            _hash_into(self._contexts, context)

    def hexdigest(self) -> str:
        return self._rows.hexdigest() + (f"-{self._contexts.hexdigest()}" if self._contexts else "")


def _hash_into(digest: hashlib.blake2b, values: Tensor) -> None:
    kind = torch.float64 if values.is_floating_point() else torch.int64
    for part in torch.split(values, 4096):
        same = part.detach().cpu().to(kind)
        if has_gaps(same):  # a NaN has many forms
            same = torch.where(same.isnan(), math.nan, same)
        digest.update(np.ascontiguousarray(same.numpy()).data)


class Memory(Source):
    """Events in memory: x (N, *event), context (N, *c) or None. Discrete data may be of any integer dtype."""

    def __init__(
        self,
        space: Space,
        x: Tensor,
        context: Tensor | None = None,
        context_space: Space | None = None,
        columns: tuple[str, ...] | None = None,
        *,
        stream: bool = False,
        vocabulary: tuple[str, ...] | None = None,
        sample_rate: int | None = None,
        groups: Tensor | None = None,
        context_columns: tuple[str, ...] | None = None,
    ) -> None:
        if len(x) == 0:
            raise EmptyData("Expected at least one row; got none.")
        space.check_shape(x)
        if groups is not None and groups.shape != (len(x),):
            raise ShapeMismatch(f"Expected one group for each of {len(x)} rows; got shape {tuple(groups.shape)}.")
        self.space, self.x, self.context, self.context_space = space, x, context, context_space
        self.columns, self.stream, self.vocabulary, self.sample_rate = columns, stream, vocabulary, sample_rate
        self.groups, self.context_columns = groups, context_columns
        self.rows: int = len(x)

    @cached_property
    def gaps(self) -> int:
        return int(self.x.isnan().sum()) if has_gaps(self.x) else 0

    def batches(self, size: int) -> Iterator[Batch]:
        for start in range(0, len(self.x), size):
            yield self.x[start : start + size], self._context(slice(start, start + size))

    def take(self, index: Tensor) -> Batch:
        return self.x[index], self._context(index)

    def subset(self, index: Tensor) -> "Memory":
        """The rows of these numbers; still a stream only if they follow each other."""
        x, c = self.take(index)
        together = bool((index.diff() == 1).all())
        chosen = self.replaced(x, c, stream=self.stream and together)
        chosen.groups = None if self.groups is None else self.groups[index.to(self.groups.device)]
        chosen.weights = None if self.weights is None else self.weights[index.to(self.weights.device)]
        return chosen

    def replaced(self, x: Tensor, context: Tensor | None, *, stream: bool, space: Space | None = None) -> "Memory":
        """Other events in place of these, one for each, with all that is known of them."""
        other = Memory(
            space or self.space, x, context, self.context_space, self.columns,
            stream=stream, vocabulary=self.vocabulary, sample_rate=self.sample_rate,
            groups=self.groups if len(x) == self.rows else None, context_columns=self.context_columns,
        )  # fmt: skip
        other.weights, other.weights_column = self.weights if len(x) == self.rows else None, self.weights_column
        other.read_as = self.read_as
        return other

    def read(self) -> "Memory":
        return self

    def _context(self, index: Tensor | slice) -> Tensor | None:
        return None if self.context is None else self.context[index]


@dataclass(frozen=True)
class Dataset:
    """A named data set with its fixed split; `split` says in words and numbers how it was made.

    `log_density`, where the truth is known, is log p of the source itself: (B, *event) -> (B,) in nats; then the regret
    of a model, E log p(x) - E log p_model(x), is measured. `entropy` is the source's known entropy in nats per event.
    `read_as` and `remark` are those of the file that was cut.
    """

    name: str
    train: Memory
    valid: Memory
    test: Memory
    split: dict[str, Any]
    about: str = ""
    log_density: Callable[[Tensor], Tensor] | None = None
    entropy: float | None = None
    read_as: str = ""
    remark: str = ""

    @property
    def space(self) -> Space:
        return self.train.space

    @property
    def context_space(self) -> Space | None:
        return self.train.context_space
