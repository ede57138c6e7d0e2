"""Real values, on a scale near one."""

import torch
from torch import Tensor

from loglik.densities import normal_log_prob
from loglik.heads.head import Head
from loglik.ops import at_least_float32


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

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        return torch.randn(*shape, 1, dtype=at_least_float32(like).dtype, device=like.device)

    def draw(self, params: Tensor, noise: Tensor) -> Tensor:
        mean, log_scale = self._mean_and_log_scale(params)
        return mean + torch.exp(log_scale) * noise.squeeze(-1)

    def marginal(self, x: Tensor) -> Tensor:
        log_scale = x.double().std(0, correction=0).clamp(min=1e-3, max=1e3).log()
        return torch.stack([x.double().mean(0), self.limit * torch.atanh(log_scale / self.limit)], dim=-1)

    def _mean_and_log_scale(self, params: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = at_least_float32(params).unbind(-1)
        return mean, self.limit * torch.tanh(raw / self.limit)
