"""Values of few levels: a coin, and a softmax over all levels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.compiled.drawing import COIN, ONE_HOT, SCALED, Drawing
from loglik.heads.head import Head
from loglik.heads.levels import draw_level, sharpened
from loglik.ops import at_least_float32

SMOOTHING = 0.1  # the count added to every level of a marginal
ONE_HOT_LEVELS = 32  # ordered values of more levels are read as one number, scaled to [-1, 1]


class BernoulliHead(Head):
    """p(x=1) = sigmoid(logit), for two levels."""

    inputs = 1
    params = 1
    drawing = Drawing(COIN)

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return (2.0 * x.to(dtype) - 1.0).unsqueeze(-1)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        logit = at_least_float32(params).squeeze(-1)
        return F.logsigmoid((2 * x - 1) * logit)

    def draw(self, params: Tensor, noise: Tensor) -> Tensor:
        return (noise < torch.sigmoid(at_least_float32(params))).squeeze(-1).long()

    def draw_sharpened(self, params: Tensor, noise: Tensor, temperature: float, top_k: int | None) -> Tensor:
        log_p = torch.cat([torch.zeros_like(params), params], dim=-1)
        return draw_level(sharpened(log_p, temperature, top_k), noise)

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
        self.drawing = Drawing(SCALED if self.scaled else ONE_HOT)

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        if self.scaled:
            return (x.to(dtype) * (2.0 / (self.levels - 1)) - 1.0).unsqueeze(-1)
        return F.one_hot(x, self.levels).to(dtype)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        logits = at_least_float32(params)
        return logits.gather(-1, x.unsqueeze(-1)).squeeze(-1) - logits.logsumexp(-1)

    def draw(self, params: Tensor, noise: Tensor) -> Tensor:
        # The levels whose cumulated probability a uniform number has passed; rounding never passes the last.
        cumulated = torch.softmax(at_least_float32(params), -1).cumsum(-1)
        return (cumulated[..., :-1] <= noise * cumulated[..., -1:]).sum(-1)

    def draw_sharpened(self, params: Tensor, noise: Tensor, temperature: float, top_k: int | None) -> Tensor:
        return draw_level(sharpened(params, temperature, top_k), noise)

    def marginal(self, x: Tensor) -> Tensor:
        counts = torch.stack([(x == level).sum(0) for level in range(self.levels)], dim=-1).double() + SMOOTHING
        return torch.log(counts / counts.sum(-1, keepdim=True))
