"""Heads read a net's outputs as the conditional distribution of each value: p(x_d | what the net saw).

One head for each kind of value, shared by every model that predicts values. A head states how many numbers it wants
to say about a value (`params`) and into how many a value is encoded when a net reads it (`inputs`).
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from loglik.compiled.drawing import Drawing
from loglik.errors import UsageError
from loglik.ops import at_least_float32


class Head(nn.Module, ABC):
    """Net outputs (..., params) -> distribution of values (...).

    A head that draws several values at once, the colours of a pixel, states how many in `values`; they are then the
    last axis of x: (..., params) -> distribution of (..., values).
    """

    inputs: int
    params: int
    drawing: Drawing | None = None  # how compiled loops may draw as `draw` does; None: they have to ask
    values: int = 0  # of a site, where the head draws them together; 0: one, without an axis of its own
    apart: bool = False  # whether it is faster where the same parameter of all values lies together in memory

    @abstractmethod
    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Values (...) -> what a net reads, (..., inputs)."""

    @abstractmethod
    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(..., params), (...) -> log p of each value, (...), in nats."""

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """What `sample` turns into values, (*shape, m): one uniform number each, unless the head says otherwise."""
        return torch.rand(*shape, 1, dtype=at_least_float32(like).dtype, device=like.device)

    @abstractmethod
    def draw(self, params: Tensor, noise: Tensor) -> Tensor:
        """(..., params), noise (..., m) -> values (...): a draw, and the same one for the same noise."""

    def sample(self, params: Tensor, noise: Tensor | None = None) -> Tensor:
        """(..., params) -> values (...), with fresh noise unless it is given."""
        if noise is None:
            noise = self.noise(tuple(params.shape[:-1]), params)
        return self.draw(params, noise)

    def at(self, site: int) -> "Head":
        """The head of one site, where sites differ; `site` counts in the order of generation."""
        return self

    @abstractmethod
    def marginal(self, x: Tensor) -> Tensor:
        """Rows (B, ...) -> params (..., params) that fit each value's marginal, for a net to start from."""

    def draw_sharpened(self, params: Tensor, noise: Tensor, temperature: float, top_k: int | None) -> Tensor:
        """As `draw`, from p^(1/temperature) over the `top_k` likeliest levels; of values drawn together, one by one.

        Raises:
            UsageError: real values, unless p^(1/temperature) has a closed form; they have no levels to count.
        """
        raise UsageError(
            f"Expected values with levels for a temperature or a top k; got the real values of {type(self).__name__}. "
            "Leave them out."
        )
