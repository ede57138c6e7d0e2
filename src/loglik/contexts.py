"""How nets read the context c of p(x|c): on a scale near one, whatever its unit."""

from typing import Any

import torch
from torch import Tensor

from loglik.arguments.memory import check_memory
from loglik.arguments.ranges import Range, whole
from loglik.arguments.tensors import tensor_of
from loglik.errors import ContextError
from loglik.ops import FAR, KeepsFloat64
from loglik.scales import centre_and_scale
from loglik.spaces import Measure, Space

COUNTS = Range(0, 10**12)
COPIES = 3.0  # of samples on their way out: as drawn, joined, and in float64
MANY_VALUES = 1 << 24  # from so many on the system is asked what memory it has


class ContextReader(KeepsFloat64):
    """Contexts (B, *c) of one space -> inputs of a net (B, C).

    Real contexts are standardised, z = (c - centre) / scale in float64, with what `measure` found in those of the
    training events; what lies further out than FAR is read as FAR, as everything that nets read. Labels and levels have
    no unit, and are read as the space has them.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        self.real = space.measure is Measure.DENSITY
        if self.real:
            self.register_buffer("centre", torch.zeros(space.width, dtype=torch.float64))
            self.register_buffer("scale", torch.ones(space.width, dtype=torch.float64))

    def measure(self, context: Tensor) -> None:
        if self.real:
            centre, scale = centre_and_scale(self.space.features(context))
            self.centre.copy_(centre)
            self.scale.copy_(torch.where(scale > 0, scale, 1.0))

    def forward(self, context: Tensor, dtype: torch.dtype) -> Tensor:
        read = self.space.features(context)
        if self.real:
            read = ((read - self.centre) / self.scale).clamp(-FAR, FAR)
        return read.to(dtype)

    def inverse(self, read: Tensor) -> Tensor:
        """Inputs of a net (B, C) -> the real contexts (B, *c) they stand for."""
        return (read * self.scale + self.centre).reshape(len(read), *self.space.shape)

    def flaw(self) -> str:
        return "" if not self.real or bool((self.scale > 0).all()) else "a scale of the context is not above 0"

    centre: Tensor
    scale: Tensor


def check_contexts(context: Any, space: Space | None, x: Any) -> None:
    """One context for each event of x, for a model of p(x|c) with c in `space`; none where that is None.

    Raises:
        ContextError: a context that is missing or not taken, or another number of rows.
    """
    if context is None:
        if space is not None:
            raise ContextError(f"This model is p(x|c) with c in {space}; got no context.")
        return
    if space is None:
        raise ContextError("This model takes no context; got one. Build it with context=..., or leave it out.")
    rows, events = tensor_of(context, "the contexts").shape, tensor_of(x, "the events").shape
    if rows[:1] != events[:1]:
        got = rows[0] if rows else "a single number"
        raise ContextError(f"Expected one context per event, {events[0] if events else 1}; got {got}.")


def contexts_of_samples(context: Any, space: Space | None, n: int, dims: int) -> Tensor | None:
    """(n, *c): the contexts of n samples of `dims` values, of which a single one is for all; see `check_contexts`.

    Raises:
        UsageError: no number of samples. TooLarge: more samples than there is memory for.
    """
    if whole("the number of samples", n, COUNTS) * dims > MANY_VALUES:
        check_memory(COPIES * 8.0 * n * dims, f"{n} samples of {dims} values", "Draw fewer at a time.")
    if context is None:
        if space is not None:
            raise ContextError(f"This model samples from p(x|c) with c in {space}; got no context.")
        return None
    if space is None:
        raise ContextError("This model takes no context; got one.")
    rows = rows_of_contexts(context, space)
    if len(rows) not in (1, n):
        raise ContextError(f"Expected a context of 1 or {n} rows; got {len(rows)}.")
    return rows.expand(n, *rows.shape[1:])


def rows_of_contexts(context: Any, space: Space) -> Tensor:
    """Contexts of any array type as a tensor (n, *c); a single one, such as a label, as one row."""
    rows = tensor_of(context, "the contexts")
    if tuple(rows.shape) == space.shape:
        return rows.unsqueeze(0)
    if tuple(rows.shape[1:]) != space.shape or not rows.ndim:
        raise ContextError(f"Expected contexts of {space} in rows, {('n', *space.shape)}; got {tuple(rows.shape)}.")
    return rows
