"""Tensors, arrays and lists as rows of events."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from loglik.data.checks import Origin, as_numbers, check_finite, conform
from loglik.data.infer import Evidence, stated_space
from loglik.data.source import Memory
from loglik.errors import ContextError, EmptyData, NotFinite, NotNumeric, ShapeMismatch, UsageError
from loglik.spaces import Category, Real, Space


def in_memory(data: Any, context: Any, space: Space | str | None) -> Memory:
    """Arrays, tensors and lists as rows; contexts likewise, one for each row."""
    x = as_tensor(data, Origin("the data"))
    shape = tuple(x.shape[1:])
    if space is None:
        evidence = Evidence()
        evidence.update(x)
        chosen = evidence.space(shape)
    else:
        chosen = stated_space(space, shape, "the data")
    x = conform(x, chosen, Origin("the data"))
    if context is None:
        return Memory(chosen, x)
    c, c_space = _context(context)
    if len(c) != len(x):
        raise ContextError(f"Expected one context per row, {len(x)}; got {len(c)}.")
    return Memory(chosen, x, c, c_space)


def as_tensor(data: Any, origin: Origin) -> Tensor:
    """Anything array-like as numbers (N, *event), N and all sizes at least 1; (N,) becomes (N, 1)."""
    if isinstance(data, Tensor):
        if data.is_complex():
            raise NotNumeric(f"Expected real numbers; got complex ones in {origin.name}. Split them into two values.")
        x = data.to(torch.uint8) if data.dtype == torch.bool else data
        x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    else:
        x = _numbers(data, origin)
    if x.ndim == 0:
        raise ShapeMismatch(f"Expected rows of events; got a single number in {origin.name}. Put it in a list.")
    if len(x) == 0:
        raise EmptyData(f"Expected at least one row; got none in {origin.name}.")
    if x.numel() == 0:
        raise ShapeMismatch(f"Expected at least one value per row; got shape {tuple(x.shape)} in {origin.name}.")
    return x.unsqueeze(1) if x.ndim == 1 else x


def _numbers(data: Any, origin: Origin) -> Tensor:
    if isinstance(data, np.ma.MaskedArray):
        data = _unmasked(data, origin)
    try:
        array = np.asarray(data)
    except ValueError as error:  # rows of different lengths
        raise ShapeMismatch(f"Expected rows of one length; got different ones in {origin.name} ({error}).") from None
    if array.dtype == object and array.ndim == 0:
        raise UsageError(f"Expected a tensor, array, list, DataFrame, Source or path; got {type(data).__name__}.")
    return as_numbers(array, origin) if array.size else torch.empty(array.shape)


def _unmasked(data: np.ma.MaskedArray[Any, Any], origin: Origin) -> np.ndarray[Any, Any]:
    """The values, if none is masked: what stands below a mask is no datum."""
    masked = np.ma.getmaskarray(data)
    if masked.any():
        row, flat = (int(i) for i in np.argwhere(masked.reshape(len(data), -1))[0])
        raise NotFinite(
            f"Expected values throughout; got a masked array with {int(masked.sum())} missing ones, the first at "
            f"{origin.place(row, flat, data.shape[1:])}. Remove the rows or fill in the values."
        )
    return data.data


def _context(context: Any) -> tuple[Tensor, Space]:
    """Whole numbers (N,) are labels, a Category; anything else is Real."""
    flat = np.ndim(context) == 1
    c = as_tensor(context, Origin("the context"))
    check_finite(c, Origin("the context"))
    if flat and not c.is_floating_point() and int(c.min()) >= 0:
        labels = c[:, 0].long()
        return labels, Category((), max(2, int(labels.max()) + 1))
    c = c if c.is_floating_point() else c.double()
    return c, Real(tuple(c.shape[1:]))
