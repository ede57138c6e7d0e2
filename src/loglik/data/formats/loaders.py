"""PyTorch's own data sets and loaders as rows in memory: events, or pairs of events and contexts."""

from collections.abc import Iterator, Sized

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from loglik.arguments.tensors import tensor_of
from loglik.errors import EmptyData, ShapeMismatch, UsageError

PAIR = 2  # events and contexts


def is_loader(data: object) -> bool:
    return isinstance(data, DataLoader | Dataset)


def read_loader(data: object) -> tuple[Tensor, Tensor | None]:
    """Events (N, *event) and their contexts (N, *c), or None, of a TensorDataset, any other data set, or a DataLoader.

    Raises:
        UsageError: items that are neither events nor pairs, or a data set without a length. ShapeMismatch: events of
        several shapes.
    """
    if isinstance(data, TensorDataset):
        return _pair(data.tensors)
    if isinstance(data, DataLoader):
        return _joined(_pair(batch) for batch in data)
    if isinstance(data, IterableDataset) or not (isinstance(data, Dataset) and isinstance(data, Sized)):
        raise UsageError("Expected a data set with a length; got one without. Read its rows into a tensor first.")
    return _joined(_row(data[place]) for place in range(len(data)))


def _pair(batch: object) -> tuple[Tensor, Tensor | None]:
    """A batch as its loader gives it: events, or a list of events and maybe contexts."""
    if not isinstance(batch, list | tuple):
        return tensor_of(batch, "the events"), None
    if not 1 <= len(batch) <= PAIR:
        raise UsageError(f"Expected events, or events and contexts, from the loader; got items of {len(batch)} parts.")
    x = tensor_of(batch[0], "the events")
    return x, tensor_of(batch[1], "the contexts") if len(batch) == PAIR else None


def _row(item: object) -> tuple[Tensor, Tensor | None]:
    x, context = _pair(item if isinstance(item, list | tuple) else (item,))
    return x.unsqueeze(0), None if context is None else context.unsqueeze(0)


def _joined(batches: Iterator[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    events, contexts = [], []
    for x, context in batches:
        events.append(x)
        contexts += [] if context is None else [context]
    if not events:
        raise EmptyData("Expected at least one row; got none from the loader.")
    try:
        return torch.cat(events), torch.cat(contexts) if len(contexts) == len(events) else None
    except RuntimeError:
        raise ShapeMismatch("Expected events of one shape from the loader; got several.") from None
