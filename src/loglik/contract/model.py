"""A model of p(x): what every one has.

Symbols, the same everywhere: x data, z noise or latent, c context, u uniform, eps Gaussian noise; B batch, D dims,
K components or importance samples. There is exactly one leading batch axis; log-likelihoods and log-determinants
are (B,), in nats per event, never negated, never per dimension. Names of logarithms begin with `log_`.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from loglik.contexts import ContextReader, check_contexts, contexts_of_samples
from loglik.contract.capabilities import Capabilities
from loglik.errors import ShapeMismatch, UsageError
from loglik.spaces import Space


class Model(Capabilities, ABC):
    """A distribution over the events of one space, possibly given a context c. Events may come as arrays or lists.

    A subclass calls `super().__init__(space, context)`, states its `claim`, and implements `log_likelihood` (through
    one of the `kinds`) and `sample`. What it may override: `objective`, `initialize`, `remark`, and the `capabilities`,
    a question and its methods together.
    """

    def __init__(self, space: Space, context: Space | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.space = space
        self.context = context
        anchor = torch.empty(0, dtype=dtype or torch.get_default_dtype())
        self.register_buffer("_anchor", anchor)  # carries dtype and device, also into files
        self.register_buffer("_fitted", torch.tensor(False))
        self.context_reader = None if context is None else ContextReader(context)

    @abstractmethod
    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        """n draws, (n, *event); with a context of n rows, or of one row for all."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.log_likelihood(x, context)

    def objective(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B,): what training maximises."""
        return self.log_likelihood(x, context)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """Look at training events once, before the first step: scales, starting centres, data-dependent weights.

        Called without gradients. A model that overrides it and reads real contexts calls `measure_context` there.
        """
        self.measure_context(context)

    def measure_context(self, context: Tensor | None) -> None:
        """Set the scale on which nets read real contexts (B, *c) from those of the training events."""
        if context is not None and self.context_reader is not None:
            self.context_reader.measure(context)

    def events(self, x: Tensor, context: Tensor | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """x checked against the space, the context for presence.

        Reals are given in `dtype`, by default the model's own. A model whose nets compute in float32 asks for float64,
        shifts and scales, and only then gives its nets what they read: time stamps and coordinates keep their digits.
        """
        check_contexts(context, self.context, x)
        return self.space.events(x, dtype or self._anchor.dtype)

    def condition(self, context: Tensor | None) -> Tensor | None:
        """The context as inputs of a net, (B, *c) -> (B, C), see `ContextReader`; None if the model takes none."""
        if self.context_reader is None or context is None:
            return None
        return self.context_reader(context, self._anchor.dtype)  # type: ignore[no-any-return]

    def contexts(self, n: int, context: Tensor | None) -> Tensor | None:
        """The context for n samples: one row is repeated for all."""
        return contexts_of_samples(context, self.context, n, self.space.dims)

    def masks(self, observed: Tensor, x: Tensor) -> Tensor:
        """What is observed of each value of x, checked and on the model's device, (B, *event) bool."""
        if observed.dtype != torch.bool or observed.shape != x.shape:
            raise ShapeMismatch(
                f"Expected what is observed as a bool tensor {tuple(x.shape)}, one mask for each event; got "
                f"{observed.dtype} {tuple(observed.shape)}."
            )
        return observed.to(self.device)

    @property
    def remark(self) -> str:
        """What a user should know of how the fit came out, in one line; empty if there is nothing to say."""
        return ""

    def beginning(self, length: int) -> "Model":
        """The model of the first `length` values of a sequence model's events (T,).

        Raises:
            UsageError: more values than an event has, or a model whose conditionals are not at hand in this order.
        """
        T = self.space.dims
        if len(self.space.shape) != 1 or not 1 <= length <= T:
            raise UsageError(f"Expected a beginning of 1 to {T} values of a sequence; got {length} of {self.space}.")
        if length == T:
            return self
        if not self.shortens:
            raise UsageError(
                f"Expected events of {T} values, the run's window; got one of {length}, and {type(self).__name__} has "
                "no probability of a part. Take a run of char-rnn, transformer or wavenet, or fit with --window "
                f"{length}."
            )
        return self.shortened(length)

    @property
    def fitted(self) -> bool:
        """Whether the model has seen data: what depends on them is set, and training goes on from where it stands.

        `fit` asks, and sets it after `initialize`; it is saved with the model.
        """
        return bool(self._fitted)

    @fitted.setter
    def fitted(self, value: bool) -> None:
        self._fitted.fill_(value)

    @property
    def dtype(self) -> torch.dtype:
        return self._anchor.dtype

    @property
    def device(self) -> torch.device:
        return self._anchor.device

    recipe: dict[str, Any] | None = None  # name, space and hyperparameters; set by `build`, read by `save`
    _anchor: Tensor
    _fitted: Tensor
