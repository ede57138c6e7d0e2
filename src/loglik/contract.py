"""The contract: what a model of p(x) promises, and how its number may be read. Read this file first.

Symbols, the same everywhere: x data, z noise or latent, c context, u uniform, eps Gaussian noise; B batch, D dims,
K components or importance samples. There is exactly one leading batch axis; log-likelihoods and log-determinants
are (B,), in nats per event, never negated, never per dimension. Names of logarithms begin with `log_`.
"""

from abc import ABC, abstractmethod
from enum import IntEnum
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from loglik.arguments.ranges import SAMPLES, whole
from loglik.arguments.tensors import tensor_of
from loglik.contexts import ContextReader, check_contexts, contexts_of_samples
from loglik.errors import UsageError
from loglik.ops import log_mean_exp, repeat_rows, sum_event
from loglik.spaces import Space

ROWS_AT_ONCE = 4096  # importance samples are evaluated in slices of about so many rows


class Claim(IntEnum):
    """What a log-likelihood is. A composite claims what its weakest part does: the maximum."""

    EXACT = 0  # log p(x)
    LOWER_BOUND = 1  # at most log p(x), in expectation over the model's own noise
    ESTIMATE = 2  # may lie on either side of log p(x)

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class Model(nn.Module, ABC):
    """A distribution over the events of one space, possibly given a context c. Events may come as arrays or lists.

    A subclass calls `super().__init__(space, context)`, states its `claim`, and implements `log_likelihood` (through
    one of the kinds below) and `sample`. What it may override: `objective`, `initialize`, `remark`; `carries` and
    `log_likelihood_from` together; `has_weights` and `log_weight` together.
    """

    def __init__(self, space: Space, context: Space | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.space = space
        self.context = context
        anchor = torch.empty(0, dtype=dtype or torch.get_default_dtype())
        self.register_buffer("_anchor", anchor)  # carries dtype and device, also into files
        self.register_buffer("_fitted", torch.tensor(False))
        self.context_reader = None if context is None else ContextReader(context)

    @property
    @abstractmethod
    def claim(self) -> Claim:
        """How `log_likelihood` may be read."""

    @abstractmethod
    def log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event) -> (B,): nats per event. The log density on Real spaces, the log probability on discrete ones."""

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

    @property
    def remark(self) -> str:
        """What a user should know of how the fit came out, in one line; empty if there is nothing to say."""
        return ""

    @property
    def carries(self) -> bool:
        """Whether the model can remember the event before: `log_likelihood_from` is there to call.

        It is for streams, whose events are windows of one long sequence (`Source.stream`).
        """
        return False

    def log_likelihood_from(
        self, x: Tensor, state: Tensor | None, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, *event), state (B, ...) -> log p(x_w | x_<w) (B,), the state after x_w (B, ...).

        The state is all that the model remembers of the windows before; None is the beginning, where the result is
        `log_likelihood`. Over consecutive windows the results sum to log p of the whole sequence. The new state is
        detached: gradients end at the window's beginning (truncated backpropagation through time).
        """
        raise UsageError(
            f"{type(self).__name__} scores every window by itself; it carries no state from one to the next."
        )

    @property
    def has_weights(self) -> bool:
        """Whether one draw of the model's noise is an importance weight of p(x): `log_weight` is there to call."""
        return False

    def log_weight(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event) -> (B,): log w = log p(x, z) - log q(z|x) of one draw z ~ q(z|x) for each event; E w = p(x)."""
        raise UsageError(f"{type(self).__name__} has no importance weights; score it by log_likelihood, without K.")

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


class ExactModel(Model):
    """A model whose log-likelihood is a formula: implement `log_prob`. The name is kept for exact values."""

    @property
    def claim(self) -> Claim:
        return Claim.EXACT

    @abstractmethod
    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event) -> (B,): log p(x) or log p(x|c), exactly."""

    def log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        check_contexts(context, self.context, x)  # a `log_prob` that ignores them need not say so
        return self.log_prob(tensor_of(x, "the events"), context)

    @property
    def has_weights(self) -> bool:
        return True

    def log_weight(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(x) itself, without noise."""
        return self.log_prob(x, context)


class LatentModel(Model):
    """A model with an integral inside, p(x) = int p(x|z) p(z) dz: implement `elbo_terms`.

    For z ~ q(z|x) the log weight log w = log p(x, z) - log q(z|x) satisfies

        E log w  <=  E log (1/K) sum_k w_k  <=  log p(x),        (Burda et al. 2016, arXiv:1509.00519)

    the ELBO and the K-sample bound, which never falls as K grows. The sum of the terms has the mean of log w, and need
    not be it: an integral in closed form, or one of T terms drawn and multiplied by T, is no weight. A model that can
    draw weights says `has_weights` and implements `log_weight`; without, it has an ELBO alone.
    """

    @property
    def claim(self) -> Claim:
        return Claim.LOWER_BOUND

    @abstractmethod
    def elbo_terms(self, x: Tensor, context: Tensor | None = None) -> dict[str, Tensor]:
        """name -> (B,) or (B, T): terms, signed so that the sum of all is, in expectation, the ELBO."""

    def log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The ELBO, estimated with one draw of z for each event."""
        return torch.stack([sum_event(term) for term in self.elbo_terms(x, context).values()]).sum(dim=0)

    def bound(self, x: Tensor, context: Tensor | None = None, *, samples: int = 1) -> Tensor:
        """(B, *event) -> (B,): the bound with K = `samples` weights; K = 1 is the ELBO.

        Raises:
            UsageError: fewer than 1 sample; a model without weights.
        """
        x, samples = tensor_of(x, "the events"), whole("samples", samples, SAMPLES)
        at_once = max(1, min(samples, ROWS_AT_ONCE // max(1, len(x))))
        log_w = []
        for start in range(0, samples, at_once):
            k = min(at_once, samples - start)
            log_w.append(self.log_weight(x.repeat_interleave(k, dim=0), repeat_rows(context, k)).reshape(len(x), k))
        return log_mean_exp(torch.cat(log_w, dim=1), dim=1)


class Stats(Protocol):
    """Expected sufficient statistics. They add, so EM streams over batches and over machines."""

    def __add__(self, other: Self, /) -> Self: ...

    @property
    def events(self) -> Tensor:
        """How many events were counted, a float64 scalar."""

    @property
    def log_likelihood(self) -> Tensor:
        """The sum of their log-likelihoods under the parameters before `maximize`, a float64 scalar."""


class EMModel(Model):
    """A model fitted by alternating two steps that never lower the likelihood of the data.

        expect      E_q[sufficient statistics],  q(z) = p(z|x, theta)
        maximize    theta <- argmax E_q log p(x, z|theta)            (Dempster, Laird, Rubin 1977)

    Combine it with ExactModel or LatentModel, which say what its log-likelihood is.
    """

    @property
    def closed_form(self) -> bool:
        """Whether one pass reaches the optimum."""
        return False

    @abstractmethod
    def expect(self, x: Tensor, context: Tensor | None = None) -> Any:
        """(B, *event) -> Stats of these events."""

    @abstractmethod
    def maximize(self, stats: Any) -> None:
        """Set the parameters to the best ones for these statistics."""


class Bijection(nn.Module, ABC):
    """An invertible map, always data -> noise; log_det is log|det d output / d input| of the direction taken.

    A subclass implements both directions; `initialize` may set its parameters from the first data it sees.
    """

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
        return self(x, context)[0]  # type: ignore[no-any-return]

    def follow(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`forward` as training takes it; the objectives of models call it there, and it enters no reported number.

        Parts that keep running statistics of what passes take this batch in: with gradients it is a step; without, a
        look that changes nothing. Parts that solve equations do so loosely, and may take penalties off the log_det.
        """
        return self(x, context)  # type: ignore[no-any-return]

    def preimage(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The x of `inverse` alone, for parts whose log-determinant has a cost of its own."""
        return self.inverse(z, context)[0]
