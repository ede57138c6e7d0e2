"""Convert whatever a caller passes as a tensor, or say why it cannot be converted."""

import numpy as np
import torch
from torch import Tensor

from loglik.arguments.memory import check_memory
from loglik.errors import NotFinite, NotNumeric, OutsideSpace, ShapeMismatch, UnreadableData, UsageError

USUAL = {
    torch.float64, torch.float32, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
}  # fmt: skip


def tensor_of(value: object, what: str) -> Tensor:
    """A tensor, array, list or frame of numbers as a dense tensor; most tensors as they are.

    Args:
        what: what it stands for, in messages: "the events".

    Raises:
        UsageError: nothing like an array. NotNumeric: text or complex numbers. NotFinite: an array with a mask.
        ShapeMismatch: rows of different lengths. OutsideSpace: whole numbers beyond 2^63. UnreadableData: a tensor
        without values of its own.
    """
    x = value if isinstance(value, Tensor) else _read(value, what)
    if x.dtype in USUAL and x.layout is torch.strided and x.device.type != "meta" and not x.is_nested:
        return x
    return _converted(x, what)


def _converted(x: Tensor, what: str) -> Tensor:
    if x.is_complex():
        raise NotNumeric(f"Expected real numbers; got complex ones in {what}. Split them into two values.")
    if x.is_nested:
        raise UnreadableData(f"Expected rows of one length for {what}; got a nested tensor. Pad it first.")
    if x.device.type == "meta":
        raise UnreadableData(f"Expected a tensor with values for {what}; got one on the meta device, which has none.")
    if x.is_quantized:
        return x.dequantize()
    if x.layout is not torch.strided:
        size = float(x.shape.numel() * x.element_size())
        check_memory(size, f"a dense form of the sparse tensor for {what}", "Give fewer rows or columns.")
        return tensor_of(x.to_dense(), what)
    if x.is_floating_point():
        return x.float()  # eight bits and less
    if x.dtype not in (torch.uint16, torch.uint32, torch.uint64):
        raise UnreadableData(f"Expected numbers for {what}; got {x.dtype}. Convert them first.")
    if x.dtype == torch.uint64 and bool((x.view(torch.int64) < 0).any()):
        raise OutsideSpace(f"Expected whole numbers below 2^63; got larger ones in {what}. Subtract an offset first.")
    return x.to(torch.int64)


def _read(value: object, what: str) -> Tensor:
    if isinstance(value, np.ma.MaskedArray) and np.ma.getmaskarray(value).any():
        raise NotFinite(f"Expected values throughout; got a masked array for {what}. Fill in the values.")
    if isinstance(value, list | tuple) and value and all(isinstance(part, Tensor) for part in value):
        return _stacked(list(value), what)
    try:
        array = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
    except (ValueError, TypeError, RuntimeError):
        raise ShapeMismatch(f"Expected rows of one length for {what}; got different ones.") from None
    if array.dtype == object and array.ndim == 0:
        raise UsageError(f"Expected a tensor, array or list for {what}; got {_named(value)}.")
    return _of_array(array, what)


def _stacked(tensors: list[Tensor], what: str) -> Tensor:
    try:
        return torch.stack(tensors)
    except RuntimeError:
        raise ShapeMismatch(f"Expected tensors of one shape in a list for {what}; got several shapes.") from None


def _of_array(array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]", what: str) -> Tensor:
    if array.dtype.kind not in "biufc":
        raise NotNumeric(f"Expected numbers for {what}; got {'text' if array.dtype.kind in 'US' else array.dtype}.")
    if array.dtype.kind == "f" and array.dtype.itemsize != 4:
        array = array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)
    # A copy where torch could not read it: read-only memory, foreign byte orders, negative strides.
    return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))


def _named(value: object) -> str:
    return (
        f"the class {value.__name__}" if isinstance(value, type) else "None" if value is None else type(value).__name__
    )
