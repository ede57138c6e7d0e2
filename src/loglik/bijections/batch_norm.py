"""Batch normalisation as a bijection, by running statistics of what passed in training.

Dinh, Sohl-Dickstein, Bengio 2017, Density estimation using Real NVP, arXiv:1605.08803, section 3.7 and appendix E;
Papamakarios, Pavlakou, Murray 2017, Masked Autoregressive Flow, arXiv:1705.07057, section 3.1 and appendix B.
"""

import math

import torch
from torch import Tensor, nn

from loglik.contract import Bijection


class BatchNorm(Bijection):
    """z = (x - m) (v + eps)^(-1/2) exp(log_gain) + offset for each channel or dimension;

        log|det dz/dx| = H W sum (log_gain - 1/2 log(v + eps)),      H W = 1 for vectors.

    m and v are buffers: the mean and variance of the first data seen, then running ones, which follow the batches that
    are trained on,

        m <- momentum m + (1 - momentum) mean(batch),    v likewise.

    A batch is normalised by what was there before it. So a score never depends on who else is in the batch, in training
    neither, and what is trained is a likelihood; with the batch's own m and v, as in the papers, it is none.
    """

    EPS = 1e-5

    def __init__(self, shape: tuple[int, ...], momentum: float = 0.99) -> None:
        super().__init__()
        self.momentum = momentum
        self.places = math.prod(shape[1:])
        per_channel = (shape[0], *(1 for _ in shape[1:]))
        self.offset = nn.Parameter(torch.zeros(per_channel))
        self.log_gain = nn.Parameter(torch.zeros(per_channel))
        self.register_buffer("mean", torch.zeros(per_channel))
        self.register_buffer("variance", torch.ones(per_channel))

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        mean, variance = self._measured(x)
        self.mean.copy_(mean)
        self.variance.copy_(variance)
        return self(x)[0]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_slope = self._log_slope()
        return (x - self.mean) * torch.exp(log_slope) + self.offset, (self.places * log_slope.sum()).expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_slope = self._log_slope()
        return (z - self.offset) * torch.exp(-log_slope) + self.mean, (-self.places * log_slope.sum()).expand(len(z))

    def _log_slope(self) -> Tensor:
        return self.log_gain - 0.5 * torch.log(self.variance + self.EPS)

    def training_forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_det = self(x)
        if torch.is_grad_enabled():  # it is a step, not a look
            with torch.no_grad():
                mean, variance = self._measured(x)
                self.mean.lerp_(mean, 1.0 - self.momentum)
                self.variance.lerp_(variance, 1.0 - self.momentum)
        return z, log_det

    def flaw(self) -> str:
        return "" if bool((self.variance >= 0).all()) else "a variance is below 0"

    @staticmethod
    def _measured(x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel."""
        variance, mean = torch.var_mean(x, [0, *range(2, x.ndim)], correction=0, keepdim=True)
        return mean.squeeze(0), variance.squeeze(0)

    mean: Tensor
    variance: Tensor
