"""A masked net evaluated value by value while sampling: every hidden unit is computed once, as soon as it can be.

With the units of a layer sorted by degree, those that the value just drawn completes are a slice, and what they see is
a slice too: D values cost about what one pass does, not D passes.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.nets.causal import Draws, Steps
from loglik.nets.degrees import Degrees
from loglik.nets.drawing import NORMAL, Drawing, compilable

WORTH_COMPILING = 8192  # values to draw; fewer are drawn before a compiler has started
EVENTS = 128  # that a compiled loop takes at once: enough for vector units, and their hidden units fit into a cache


@dataclass(frozen=True)
class Connected:
    """The layers of a masked net: weights (out, in) before masking, and biases.

    asked: (D * outputs,), the rows of the output layers in the order of generation.
    """

    degrees: Degrees
    inputs: int
    outputs: int
    asked: Tensor
    hidden: list[tuple[Tensor, Tensor | None]]
    direct: tuple[Tensor, Tensor | None]
    last: tuple[Tensor, Tensor | None] | None
    context_in: Tensor | None
    context_out: Tensor | None


class MaskedSteps(Steps):
    """Features come first, (H, n), so that slices of units are contiguous.

    Hidden layers: `units[l][t]` is how many units of layer l see at most t values. At step t (value t of the order is
    asked; t values are known) units units[l][t-1]..units[l][t] of every layer are new, and they see the first
    units[l-1][t] units of the layer below, and the first t values.
    """

    def __init__(self, net: Connected, n: int, context: Tensor | None) -> None:
        with torch.no_grad():
            self._sort(net)
            weight = self.direct
            dtype, device = weight.dtype, weight.device
            self.n, self.place, self.inputs, self.outputs = n, 0, net.inputs, net.outputs
            self.dims = len(net.degrees.values)
            self.x = torch.empty(self.dims * net.inputs, n, dtype=dtype, device=device)
            self.h = [torch.empty(len(w), n, dtype=dtype, device=device) for w in self.hidden]
            # What a context adds is the same at every step: it goes into biases of each event's own, (units, n).
            self.biases = [b.unsqueeze(1) for b in self.bias]
            self.out_biases = self.out_bias.unsqueeze(1)
            if context is not None and net.context_in is not None:
                self.biases[0] = self.biases[0] + net.context_in[self.ranks[0]] @ context.T
            if context is not None and net.context_out is not None:
                self.out_biases = self.out_biases + net.context_out[self.asked] @ context.T

    def _sort(self, net: Connected) -> None:
        """Rows and columns by degree."""
        degrees = net.degrees
        order = degrees.order
        seen, self.asked = sites(order, net.inputs), net.asked
        self.ranks = [layer.argsort(stable=True) for layer in degrees.hidden]
        steps = torch.arange(len(order), device=order.device)
        self.units = [
            torch.searchsorted(layer.sort().values, steps.int(), right=True).tolist() for layer in degrees.hidden
        ]
        columns = [seen, *self.ranks]
        self.hidden = [
            picked(w, rows, below) for (w, _), rows, below in zip(net.hidden, self.ranks, columns, strict=False)
        ]
        self.bias = [_bias(w, b)[rows] for (w, b), rows in zip(net.hidden, self.ranks, strict=True)]
        self.direct, self.out_bias = picked(net.direct[0], self.asked, seen), _bias(*net.direct)[self.asked]
        self.last = None
        if net.last is not None:
            self.last = picked(net.last[0], self.asked, columns[-1])
            self.out_bias = self.out_bias + _bias(*net.last)[self.asked]

    def run(self, draws: Draws, noise: Tensor, given: Tensor) -> Tensor:
        """The whole loop compiled, on the CPU and for heads that say how they draw; else step by step."""
        drawing = compilable(draws, self.x)
        if drawing is None or self.n * self.dims < WORTH_COMPILING:
            return super().run(draws, noise, given)
        return self.compiled(drawing, noise, given)

    def compiled(self, drawing: Drawing, noise: Tensor, given: Tensor) -> Tensor:
        """(D, n) values, events shared out to as many threads as torch uses."""
        from loglik.nets.masked_kernel import generate  # numba is slow to load

        empty = self.direct.new_empty(0)
        last = self.direct[:, :0] if self.last is None else self.last
        first = self.biases[0] if self.biases else empty.reshape(0, 1)
        sizes = np.array([len(w) for w in self.hidden], dtype=np.int64)
        units = np.array(self.units, dtype=np.int64).reshape(len(sizes), self.dims)
        weights = torch.cat([empty, *(w.flatten() for w in self.hidden)]).numpy()
        biases = torch.cat([empty, *self.bias]).unsqueeze(1).numpy()
        direct, onward = self.direct.contiguous().numpy(), last.contiguous().numpy()
        values = self.x.new_zeros(self.dims, self.n)
        values[: len(given)] = given
        noise = noise.squeeze(-1).to(values.dtype)

        def fill(start: int) -> None:
            events = slice(start, start + at_once)
            part = values[:, events].contiguous()
            own_first, own_out = (_columns(b, events).numpy() for b in (first, self.out_biases))
            own_noise = noise[:, events].contiguous().numpy()
            generate(
                part.numpy(), own_noise, len(given), weights, sizes, units, own_first, biases, direct, onward, own_out,
                self.inputs, self.outputs, drawing.kind, drawing.limit,
            )  # fmt: skip
            values[:, events] = part

        threads = torch.get_num_threads()
        at_once = max(1, min(EVENTS, -(-self.n // threads)))
        in_threads(fill, range(0, self.n, at_once), threads)
        return values if drawing.kind == NORMAL else values.long()

    def __call__(self, previous: Tensor | None) -> Tensor:
        t = self.place
        known = t * self.inputs
        if previous is not None:
            self.x[known - self.inputs : known] = previous.T
        below, width = self.x, known
        for weight, bias, h, units in zip(self.hidden, self.biases, self.h, self.units, strict=True):
            new = slice(units[t - 1] if t else 0, units[t])
            if new.stop > new.start:
                h[new] = F.relu(torch.addmm(bias[new], weight[new, :width], below[:width]))
            below, width = h, units[t]
        rows = slice(t * self.outputs, (t + 1) * self.outputs)
        out = torch.addmm(self.out_biases[rows], self.direct[rows, :known], self.x[:known])
        if self.last is not None:
            out = torch.addmm(out, self.last[rows, :width], below[:width])
        self.place += 1
        return out.T


def picked(weight: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """weight[rows][:, columns]; as it is where everything is in its place already, as with evenly spread degrees."""
    for axis, places in enumerate((rows, columns)):
        if not torch.equal(places, torch.arange(len(places), device=places.device)):
            weight = weight.index_select(axis, places)
    return weight.detach()


def sites(order: Tensor, each: int, *, apart: bool = False) -> Tensor:
    """(D * each,): the flattened places of `each` numbers for every value, in the order of generation.

    In memory they are neighbours, (D, each), or `apart`, (each, D).
    """
    number = torch.arange(each, device=order.device)
    places = order[:, None] + number * len(order) if apart else order[:, None] * each + number
    return places.flatten()


def _bias(weight: Tensor, bias: Tensor | None) -> Tensor:
    return weight.new_zeros(len(weight)) if bias is None else bias.detach()


def _columns(bias: Tensor, events: slice) -> Tensor:
    """The events' own columns of a bias that has them."""
    return (bias[:, events] if bias.shape[1] > 1 else bias).contiguous()


def in_threads(work: Callable[[int], None], items: Sequence[int], threads: int) -> None:
    """work(item) for all items. Compiled loops leave the interpreter, so plain threads share the processors."""
    if threads == 1 or len(items) == 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        list(pool.map(work, items))
