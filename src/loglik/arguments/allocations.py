"""A refusal, before any memory is taken, of a model that does not fit into what is at hand."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from loglik.arguments.memory import in_bytes, memory_at_hand
from loglik.errors import TooLarge
from loglik.records import Record

ALLOCATOR = "DefaultCPUAllocator"  # in torch's message where the system gives no memory
WORTH_ASKING = 1 << 26  # bytes of a result, from which on the system is asked what is left


Arguments = tuple[Any, ...]  # of a function of torch


class Allocations(TorchFunctionMode):
    """Within it, tensors that a model is built of are refused before they are allocated where they cannot fit.

    The functions that make a tensor of a stated size are added up, on the way down to them; what is computed from large
    tensors is compared with what is left. Either is at least what building takes, and the messages say so.

    Args:
        limit: bytes, where less than all of the memory at hand is meant.
    """

    def __init__(self, what: str, advice: str, limit: float = math.inf) -> None:
        super().__init__()
        self.what, self.advice = what, advice
        self.there, self.taken = min(limit, memory_at_hand()), 0.0

    def __torch_function__(
        self, func: Callable[..., object], types: object, args: Arguments = (), kwargs: Record | None = None
    ) -> object:
        kwargs = kwargs or {}
        size = SIZES.get(func)
        if size is not None:
            self.taken += size(args, kwargs)
            self._check(self.taken)
        elif not getattr(func, "__name__", "_").endswith("_"):  # in place, or a property
            size_of_result = _of_result([arg for arg in args if isinstance(arg, torch.Tensor)])
            if size_of_result > WORTH_ASKING:
                self._check(size_of_result + max(0.0, self.there - memory_at_hand()))
        return func(*args, **kwargs)

    def _check(self, size: float) -> None:
        if size > self.there:
            raise TooLarge(
                f"Expected {self.what} to fit into the {in_bytes(self.there)} of memory at hand; it takes at least "
                f"{in_bytes(size)}. {self.advice}"
            )


def used_up(error: BaseException) -> bool:
    """Whether an exception says that there was no memory left: Python's, NumPy's or torch's, on any device."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or ALLOCATOR in str(error)


def _of_shape(args: Arguments, kwargs: Record) -> float:
    """The bytes of torch.empty(2, 3), torch.empty((2, 3)) or torch.empty(size=(2, 3))."""
    sizes = kwargs.get("size", args[0] if args and isinstance(args[0], tuple | list) else args)
    return _bytes(math.prod(float(size) for size in sizes if isinstance(size, int)), kwargs)


def _of_square(args: Arguments, kwargs: Record) -> float:
    rows = float(args[0])
    return _bytes(rows * float(args[1] if len(args) > 1 else rows), kwargs)


def _of_range(args: Arguments, kwargs: Record) -> float:
    """Of torch.arange(n): with two results computed from it, since that is what it is made for."""
    return 3.0 * 8.0 * float(args[0]) if len(args) == 1 and isinstance(args[0], int) else 0.0


def _of_repeats(args: Arguments, kwargs: Record) -> float:
    times = args[1:] if not isinstance(args[1], tuple | list) else args[1]
    return math.prod([float(args[0].numel()), float(args[0].element_size()), *(float(n) for n in times)])


def _of_result(operands: list[torch.Tensor]) -> float:
    """The bytes of what a function makes of these: as much as the largest, or one for each value of their product."""
    if not operands:
        return 0.0
    largest = max(operands, key=lambda operand: operand.numel())
    sizes = [1] * max(operand.ndim for operand in operands)
    for operand in operands:
        for place, size in enumerate(reversed(operand.shape)):
            sizes[place] = max(sizes[place], size)
    return max(float(largest.numel() * largest.element_size()), float(math.prod(map(float, sizes))))


def _bytes(values: float, kwargs: Record) -> float:
    dtype: torch.dtype = kwargs.get("dtype") or torch.get_default_dtype()
    return 0.0 if str(kwargs.get("device")) == "meta" else values * float(dtype.itemsize)


SIZES: dict[Callable[..., object], Callable[[Arguments, Record], float]] = {
    **dict.fromkeys((torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn), _of_shape),
    torch.full: _of_shape,
    torch.eye: _of_square,
    torch.arange: _of_range,
    torch.randperm: _of_range,
    torch.Tensor.repeat: _of_repeats,
}
