"""The few tensor functions that every layer shares."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

LN2 = math.log(2.0)
BITS = 30  # of a mask that go into one whole number, beside that of up to 2^32 rows
FAR = 10.0  # nets read what lies further out as this: they know nothing of it, and must not make more of it


def sum_event(t: Tensor) -> Tensor:
    """Sum over everything but the batch, in float64: (B, *event) -> (B,)."""
    return t.reshape(t.shape[0], t.shape[1:].numel()).sum(dim=1, dtype=torch.float64)


def count(x: Tensor, weights: Tensor | None = None) -> Tensor:
    """How many events x (B, ...) are, or count as by their weights (B,): a float64 scalar."""
    if weights is not None:
        return weights.sum(dtype=torch.float64)
    return torch.tensor(float(len(x)), dtype=torch.float64, device=x.device)


def weighted_sum(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """(B,), weights (B,) -> sum over events of w v, (); by default every event counts once."""
    return values.sum() if weights is None else values @ weights.to(values.dtype)


def has_gaps(x: Tensor) -> bool:
    """Whether a value of x (B, *event) is missing: NaN, in reals. The sum is the quick question."""
    return x.is_floating_point() and bool(x.sum().isnan()) and bool(x.isnan().any())


def missing_in_words(gaps: int | None) -> str:
    """How many values are missing, to be added to what is said of rows; nothing where none is, or it is not known."""
    return f", {gaps} value{'s' * (gaps != 1)} missing" if gaps else ""


def log_mean_exp(t: Tensor, dim: int = 0) -> Tensor:
    """log of the mean of exp(t) along `dim`, without overflow."""
    return t.logsumexp(dim) - math.log(t.shape[dim])


def repeat_rows(t: Tensor | None, times: int) -> Tensor | None:
    """Each row `times` times, copies adjacent: (B, ...) -> (B * times, ...)."""
    return None if t is None else t.repeat_interleave(times, dim=0)


def at_least_float32(t: Tensor) -> Tensor:
    """Half precision is for nets alone: densities begin in float32 or better."""
    return t.float() if t.dtype in (torch.bfloat16, torch.float16) else t


def gradients_again(
    function: Callable[..., Tensor | tuple[Tensor, ...]], inputs: Sequence[Tensor | None], cotangents: Sequence[Tensor]
) -> list[Tensor | None]:
    """Gradients of function(*inputs) as autograd finds them; None for inputs that are None or need none.

    Operations that write their gradients out take these where a derivative of a derivative is asked for. One input may
    be computed from another. Each is therefore read under a new name, and what is found for it stops there.
    """
    named = [None if t is None else t.view_as(t) for t in inputs]
    asked = [t for t in named if t is not None and t.requires_grad]
    found = iter(torch.autograd.grad(function(*named), asked, cotangents, create_graph=True, allow_unused=True))
    return [next(found) if t is not None and t.requires_grad else None for t in inputs]


def uniform_like(x: Tensor) -> Tensor:
    """u ~ U[0, 1) for each value, in float64: of many levels a sum in float32 would be rounded up to the next."""
    return torch.rand(x.shape, dtype=torch.float64, device=x.device)


def rows_by_mask(masks: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """(B, D) bool -> each mask (D,) that is there, and the rows (R,) that have it."""
    which = number_of_mask(masks)
    if len(which):
        for rows in which.argsort(stable=True).split(torch.bincount(which).tolist()):
            yield masks[rows[0]], rows


def number_of_mask(masks: Tensor) -> Tensor:
    """(B, D) bool -> (B,): which of the different masks, in their order, each row has.

    Bits are packed into whole numbers and these sorted, many times faster than to sort the rows themselves.
    """
    which = torch.zeros(len(masks), dtype=torch.int64, device=masks.device)
    for bits in masks.split(BITS, dim=1):
        places = 2 ** torch.arange(bits.shape[1] - 1, -1, -1, device=masks.device)
        code = (bits.long() * places).sum(1)
        which = torch.unique((which << BITS) + code, return_inverse=True)[1]
    return which


def is_permutation(places: Tensor) -> bool:
    """Whether whole numbers (D,) are 0..D-1 in some order."""
    return bool((places.sort().values == torch.arange(len(places), device=places.device)).all())


def are_distributions(table: Tensor) -> bool:
    """Whether each row (..., K) holds probabilities above 0 that sum to one."""
    rounding = 8.0 * table.shape[-1] * torch.finfo(table.dtype).eps
    return bool((table > 0).all()) and bool(((table.sum(-1) - 1.0).abs() < rounding).all())


def with_numbers() -> torch.device:
    """The default device, unless that has no numbers: sizes follow from what is made there."""
    device = torch.get_default_device()
    return torch.device("cpu") if device.type == "meta" else device


class KeepsFloat64(nn.Module):
    """A module whose float64 buffers stay so when a model is cast: what is measured of the data keeps its digits."""

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        kept = {name: t for name, t in self._buffers.items() if t is not None and t.dtype == torch.float64}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, t in kept.items():
            moved = self._buffers[name]
            assert moved is not None
            self._buffers[name] = t.to(moved.device)
        return self
