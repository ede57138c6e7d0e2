"""An invertible map of data to noise, with the log-determinants of both directions."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from loglik.contract.claim import Claim
from loglik.errors import UsageError


class Bijection(nn.Module, ABC):
    """An invertible map, always data -> noise; log_det is log|det d output / d input| of the direction taken.

    A subclass implements both directions; `initialize` may set its parameters from the first data it sees.
    """

    __call__: Callable[..., tuple[Tensor, Tensor]]  # that of nn.Module, which returns what `forward` does

    @property
    def claim(self) -> Claim:
        return Claim.EXACT

    @abstractmethod
    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, *event) -> z (B, *event'), log|det dz/dx| (B,)."""

    @abstractmethod
    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, *event') -> x (B, *event), log|det dx/dz| (B,)."""

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Set parameters from training events where the bijection wants to; returns z, for the next one.

        Called without gradients.
        """
        return self(x, context)[0]

    def training_forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The training version of `forward`, called by the objectives of models; never used for a reported number.

        Running statistics are updated from this batch, only when gradients are on. Equations are solved with a wider
        tolerance, and penalties may be subtracted from the log_det.
        """
        return self(x, context)

    def preimage(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The x of `inverse` alone, for parts whose log-determinant has a cost of its own."""
        return self.inverse(z, context)[0]

    @property
    def by_value(self) -> bool:
        """Whether each value is mapped by itself: `forward_by_value` is there to call."""
        return False

    def forward_by_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, *event) -> z and log|dz_d/dx_d| of each value, both (B, *event)."""
        raise UsageError(f"{type(self).__name__} maps the values of an event together; use forward.")
