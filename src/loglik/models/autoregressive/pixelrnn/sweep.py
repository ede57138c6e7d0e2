"""An LSTM that sweeps over an image front by front: rows from top to bottom, or diagonals from a corner.

van den Oord, Kalchbrenner, Kavukcuoglu 2016, Pixel Recurrent Neural Networks, arXiv:1601.06759, section 3.
With x what a cell reads of the input, and h', c' the state of the front before,

    o, f, i, g = sigmoid, sigmoid, sigmoid, tanh (K^is x + b + K^ss * h')
    c = f . c' + i . g
    h = o . tanh(c)

where * reads h' at the taps and c' is the cell's own coordinate; what is outside counts as 0. Cells are held in the
order of the fronts, each with all events beside it: (channels, S, B). All cells of a front are computed together, so a
sweep takes H steps for rows and H + W - 1 for diagonals. The paper skews the image to the same end; that makes
rectangles of the diagonals, and twice as many cells.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.compiled.threads import in_threads
from loglik.compiled.worth import worth_compiling
from loglik.ops import at_least_float32, gradients_again

COMPILED_CELLS = 2_048  # cells x events from which compiled loops are worth loading


@dataclass(frozen=True)
class Fronts:
    """How a sweep walks over S cells: front t is cells starts[t] to starts[t + 1], at coordinates from lows[t] on.

    taps: the coordinates of the states a cell reads in the front before, relative to its own.
    """

    starts: tuple[int, ...]
    lows: tuple[int, ...]
    taps: tuple[int, ...]

    @classmethod
    def rows(cls, height: int, width: int) -> "Fronts":
        """Coordinates are columns; a cell reads the three nearest above it."""
        return cls(tuple(range(0, height * width + 1, width)), (0,) * height, (-1, 0, 1))

    @classmethod
    def diagonals(cls, height: int, width: int) -> "Fronts":
        """Coordinates are rows; a cell reads (r, c - 1), and (r - 1, c) above it."""
        starts, lows = [0], []
        for t in range(height + width - 1):
            lows.append(max(0, t - width + 1))
            starts.append(starts[-1] + min(height - 1, t) - lows[-1] + 1)
        return cls(tuple(starts), tuple(lows), (0, -1))

    @classmethod
    def line(cls, cells: int) -> "Fronts":
        """One cell after the other, each reading the one before."""
        return cls(tuple(range(cells + 1)), (0,) * cells, (0,))

    def __len__(self) -> int:
        return len(self.lows)

    def overlap(self, t: int, tap: int) -> tuple[int, int, int]:
        """(a, b, move): of front t, cells a to b have a cell of front t - 1 at the tap, `move` cells away."""
        if t == 0:
            return 0, 0, 0
        before, first, end = self.starts[t - 1 : t + 2]
        move = self.lows[t] + tap - self.lows[t - 1] + before - first
        return max(first, before - move), min(end, first - move), move


def skewed(height: int, width: int) -> Tensor:
    """(2, H W): pixels in the order of the diagonals, from the left corner and, mirrored, from the right one."""
    rows = torch.arange(height)[:, None].expand(height, width)
    left = rows + torch.arange(width)
    right = rows + torch.arange(width).flip(0)
    # Within a diagonal the rows ascend, as the pixels' numbers do.
    return torch.stack([t.flatten().argsort(stable=True) for t in (left, right)])


def gates(read: Tensor, c_before: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the LSTM: (D, 4h, ...) read, c' (D, h, ...) -> h, c."""
    o, f, i, g = read.chunk(4, dim=1)
    c = torch.sigmoid(f) * c_before + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def sweep(x: Tensor, kernel: Tensor, bias: Tensor, state: Tensor, fronts: Fronts) -> Tensor:
    """x (D, inputs, S, B), K^is (D, 4h, inputs), b (D, 4h, 1), K^ss (D, taps, 4h, h) -> h (D, h, S, B).

    D directions at once, or layers. On the CPU large sweeps run in compiled loops with their own backward pass.
    """
    if worth_compiling(state, x.shape[2] * x.shape[3], COMPILED_CELLS):
        return CompiledSweep.apply(x.to(state.dtype), kernel, bias, state, fronts)  # type: ignore[no-any-return]
    return sweep_in_torch(x, kernel, bias, state, fronts)


def sweep_in_torch(x: Tensor, kernel: Tensor, bias: Tensor, state: Tensor, fronts: Fronts) -> Tensor:
    """The equations, front by front. States are carried in float32 or better: half precision adds up over fronts."""
    directions, _, cells, events = x.shape
    read = at_least_float32(torch.baddbmm(bias, kernel, x.flatten(2))).view(directions, -1, cells, events)
    taps = state.transpose(1, 2).flatten(2)  # (D, 4h, taps h)
    h = c = read.new_zeros(directions, state.shape[-1], 0, events)
    states, low = [], 0
    for t in range(len(fronts)):
        first, end = fronts.starts[t : t + 2]
        move = fronts.lows[t] - low
        near = torch.cat([shifted(h, move + tap, end - first) for tap in fronts.taps], dim=1)
        now = read[:, :, first:end] + (taps @ near.flatten(2)).view(directions, -1, end - first, events)
        h, c = gates(now, shifted(c, move, end - first))
        states.append(h)
        low = fronts.lows[t]
    return torch.cat(states, dim=2)


def shifted(values: Tensor, start: int, size: int) -> Tensor:
    """Cells start to start + size of (D, h, cells, B), zeros where there are none."""
    left, right = max(0, -start), max(0, start + size - values.shape[2])
    return F.pad(values, (0, 0, left, right))[:, :, start + left : start + left + size]


class CompiledSweep(torch.autograd.Function):
    """`sweep_in_torch` by the loops of `kernel`, directions in parallel. Gradients that are to be
    differentiated again come from the equations themselves."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor, state: Tensor, fronts: Fronts) -> Tensor:
        from loglik.models.autoregressive.pixelrnn import kernel as kernels

        directions, _, cells, events = x.shape
        with torch.autocast("cpu", enabled=False):
            gates = kernel @ x.flatten(2)
        h = gates.new_empty(directions, state.shape[-1], cells * events)
        c = torch.empty_like(h)
        _each_direction(kernels.forward, [gates, c, h, bias.flatten(1), state.contiguous()], fronts, events)
        ctx.save_for_backward(x, kernel, bias, state, gates, c, h)
        ctx.fronts = fronts
        return h.view(directions, -1, cells, events)

    @staticmethod
    def backward(ctx: Any, d_h: Tensor) -> tuple[Tensor | None, ...]:
        from loglik.models.autoregressive.pixelrnn import kernel as kernels

        x, kernel, bias, state, gates, c, h = ctx.saved_tensors
        fronts: Fronts = ctx.fronts
        if torch.is_grad_enabled():
            again = functools.partial(sweep_in_torch, fronts=fronts)
            return *gradients_again(again, (x, kernel, bias, state), (d_h,)), None
        d_read, d_h = torch.empty_like(gates), d_h.flatten(2).contiguous().clone()
        arrays = [d_read, d_h, gates, c, state.transpose(2, 3).contiguous()]
        _each_direction(kernels.backward, arrays, fronts, x.shape[-1])
        with_outside = F.pad(h.view(len(x), -1, *x.shape[2:]), (0, 0, 0, 1))
        d_state = [d_read @ with_outside.index_select(2, s).flatten(2).transpose(1, 2) for s in sources(fronts)]
        d_x = (kernel.transpose(1, 2) @ d_read).view(x.shape)
        d_kernel, d_bias = d_read @ x.flatten(2).transpose(1, 2), d_read.sum(2, keepdim=True)
        return d_x, d_kernel, d_bias, torch.stack(d_state, dim=1), None


@functools.lru_cache(maxsize=16)
def sources(fronts: Fronts) -> Tensor:
    """(taps, S): the cell that each cell reads at each tap, S where there is none."""
    cells = fronts.starts[-1]
    table = torch.full((len(fronts.taps), cells), cells)
    for t in range(len(fronts)):
        for row, tap in zip(table, fronts.taps, strict=True):
            a, b, move = fronts.overlap(t, tap)
            row[a:b] = torch.arange(a, b) + move
    return table


def _each_direction(loops: Any, arrays: list[Tensor], fronts: Fronts, events: int) -> None:
    """The directions one after the other, in as many threads as torch may use."""
    walk = [np.array(numbers) for numbers in (fronts.starts, fronts.lows, fronts.taps)]
    calls = [[*(t[d].detach().numpy() for t in arrays), *walk, events] for d in range(len(arrays[0]))]
    in_threads(lambda first, _: loops(*calls[first]), [(d, d + 1) for d in range(len(calls))])
