"""What an autoregressive model asks of its net."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class CausalNet(nn.Module, ABC):
    """(B, *event, inputs), context (B, C) -> (B, *event, outputs): outputs at a value depend on earlier values only."""

    @abstractmethod
    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The outputs at every value, in one pass."""

    @abstractmethod
    def start(self, outputs: Tensor) -> None:
        """Begin at constant outputs (*event, outputs), or as near to them as the net's biases allow."""
