"""The batches of a training: which rows a step sees, and how many."""

from collections.abc import Callable

import torch
from torch import Tensor

from loglik.arguments.ranges import LARGEST_SEED
from loglik.contract import Model
from loglik.data import Memory
from loglik.data.windows import side_by_side

RESIDENT_BYTES = 2 << 30  # training rows up to this size are kept on the model's device
STEPS_WANTED = 3000  # under a budget of time; batches shrink until as many steps fit
CHEAP = 1.25  # a doubled batch is taken if its step takes at most this factor longer
DEAR = 0.01  # larger batches are not tried if a step takes this share of the budget
LEAST_BATCH = 8


class Batches:
    """The rows of step t, which follow from the seed and t alone.

    Each epoch shuffles the rows anew. Where a state is carried, `size` streams are read side by side, window by window,
    and each epoch begins at their beginning.
    """

    def __init__(self, model: Model, rows: Memory, size: int, *, seed: int, carry: bool) -> None:
        self.model, self.source, self.size, self.seed, self.carry = model, near(model, rows), size, seed, carry
        self._order: tuple[int, Tensor] = -1, torch.empty(0)
        given = rows.weights
        self.count = float(rows.rows if given is None else given.sum())  # how many rows it is, by their weights
        self._weights = None if given is None else (given / given.mean()).to(model.device)

    @property
    def in_epoch(self) -> int:
        """Steps in an epoch."""
        return -(-self.source.rows // self.size)

    def begins_epoch(self, step: int) -> bool:
        return step % self.in_epoch == 0

    def at(self, step: int) -> tuple[Tensor, Tensor | None]:
        """Events and contexts, on the model's device."""
        device = self.model.device
        x, context = self.source.take(self._index(step).to(self.source.x.device))
        return x.to(device), None if context is None or self.model.context is None else context.to(device)

    def weights_at(self, step: int) -> Tensor | None:
        """(B,): the weights of the rows of `at`, of mean 1 over an epoch; None where each row counts once."""
        return None if self._weights is None else self._weights[self._index(step).to(self._weights.device)]

    def _index(self, step: int) -> Tensor:
        epoch, place = divmod(step, self.in_epoch)
        if self.carry:
            return next(side_by_side(self.source.rows, self.size, place))
        return self._shuffled(epoch)[place * self.size : (place + 1) * self.size]

    def _shuffled(self, epoch: int) -> Tensor:
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % (LARGEST_SEED + 1))
            self._order = epoch, torch.randperm(self.source.rows, generator=generator)
        return self._order[1]


def fitting_batch(most: int, seconds: float, timed: Callable[[int], float]) -> int:
    """The largest of 8, 16, ... rows, up to `most`, at which STEPS_WANTED steps fit into so many seconds; at least 8.

    A doubled batch is taken anyway if its step takes hardly longer, and not tried if a step is already expensive.

    Args:
        timed: how many seconds a step of so many rows takes.
    """
    size = min(LEAST_BATCH, most)
    timed(size)  # the first one may compile
    took = timed(size)
    while size < most and took <= DEAR * seconds:
        larger = min(2 * size, most)
        takes = timed(larger)
        if takes * STEPS_WANTED > seconds and takes > CHEAP * took:
            break
        size, took = larger, takes
    return size


def near(model: Model, rows: Memory) -> Memory:
    """The rows on the model's device, if they fit, so that no step waits for a transfer."""
    if rows.x.numel() * rows.x.element_size() > RESIDENT_BYTES or rows.x.device == model.device:
        return rows
    context = None if rows.context is None else rows.context.to(model.device)
    return rows.replaced(rows.x.to(model.device), context, stream=rows.stream)
