"""Heads read a net's outputs as the conditional distribution of each value: p(x_d | what the net saw).

One head for each kind of value, shared by every model that predicts values. A head states how many numbers it wants
to say about a value (`params`) and into how many a value is encoded when a net reads it (`inputs`).
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loglik.densities import normal_log_prob
from loglik.ops import at_least_float32
from loglik.spaces import Discrete, Integer, Space

SMOOTHING = 0.1  # the count added to every level of a marginal
ONE_HOT_LEVELS = 32  # ordered values of more levels are read as one number, scaled to [-1, 1]


class Head(nn.Module, ABC):
    """Net outputs (..., params) -> distribution of values (...)."""

    inputs: int
    params: int

    @abstractmethod
    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Values (...) -> what a net reads, (..., inputs)."""

    @abstractmethod
    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """(..., params), (...) -> log p of each value, (...), in nats."""

    @abstractmethod
    def sample(self, params: Tensor) -> Tensor:
        """(..., params) -> values (...)."""

    @abstractmethod
    def marginal(self, x: Tensor) -> Tensor:
        """Rows (B, ...) -> params (..., params) that fit each value's marginal, for a net to start from."""


class BernoulliHead(Head):
    """p(x=1) = sigmoid(logit), for two levels."""

    inputs = 1
    params = 1

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return (2.0 * x.to(dtype) - 1.0).unsqueeze(-1)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        logit = at_least_float32(params).squeeze(-1)
        return F.logsigmoid((2 * x - 1) * logit)

    def sample(self, params: Tensor) -> Tensor:
        return torch.bernoulli(torch.sigmoid(at_least_float32(params).squeeze(-1))).long()

    def marginal(self, x: Tensor) -> Tensor:
        return torch.logit((x.double().sum(0) + SMOOTHING) / (len(x) + 2.0 * SMOOTHING)).unsqueeze(-1)


class CategoricalHead(Head):
    """p(x=k) = softmax(logits)_k. `ordered` values of many levels are read by nets as one scaled number."""

    def __init__(self, levels: int, *, ordered: bool) -> None:
        super().__init__()
        self.levels = levels
        self.scaled = ordered and levels > ONE_HOT_LEVELS
        self.inputs = 1 if self.scaled else levels
        self.params = levels

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        if self.scaled:
            return (x.to(dtype) * (2.0 / (self.levels - 1)) - 1.0).unsqueeze(-1)
        return F.one_hot(x, self.levels).to(dtype)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        logits = at_least_float32(params)
        return logits.gather(-1, x.unsqueeze(-1)).squeeze(-1) - logits.logsumexp(-1)

    def sample(self, params: Tensor) -> Tensor:
        # The Gumbel trick: the argmax of logits + Gumbel noise is a draw from the softmax.
        logits = at_least_float32(params)
        return (logits - torch.empty_like(logits).exponential_().log()).argmax(-1)

    def marginal(self, x: Tensor) -> Tensor:
        counts = torch.stack([(x == level).sum(0) for level in range(self.levels)], dim=-1).double() + SMOOTHING
        return torch.log(counts / counts.sum(-1, keepdim=True))


class NormalHead(Head):
    """N(mean, exp(log_scale)^2), for real values on a scale near one. log_scale is held softly within +-`limit`."""

    inputs = 1
    params = 2

    def __init__(self, limit: float = 7.0) -> None:
        super().__init__()
        self.limit = limit

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return x.to(dtype).unsqueeze(-1)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        return normal_log_prob(x, *self._mean_and_log_scale(params))

    def sample(self, params: Tensor) -> Tensor:
        mean, log_scale = self._mean_and_log_scale(params)
        return mean + torch.exp(log_scale) * torch.randn_like(mean)

    def marginal(self, x: Tensor) -> Tensor:
        log_scale = x.double().std(0, correction=0).clamp(min=1e-3, max=1e3).log()
        return torch.stack([x.double().mean(0), self.limit * torch.atanh(log_scale / self.limit)], dim=-1)

    def _mean_and_log_scale(self, params: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = at_least_float32(params).unbind(-1)
        return mean, self.limit * torch.tanh(raw / self.limit)


def head_for(space: Space) -> Head:
    """The head that suits the values of a space."""
    if isinstance(space, Discrete):
        if space.levels == 2:
            return BernoulliHead()
        return CategoricalHead(space.levels, ordered=isinstance(space, Integer))
    return NormalHead()
