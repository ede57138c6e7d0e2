"""The degrees of MADE: which values a unit may see, and the masks that follow.

Germain, Gregor, Murray, Larochelle 2015, MADE: Masked Autoencoder for Distribution Estimation, arXiv:1502.03509.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from loglik.nets.dense.quarters import Quarters, quarter_of
from loglik.ops import is_permutation


class Degrees(nn.Module):
    """m0(d) = 1..D, the place of value d in the order; m(k), how many first values of the order hidden unit k may see.

    With them a net is causal whatever its weights: see `masks`. Masks of wide layers are large and degrees are not, so
    degrees are what is kept, also in files.

    Args:
        order: (D,), order[i] is the value generated at step i.
        hidden: for each layer (H,), whole numbers from 1 to D - 1 (1 where D = 1: there is nothing to see).
    """

    def __init__(self, order: Tensor, hidden: Sequence[Tensor]) -> None:
        super().__init__()
        self.depth = len(hidden)
        self.register_buffer("values", places(order))
        for i, degrees in enumerate(hidden):
            self.register_buffer(f"hidden_{i}", degrees.int())

    @property
    def hidden(self) -> list[Tensor]:
        return [self.get_buffer(f"hidden_{i}") for i in range(self.depth)]

    @property
    def order(self) -> Tensor:
        """(D,): the values in the order of generation."""
        return self.values.argsort()

    def masks(self, inputs: int, outputs: int, *, apart: bool = False) -> list[Tensor]:
        """bool (out, in) of the hidden layers, of the direct connections, and from the last hidden layer to outputs.

        hidden: m(k) >= m(k') of the layer below;  outputs: m0(d) > m(k), and m0(d) > m0(d') directly. Without hidden
        layers the last two are the same.

        Args:
            apart: the first output of every value comes first, then the second of every value, and so on; else all
                outputs of a value are neighbours.
        """
        seen = self.values.repeat_interleave(inputs)
        asked = self.values.repeat(outputs) if apart else self.values.repeat_interleave(outputs)
        layers = [seen, *self.hidden]
        hidden = [above[:, None] >= below[None, :] for below, above in itertools.pairwise(layers)]
        return [*hidden, asked[:, None] > seen[None, :], asked[:, None] > layers[-1][None, :]]

    def flaw(self) -> str:
        """What is wrong with degrees that were read from a file, in words; empty if they are sound.

        The degrees of a layer are at most D - 1, and at least the lowest of the layer below: a unit with a lower one
        would see nothing.
        """
        if not is_permutation(self.values - 1):
            return "the places of the values are no permutation"
        least, most = 1, max(1, len(self.values) - 1)
        for i, degrees in enumerate(self.hidden):
            low, high = (int(v) for v in torch.aminmax(degrees))
            if low < least or high > most:
                return f"the degrees of layer {i + 1} run from {low} to {high}, outside {least} to {most}"
            least = low
        return ""

    def quarters(self) -> Quarters:
        """What the masks of the hidden layers leave zero, where units are sorted; the inputs need not be."""
        return (None, *(quarter_of(below, above) for below, above in itertools.pairwise(self.hidden)))

    def rearranged(self, order: Tensor) -> "Degrees":
        """The same hidden units under another order of the values."""
        return Degrees(order, self.hidden)

    values: Tensor


def places(order: Tensor) -> Tensor:
    """(D,): the place 1..D of each value in the order."""
    return (order.argsort() + 1).int()


def spread(order: Tensor, sizes: Sequence[int]) -> Degrees:
    """Hidden degrees evenly over 1..D-1, in every layer the same and rising, so no unit is dead and none sees all."""
    return Degrees(order, [even_degrees(size, len(order)) for size in sizes])


def sampled(order: Tensor, sizes: Sequence[int]) -> Degrees:
    """Hidden degrees drawn from torch's generator, m^l(k) ~ U{min_k' m^(l-1)(k'), ..., D-1}.

    A degree below all of the layer before would leave its unit without inputs, hence the lower end.
    """
    dims, least = len(order), 1
    hidden = []
    for size in sizes:
        hidden.append(torch.randint(least, max(least + 1, dims), (size,), device=order.device))
        least = int(hidden[-1].min())
    return Degrees(order, hidden)


def even_degrees(size: int, dims: int) -> Tensor:
    """(size,): degrees 1..D-1, spread evenly; with one value there is nothing to see, and every degree is 1."""
    return torch.arange(size) * max(1, dims - 1) // size + 1
