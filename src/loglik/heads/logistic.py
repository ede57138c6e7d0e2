"""Mixtures of discretised logistics: ordered levels as bins of a density, with the mass of every bin exact.

Salimans, Karpathy, Chen, Kingma 2017, PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood
and Other Modifications, arXiv:1701.05517, section 2.1 and 2.2.

Levels 0..L-1 stand at 2 x / (L-1) - 1, so data span [-1, 1] and a bin is 2h wide, h = 1 / (L-1).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.heads.discrete import ONE_HOT_LEVELS
from loglik.heads.head import Head
from loglik.heads.levels import draw_level, sharpened
from loglik.ops import at_least_float32

SHARPEST = 4.0  # a scale is at least h / e^4: a bin then holds all but 1e-23 of a logistic in its middle
WIDEST = 7.0  # and at most e^7: over the data's span the logistic is then flat
AT_ONCE = 1 << 22  # so many masses of levels are held in memory, to draw from all of them
POINTS = 8  # of the data's quantiles describe one component at the start


def scaled(x: Tensor, levels: int, dtype: torch.dtype) -> Tensor:
    """Levels 0..L-1 -> [-1, 1]."""
    return x.to(dtype) * (2.0 / (levels - 1)) - 1.0


def logistic_log_mass(x: Tensor, mean: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """log P(x) of a logistic whose bins are the levels; shapes broadcast, nats.

        P(x) = sigma(a) - sigma(b),  a = (x + h - mean) / s,  b = (x - h - mean) / s,  x in [-1, 1]
        log P(x) = log sigma(a) + log sigma(-b) + log(1 - e^{-(a - b)}),  a - b = 2h / s

    The lowest bin reaches to -infinity, the highest to +infinity: sigma(b) = 0 and sigma(a) = 1 there. The identity
    keeps its digits in the tails, where the difference of sigmoids has none left, so the masses sum to 1 without the
    density times the bin that published code falls back to.

    Args:
        x: levels, 0..L-1. mean, log_scale: of the logistic, in units of [-1, 1].
    """
    half, inverse_scale = 1.0 / (levels - 1), torch.exp(-log_scale)
    distance = scaled(x, levels, mean.dtype) - mean
    below_top = F.logsigmoid((distance + half) * inverse_scale)
    above_bottom = F.logsigmoid((half - distance) * inverse_scale)
    inside = below_top + above_bottom + torch.log(-torch.expm1(-2.0 * half * inverse_scale))
    return torch.where(x == 0, below_top, torch.where(x == levels - 1, above_bottom, inside))


class ColourLogisticHead(Head):
    """P(x) = sum_k pi_k prod_c P(x_c; mean_kc, s_kc), all colours c of a pixel under one shared component k.

        mean_kc = m_kc + sum_{j<c} tanh(r_kcj) x_j,  x_j the observed earlier colours in [-1, 1]

    which for red, green, blue are the paper's mu_G = m_G + alpha R, mu_B = m_B + beta R + gamma G. params are, for K
    components and C colours, K logits of pi, then C K means, C K scales and C(C-1)/2 K coefficients.
    """

    def __init__(self, levels: int, components: int, colours: int) -> None:
        super().__init__()
        self.levels, self.components = levels, components
        self.values = self.colours = colours
        self.one_hot = 2 < levels <= ONE_HOT_LEVELS
        self.inputs = colours * (levels if self.one_hot else 1)
        self.sections = [1, colours, colours, colours * (colours - 1) // 2]
        self.params = components * sum(self.sections)
        self.sharpest = -math.log(levels - 1) - SHARPEST

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        if self.one_hot:
            return F.one_hot(x, self.levels).to(dtype).flatten(-2)
        return scaled(x, self.levels, dtype)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        log_pi, mean, log_scale, coefficients = self._read(params)
        if self.colours > 1:
            below = [self._from_earlier(x, coefficients, c) for c in range(self.colours)]
            mean = mean + torch.stack(below, dim=-2)
        log_mass = logistic_log_mass(x.unsqueeze(-1), mean, log_scale, self.levels)
        return torch.logsumexp(log_pi + log_mass.sum(-2), dim=-1)

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Uniform numbers, one for the component and one for each colour."""
        return torch.rand(*shape, 1 + self.colours, dtype=at_least_float32(like).dtype, device=like.device)

    def draw(self, params: Tensor, noise: Tensor) -> Tensor:
        """A component, then each colour by its inverse CDF, taken to the level whose bin holds it."""
        log_pi, mean, log_scale, coefficients = self._read(params)
        cumulated = torch.exp(log_pi).cumsum(-1)
        k = (cumulated[..., :-1] <= noise[..., :1] * cumulated[..., -1:]).sum(-1, keepdim=True)

        def chosen(t: Tensor) -> Tensor:
            """(..., C, K) -> (..., C): of the component drawn."""
            return t.gather(-1, k.unsqueeze(-2).expand(*t.shape[:-1], 1)).squeeze(-1)

        centre = chosen(mean)
        error = torch.exp(chosen(log_scale)) * torch.logit(noise[..., 1:].to(mean.dtype))
        x = torch.zeros(centre.shape, dtype=torch.long, device=centre.device)
        for c in range(self.colours):
            place = centre[..., c] + error[..., c]
            if c:
                place = place + self._from_earlier(x, coefficients, c).gather(-1, k).squeeze(-1)
            level = torch.floor((place + 1.0) * (0.5 * (self.levels - 1)) + 0.5)
            x[..., c] = level.clamp(0, self.levels - 1).long()
        return x

    def draw_sharpened(self, params: Tensor, noise: Tensor, temperature: float, top_k: int | None) -> Tensor:
        """Each colour in turn from p(x_c | x_<c)^(1/temperature) over its own `top_k` likeliest levels.

        That is what values drawn at sites of their own have. The masses of all levels are computed for every draw.
        """
        rows = max(1, AT_ONCE // (self.levels * self.components))
        some = zip(torch.split(params.flatten(0, -2), rows), torch.split(noise.flatten(0, -2), rows), strict=True)
        drawn = [self._enumerated(p, u, temperature, top_k) for p, u in some]
        return torch.cat(drawn).reshape(*params.shape[:-1], self.colours)

    def _enumerated(self, params: Tensor, noise: Tensor, temperature: float, top_k: int | None) -> Tensor:
        """(B, params), noise (B, 1 + C) -> (B, C)"""
        log_w, mean, log_scale, coefficients = self._read(params)  # log_w (B, K): log p(k, x_<c)
        every = torch.arange(self.levels, device=params.device)[:, None]
        x = torch.zeros(len(params), self.colours, dtype=torch.long, device=params.device)
        for c in range(self.colours):
            centre = mean[:, c] + self._from_earlier(x, coefficients, c)
            log_mass = logistic_log_mass(every, centre.unsqueeze(1), log_scale[:, c].unsqueeze(1), self.levels)
            log_joint = log_w.unsqueeze(1) + log_mass  # (B, levels, K)
            x[:, c] = draw_level(sharpened(log_joint.logsumexp(-1), temperature, top_k), noise[:, 1 + c : 2 + c])
            log_w = log_joint[torch.arange(len(x), device=x.device), x[:, c]]
        return x

    def marginal(self, x: Tensor) -> Tensor:
        """Component k holds the k-th of K equal parts of the data, from dark to bright."""
        count = self.components * POINTS
        bright = x.sum(-1).argsort(0)[((torch.arange(count, device=x.device) + 0.5) / count * len(x)).long()]
        parts = scaled(x.gather(0, bright.unsqueeze(-1).expand(*bright.shape, self.colours)), self.levels, torch.double)
        parts = parts.reshape(self.components, POINTS, *parts.shape[1:])  # (K, points, ..., C)
        # A logistic of scale s has the standard deviation pi s / sqrt 3.
        log_scale = (parts.std(1, correction=0) * (math.sqrt(3.0) / math.pi)).clamp(min=0.5 / (self.levels - 1)).log()
        mean, raw = parts.mean(1).movedim(0, -1), log_scale.movedim(0, -1)
        rest = torch.zeros(*mean.shape[:-2], self.sections[-1], self.components, dtype=mean.dtype, device=mean.device)
        return torch.cat([torch.zeros_like(mean[..., :1, :]), mean, raw, rest], dim=-2).flatten(-2)

    def _read(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """log pi (..., K), means and log scales (..., C, K), coefficients (..., C(C-1)/2, K)."""
        table = at_least_float32(params).reshape(*params.shape[:-1], sum(self.sections), self.components)
        logits, mean, raw, coefficients = torch.split(table, self.sections, dim=-2)
        # Softly held within the limits, and as the net says it between them.
        log_scale = WIDEST - F.softplus(WIDEST - self.sharpest - F.softplus(raw - self.sharpest))
        return torch.log_softmax(logits.squeeze(-2), dim=-1), mean, log_scale, torch.tanh(coefficients)

    def _from_earlier(self, x: Tensor, coefficients: Tensor, c: int) -> Tensor:
        """(..., K): what the colours before c add to the mean of colour c."""
        earlier = scaled(x[..., :c], self.levels, coefficients.dtype)
        row = coefficients[..., c * (c - 1) // 2 : c * (c + 1) // 2, :]
        return (row * earlier.unsqueeze(-1)).sum(-2)


class LogisticHead(Head):
    """P(x) = sum_k pi_k [sigma((x + h - mean_k) / s_k) - sigma((x - h - mean_k) / s_k)], for ordered levels.

    params are K logits of pi, K means in units where data span [-1, 1], K scales (`ColourLogisticHead` of one colour).
    """

    def __init__(self, levels: int, components: int) -> None:
        super().__init__()
        self.joint = ColourLogisticHead(levels, components, 1)
        self.levels, self.components = levels, components
        self.inputs, self.params = self.joint.inputs, self.joint.params

    def encode(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return self.joint.encode(x.unsqueeze(-1), dtype)

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        return self.joint.log_prob(params, x.unsqueeze(-1))

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        return self.joint.noise(shape, like)

    def draw(self, params: Tensor, noise: Tensor) -> Tensor:
        return self.joint.draw(params, noise).squeeze(-1)

    def draw_sharpened(self, params: Tensor, noise: Tensor, temperature: float, top_k: int | None) -> Tensor:
        return self.joint.draw_sharpened(params, noise, temperature, top_k).squeeze(-1)

    def marginal(self, x: Tensor) -> Tensor:
        return self.joint.marginal(x.unsqueeze(-1))
