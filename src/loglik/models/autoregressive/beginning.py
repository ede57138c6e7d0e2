"""The beginning of a sequence: the first k of T values as events of their own, under the model of all T.

    p(x_1 .. x_k) = sum over x_k+1 .. x_T of p(x) = prod_i<=k p(x_i | x_<i),

for conditionals never see what comes later. A sentence shorter than a model's window is scored so.
"""

from dataclasses import replace

import torch
from torch import Tensor

from loglik.contract import ExactModel, Model
from loglik.errors import UsageError
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.baselines.histogram import Histogram
from loglik.models.baselines.uniform import Uniform
from loglik.ops import sum_event


class Beginning(ExactModel):
    """The first `length` values of an autoregressive model of sequences (T,), exactly; events are (length,)."""

    def __init__(self, whole: Autoregressive, length: int) -> None:
        super().__init__(replace(whole.space, shape=(length,)), whole.context, whole.dtype)
        self.whole = whole

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, k) -> (B,): log p of the beginning, whatever follows."""
        x = self.events(x, context)
        rest = x.new_zeros(len(x), self.whole.space.dims - x.shape[1])  # conditionals of the first k do not see it
        padded = torch.cat([x, rest], dim=1)
        log_p: Tensor = self.whole.head.log_prob(self.whole.conditionals(padded, context), padded)
        return sum_event(log_p[:, : x.shape[1]])

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        return self.whole.sample(n, context)[:, : self.space.dims]


def beginning(model: Model, length: int) -> Model:
    """The model of the first `length` values of a sequence model's events.

    Raises:
        UsageError: more values than an event has, or a model whose conditionals are not at hand in this order.
    """
    T = model.space.dims
    if len(model.space.shape) != 1 or not 1 <= length <= T:
        raise UsageError(f"Expected a beginning of 1 to {T} values of a sequence; got {length} of {model.space}.")
    if length == T:
        return model
    if isinstance(model, Uniform):
        return Uniform(replace(model.space, shape=(length,)), model.context).to(model.device)
    if isinstance(model, Histogram):
        short = Histogram(replace(model.space, shape=(length,)), model.smoothing).to(model.device)
        short.theta.copy_(model.theta[:length])
        return short
    if isinstance(model, Autoregressive) and torch.equal(model.order.cpu(), torch.arange(T)):
        return Beginning(model, length).to(model.device)
    raise UsageError(
        f"Expected events of {T} values, the run's window; got one of {length}, and {type(model).__name__} has no "
        f"probability of a part. Take a run of char-rnn, transformer or wavenet, or fit with --window {length}."
    )
