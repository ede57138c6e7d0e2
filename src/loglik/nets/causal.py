"""What an autoregressive model asks of its net: all conditionals in one pass, or one after the other while sampling."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn


class Draws(Protocol):
    """What turns outputs into values and values into inputs again; heads do."""

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor: ...

    def sample(self, params: Tensor, noise: Tensor) -> Tensor: ...

    def at(self, site: int) -> "Draws":
        """What draws the values of one site."""
        ...


class Steps(ABC):
    """A causal net evaluated site by site in the order of generation, for n events at once; it keeps what it reuses.

    A site is what the head draws at once: one value, or all colours of a pixel where the head draws them together.
    Fed with the values of x, the outputs equal those of the net's one pass over x.
    """

    few = 0  # up to so many events, a step is too little work to share out: waking a second thread costs more

    @abstractmethod
    def __call__(self, previous: Tensor | None) -> Tensor:
        """The encoded values of the site before (n, inputs), None at first -> outputs at the next site (n, params)."""

    def run(self, draws: Draws, noise: Tensor, given: Tensor) -> Tensor:
        """Values (sites, n, ...) drawn with noise (sites, n, m); those of the first sites are `given` (k, n, ...)."""
        with threads(1 if noise.shape[1] <= self.few else torch.get_num_threads()):
            values: list[Tensor] = []
            previous: Tensor | None = None
            for i in range(len(noise)):
                params, draw = self(previous), draws.at(i)
                value = given[i] if i < len(given) else draw.sample(params, noise[i])
                values.append(value)
                previous = draw.encode(value, params.dtype)
            return torch.stack(values)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many threads within, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class CausalNet(nn.Module, ABC):
    """(B, *event, inputs), context (B, C) -> (B, *event, outputs): outputs at a value depend on earlier values only."""

    alike: int | None = None  # one bias of the outputs serves all sites of so many last axes; None: of all axes
    receptive_field: int | None = None  # how many values back the outputs depend on; None: on all, or not stated

    @property
    def saved_order(self) -> Tensor | None:
        """(D,): the order of generation where it is saved with the net; None: it follows from the structure."""
        return None

    @abstractmethod
    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The outputs at every value, in one pass."""

    @abstractmethod
    def start(self, outputs: Tensor) -> None:
        """Begin at constant outputs (*event, outputs), or as near to them as the net's biases allow."""

    def steps(self, n: int, context: Tensor | None = None) -> Steps | None:
        """A fresh incremental evaluation for n events, without gradients; None if the net knows only whole passes."""
        return None


class CarryingNet(CausalNet):
    """A causal net that can go on where it stopped: what it knows of the past is one tensor.

    Over consecutive windows of a sequence the outputs equal those of one pass over the whole sequence, as far back as
    the net sees at all. Its `steps` may go on beyond one event.
    """

    @abstractmethod
    def run(self, x: Tensor, state: Tensor | None, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, *event, inputs) -> outputs (B, *event, outputs), state (B, ...); None is the beginning.

        The state holds all that the outputs at the next window's first value need, the last value too.
        """

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.run(x, None, context)[0]


class WholePasses(Steps):
    """Every step is a pass over the whole event: what any causal net can do, and the truth for the incremental ones.

    Args:
        x: (n, *event, inputs), what the net reads while nothing is known; it is written to.
        sites: (S,), for each step the place of its site among the flattened sites.
    """

    def __init__(self, net: CausalNet, x: Tensor, sites: Tensor, context: Tensor | None) -> None:
        self.net, self.x, self.context = net, x, context
        self.sites = sites.tolist()
        self.place = 0

    def __call__(self, previous: Tensor | None) -> Tensor:
        flat = self.x.view(len(self.x), -1, self.x.shape[-1])
        if previous is not None:
            flat[:, self.sites[self.place - 1]] = previous
        outputs: Tensor = self.net(self.x, self.context)
        self.place += 1
        return outputs.flatten(1, -2)[:, self.sites[self.place - 1]]
