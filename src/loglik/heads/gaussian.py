"""Real values, on a scale near one."""

import functools
import math
from typing import Any

import torch
from torch import Tensor

from loglik.compiled.drawing import NORMAL, Drawing
from loglik.densities import LOG_2PI, normal_log_prob
from loglik.heads.head import Head
from loglik.ops import FAR, at_least_float32, gradients_again
from loglik.scales import centre_and_scale


class NormalHead(Head):
    """N(mean, exp(log_scale)^2), for real values on a scale near one. log_scale is held softly within +-`limit`."""

    inputs = 1
    params = 2
    apart = True

    def __init__(self, limit: float = 7.0) -> None:
        super().__init__()
        self.limit = limit
        self.drawing = Drawing(NORMAL, limit)

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return x.to(dtype).clamp(-FAR, FAR).unsqueeze(-1)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        params, x = params.double(), x.double()  # few numbers, whose squares may be large
        if torch.compiler.is_compiling():
            return reference(params, x, self.limit)
        return NormalLogProb.apply(params, x, self.limit)  # type: ignore[no-any-return]

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        return torch.randn(*shape, 1, dtype=at_least_float32(like).dtype, device=like.device)

    def draw(self, params: Tensor, noise: Tensor) -> Tensor:
        mean, log_scale = mean_and_log_scale(at_least_float32(params), self.limit)
        return mean + torch.exp(log_scale) * noise.squeeze(-1)

    def draw_sharpened(self, params: Tensor, noise: Tensor, temperature: float, top_k: int | None) -> Tensor:
        """p^(1/T) is the normal with T times the variance."""
        if top_k is not None:
            return super().draw_sharpened(params, noise, temperature, top_k)
        return self.draw(params, math.sqrt(temperature) * noise)

    def marginal(self, x: Tensor) -> Tensor:
        centre, scale = centre_and_scale(x)
        log_scale = scale.clamp(min=1e-3, max=1e3).log()
        return torch.stack([centre, self.limit * torch.atanh(log_scale / self.limit)], dim=-1)


def mean_and_log_scale(params: Tensor, limit: float) -> tuple[Tensor, Tensor]:
    """(..., 2) -> (...), (...)"""
    mean, raw = params.unbind(-1)
    return mean, limit * torch.tanh(raw / limit)


def reference(params: Tensor, x: Tensor, limit: float) -> Tensor:
    """log N(x; mean, exp(log_scale)^2), value by value."""
    return normal_log_prob(x, *mean_and_log_scale(params, limit))


class NormalLogProb(torch.autograd.Function):
    """The same as one operation. With z = (x - mean) exp(-log_scale), t = tanh(raw / limit) and a cotangent g, those of

    mean   g z exp(-log_scale), and its negative that of x
    raw    g (z^2 - 1) (1 - t^2)
    """

    @staticmethod
    def forward(ctx: Any, params: Tensor, x: Tensor, limit: float) -> Tensor:
        mean, raw = params.unbind(-1)
        t = torch.mul(raw, 1.0 / limit).tanh_()
        slope = torch.mul(t, -limit).exp_()
        z = torch.sub(x, mean).mul_(slope)
        ctx.limit = limit
        ctx.save_for_backward(params, x, t, slope, z)
        return torch.addcmul(t * -limit, z, z, value=-0.5).sub_(0.5 * LOG_2PI)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        params, x, t, slope, z = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *gradients_again(functools.partial(reference, limit=ctx.limit), (params, x), (g,)), None
        of_mean = torch.mul(g, z)
        of_log_scale = torch.addcmul(-g, of_mean, z)
        of_mean.mul_(slope)
        of_params = torch.empty_like(params)
        of_params[..., 0] = of_mean
        of_params[..., 1] = torch.ops.aten.tanh_backward(of_log_scale, t)
        return of_params, of_mean.neg_().sum_to_size(x.shape) if ctx.needs_input_grad[1] else None, None


class MixtureHead(Head):
    """sum_k w_k N(mean_k, exp(log_scale_k)^2), for real values on a scale near one; w = softmax of the logits.

    Scales are held within e^+-`limit`, so no component collapses on a value that the data repeat. Uria, Murray,
    Larochelle 2013, RNADE, arXiv:1306.0186.

    Args:
        components: K; params are K logits, K means and K raw scales, in this order.
    """

    inputs = 1

    def __init__(self, components: int, limit: float = 7.0) -> None:
        super().__init__()
        self.components, self.limit = components, limit
        self.params = 3 * components

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return x.to(dtype).clamp(-FAR, FAR).unsqueeze(-1)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        logits, mean, log_scale = self._parts(params)
        log_weight = logits - logits.logsumexp(-1, keepdim=True)
        return (log_weight + normal_log_prob(x.unsqueeze(-1), mean, log_scale)).logsumexp(-1)

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A uniform number that chooses the component, and a normal one that moves within it."""
        like = at_least_float32(like)
        chooses = torch.rand(*shape, 1, dtype=like.dtype, device=like.device)
        return torch.cat([chooses, torch.randn(*shape, 1, dtype=like.dtype, device=like.device)], dim=-1)

    def draw(self, params: Tensor, noise: Tensor) -> Tensor:
        logits, mean, log_scale = self._parts(params)
        cumulated = torch.softmax(logits, -1).cumsum(-1)
        component = (cumulated[..., :-1] <= noise[..., :1] * cumulated[..., -1:]).sum(-1, keepdim=True)
        mean, log_scale = mean.gather(-1, component), log_scale.gather(-1, component)
        return (mean + torch.exp(log_scale) * noise[..., 1:]).squeeze(-1)

    def marginal(self, x: Tensor) -> Tensor:
        """Equal weights, means at the quantiles (k + 1/2) / K, scales of a K-th of the spread."""
        rows = x.double()
        places = ((torch.arange(self.components, device=x.device) + 0.5) * len(x) / self.components).long()
        mean = rows.sort(0).values[places].movedim(0, -1)
        scale = (centre_and_scale(x)[1] * self.components**-0.5).clamp(min=1e-3, max=1e3)
        raw = self.limit * torch.atanh(scale.log() / self.limit)
        return torch.cat([torch.zeros_like(mean), mean, raw.unsqueeze(-1).expand_as(mean)], dim=-1)

    def _parts(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, mean, raw = at_least_float32(params).chunk(3, dim=-1)
        return logits, mean, self.limit * torch.tanh(raw / self.limit)
