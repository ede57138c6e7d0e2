"""Tensors, arrays and lists as rows of events."""

import math
from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loglik.arguments.memory import check_memory
from loglik.data.checks import Array, Origin, as_numbers, check_finite, conform, one_line, whole_with_a_gap
from loglik.data.infer import Evidence, stated_space
from loglik.data.source import Memory
from loglik.errors import ContextError, EmptyData, NotFinite, NotNumeric, ShapeMismatch, UnreadableData, UsageError
from loglik.ops import has_gaps
from loglik.spaces import Category, Real, Space


def in_memory(data: object, context: object, space: Space | str | None) -> Memory:
    """Arrays, tensors and lists as rows; contexts likewise, one for each row."""
    x = as_tensor(data, Origin("the data"))
    shape = tuple(x.shape[1:])
    if space is None:
        evidence = Evidence()
        evidence.update(x)
        chosen = evidence.space(shape)
        _check_whole_lists(data, x)
    else:
        chosen = stated_space(space, shape, "the data")
    x = conform(x, chosen, Origin("the data"))
    if context is None:
        return Memory(chosen, x)
    c, c_space = _context(context)
    if len(c) != len(x):
        raise ContextError(f"Expected one context per row, {len(x)}; got {len(c)}.")
    return Memory(chosen, x, c, c_space)


def _check_whole_lists(data: object, x: Tensor) -> None:
    """Raises NotFinite for lists of whole numbers with NaN among them, which numpy makes floats of."""
    if not isinstance(data, list | tuple) or not has_gaps(x):
        return
    values = np.array(data, dtype=object).reshape(len(x), -1)[~x.flatten(1).isnan().numpy()]
    evidence = Evidence()
    if all(isinstance(value, Integral) for value in values):
        evidence.update(x.nan_to_num(nan=0.0).long())
        if evidence.whole:
            row, flat = (int(i) for i in x.flatten(1).isnan().nonzero()[0])
            raise whole_with_a_gap(Origin("the data").place(row, flat, tuple(x.shape[1:])))


def as_tensor(data: object, origin: Origin) -> Tensor:
    """Anything array-like as numbers (N, *event), N and all sizes at least 1; (N,) becomes (N, 1)."""
    x = _plain(data, origin) if isinstance(data, Tensor) else _numbers(data, origin)
    if x.ndim == 0:
        raise ShapeMismatch(f"Expected rows of events; got a single number in {origin.name}. Make it an array of rows.")
    if len(x) == 0:
        raise EmptyData(f"Expected at least one row; got none in {origin.name}. Add rows.")
    if x.numel() == 0:
        raise ShapeMismatch(f"Expected at least one value per row; got shape {tuple(x.shape)} in {origin.name}.")
    return x.unsqueeze(1) if x.ndim == 1 else x


def _plain(x: Tensor, origin: Origin) -> Tensor:
    """A tensor of any layout and type as a dense one of uint8, a signed integer type, float32 or float64."""
    if x.is_complex():
        raise NotNumeric(f"Expected real numbers; got complex ones in {origin.name}. Split them into two values.")
    if x.is_nested or x.is_meta:
        kind = "a nested tensor" if x.is_nested else "a tensor without values (meta)"
        raise UnreadableData(f"Expected a tensor of rows of one length; got {kind} in {origin.name}. Convert it first.")
    if x.is_quantized:
        x = x.dequantize()
    if x.layout != torch.strided:
        _check_dense(x.shape, origin)
        x = x.to_dense()
    if x.dtype in (torch.uint16, torch.uint32, torch.uint64):
        return as_numbers(x.cpu().numpy(), origin)
    if x.dtype == torch.bool:
        return x.to(torch.uint8)
    if not x.is_floating_point() or x.dtype in (torch.float32, torch.float64):
        return x
    try:
        return x.float()
    except (RuntimeError, NotImplementedError):
        raise UnreadableData(f"Expected numbers; got {x.dtype} in {origin.name}. Convert it to float32.") from None


def _numbers(data: Any, origin: Origin) -> Tensor:
    if isinstance(data, np.ma.MaskedArray) and data.ndim:
        data = _unmasked(data, origin)
    if isinstance(data, (list, tuple)) and data and all(isinstance(row, Tensor) for row in data):
        data = [_plain(row, origin).detach().cpu().numpy() for row in data]
    if hasattr(data, "nnz") and hasattr(data, "toarray"):  # a sparse matrix of scipy
        _check_dense(data.shape, origin)
        data = data.toarray()
    array = _as_array(data, origin)
    return as_numbers(array, origin) if array.size else torch.empty(array.shape)


def _as_array(data: object, origin: Origin) -> Array:
    wanted = f"Expected a tensor, array, list, DataFrame, Source or path; got {type(data).__name__}"
    try:
        array = np.asarray(data)
    except ValueError as error:  # rows of different lengths
        raise ShapeMismatch(
            f"Expected rows of one length; got different ones in {origin.name} ({one_line(error)})."
        ) from None
    except (TypeError, RuntimeError) as error:
        raise UsageError(f"{wanted}, which cannot be converted ({one_line(error)}).") from None
    if array.ndim == 0 and array.dtype.kind not in "biufc":
        raise UsageError(f"{wanted}.")
    return array


def _check_dense(shape: Iterable[int], origin: Origin) -> None:
    size = math.prod(int(n) for n in shape)
    what = f"{origin.name}, sparse of shape {tuple(shape)}, with its zeros written out,"
    check_memory(8.0 * size, what, "Take fewer rows or columns.")


def _unmasked(data: np.ma.MaskedArray[tuple[int, ...], np.dtype[np.generic]], origin: Origin) -> Array:
    """The values; of reals those below a mask are missing, and of others none may be masked."""
    masked = np.ma.getmaskarray(data)
    if masked.any() and data.dtype.kind == "f":
        return data.filled(math.nan)
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
