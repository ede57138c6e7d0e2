"""Base densities p(z) that a flow carries to the data, and that a latent variable model starts from."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.contract import ExactModel
from loglik.ops import sum_event
from loglik.spaces import Real, Space

LOG_2PI = math.log(2.0 * math.pi)


def normal_log_prob(x: Tensor, mean: Tensor | float = 0.0, log_scale: Tensor | float = 0.0) -> Tensor:
    """log N(x; mean, exp(log_scale)^2), value by value, in nats."""
    log_scale = torch.as_tensor(log_scale, dtype=x.dtype, device=x.device)
    return -0.5 * ((x - mean) * torch.exp(-log_scale)).square() - log_scale - 0.5 * LOG_2PI


class StandardNormal(ExactModel):
    """p(z) = prod_d N(z_d; 0, 1), the same whatever the context."""

    def __init__(self, space: Real, context: Space | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__(space, context, dtype)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        x = self.events(x, context, torch.float64)  # whose squares overflow nowhere that float32 reaches
        return -0.5 * sum_event(x.square()) - 0.5 * self.space.dims * LOG_2PI

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        return torch.randn(n, *self.space.shape, dtype=self.dtype, device=self.device)


def logistic_log_prob(x: Tensor) -> Tensor:
    """log of the standard logistic density, value by value, in nats: log sigma(x) + log sigma(-x)."""
    return -F.softplus(x) - F.softplus(-x)


class StandardLogistic(ExactModel):
    """p(z) = prod_d sigma(z_d) sigma(-z_d), the same whatever the context; sigma(z_d) is uniform.

    Its tails fall as exp(-|z|), so it forgives a value far out more than a normal does.
    """

    def __init__(self, space: Real, context: Space | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__(space, context, dtype)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return sum_event(logistic_log_prob(self.events(x, context, torch.float64)))

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        self.contexts(n, context)
        u = torch.rand(n, *self.space.shape, dtype=self.dtype, device=self.device)
        return torch.logit(u, eps=0.5 * torch.finfo(self.dtype).eps)  # rand may give 0
