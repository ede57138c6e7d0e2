"""A masked net with its units in the order in which values complete them.

With the units of a layer sorted by degree, those that one more value completes are a slice, and what they see is a
slice too. Features come first, (units, n), so that slices of units are contiguous.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.nets.masked.degrees import Degrees


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
    direct: tuple[Tensor, Tensor | None] | None
    last: tuple[Tensor, Tensor | None] | None
    context_in: Tensor | None
    context_out: Tensor | None


class SortedUnits:
    """The same net, sorted.

    `units[l][t]` is how many units of hidden layer l see at most t values. They see the first units[l-1][t] units of
    the layer below, of the values the first t, and outputs at value t (the first is value 0) see the first
    units[-1][t] units and the first t values.

    Attributes:
        degrees: (H,) of each hidden layer, rising.
        hidden, direct, last: weights (out, in), sorted but not masked; `last` is None without hidden layers, and
            `direct` is 0 where there are no direct connections.
        bias: (H,) of each hidden layer.   biases, out_biases: (units, 1), or with a context (units, n), for what it
            adds is the same at every step.
    """

    @torch.no_grad()
    def __init__(self, net: Connected, context: Tensor | None) -> None:
        degrees, self.inputs, self.outputs = net.degrees, net.inputs, net.outputs
        self.order = degrees.order
        self.dims = len(self.order)
        seen = sites(self.order, net.inputs)
        ranks = [layer.argsort(stable=True) for layer in degrees.hidden]
        steps = torch.arange(self.dims, device=self.order.device).int()
        self.degrees = [layer[rank] for layer, rank in zip(degrees.hidden, ranks, strict=True)]
        self.units = [torch.searchsorted(layer, steps, right=True).tolist() for layer in self.degrees]
        columns = [seen, *ranks]
        self.hidden = [picked(w, rows, below) for (w, _), rows, below in zip(net.hidden, ranks, columns, strict=False)]
        self.bias = [_bias(w, b)[rows] for (w, b), rows in zip(net.hidden, ranks, strict=True)]
        above = [layer for layer in (net.direct, net.last) if layer is not None]
        out_bias = torch.stack([_bias(*layer)[net.asked] for layer in above]).sum(0)
        self.direct = out_bias.new_zeros(len(net.asked), len(seen))
        if net.direct is not None:
            self.direct = picked(net.direct[0], net.asked, seen)
        self.last = None if net.last is None else picked(net.last[0], net.asked, columns[-1])
        self.biases = [b.unsqueeze(1) for b in self.bias]
        self.out_biases = out_bias.unsqueeze(1)
        if context is not None and net.context_in is not None:
            self.biases[0] = self.biases[0] + net.context_in[ranks[0]] @ context.T
        if context is not None and net.context_out is not None:
            self.out_biases = self.out_biases + net.context_out[net.asked] @ context.T


def sites(order: Tensor, each: int, *, apart: bool = False) -> Tensor:
    """(D * each,): the flattened places of `each` numbers for every value, in the order of generation.

    In memory they are neighbours, (D, each), or `apart`, (each, D).
    """
    number = torch.arange(each, device=order.device)
    places = order[:, None] + number * len(order) if apart else order[:, None] * each + number
    return places.flatten()


def picked(weight: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """weight[rows][:, columns]; as it is where everything is in its place already, as with evenly spread degrees."""
    for axis, places in enumerate((rows, columns)):
        if not torch.equal(places, torch.arange(len(places), device=places.device)):
            weight = weight.index_select(axis, places)
    return weight.detach()


def _bias(weight: Tensor, bias: Tensor | None) -> Tensor:
    return weight.new_zeros(len(weight)) if bias is None else bias.detach()
