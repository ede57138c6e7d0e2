"""Linear bijections: activation normalisation, and a learned matrix."""

import torch
from torch import Tensor, nn

from loglik.bijections.lu import LU
from loglik.contract import Bijection


class ActNorm(Bijection):
    """z = (x - shift) exp(-log_scale) for each channel or dimension; for images log|det dz/dx| = -H W sum log_scale.

    Both are learned, and start so that the first data seen get mean 0 and variance 1.

    It does the work of batch normalisation without ever mixing the events of a batch, so p(x) is p(x) in training too.
    Kingma & Dhariwal 2018, Glow, arXiv:1807.03039, section 3.1.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.places = 1
        for size in shape[1:]:
            self.places *= size
        per_channel = (shape[0], *(1 for _ in shape[1:]))
        self.shift = nn.Parameter(torch.zeros(per_channel))
        self.log_scale = nn.Parameter(torch.zeros(per_channel))

    @torch.no_grad()
    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        rest = [0, *range(2, x.ndim)]
        scale = x.std(rest, correction=0).reshape(self.shift.shape)
        self.shift.copy_(x.mean(rest).reshape(self.shift.shape))
        self.log_scale.copy_(torch.where(scale > 1e-6, scale, torch.ones_like(scale)).log())
        return self(x)[0]  # type: ignore[no-any-return]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_det = -self.places * self.log_scale.sum()
        return (x - self.shift) * torch.exp(-self.log_scale), log_det.expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_det = self.places * self.log_scale.sum()
        return z * torch.exp(self.log_scale) + self.shift, log_det.expand(len(z))


class Linear(Bijection):
    """z = W x for vectors (B, D), W in LU form: log|det dz/dx| = log|det W|, the inverse by triangular solves.

    Between couplings or autoregressive layers it mixes the values, where a permutation would only move them.
    Kingma & Dhariwal 2018, arXiv:1807.03039, section 3.2; Durkan et al. 2019, arXiv:1906.04032, section 3.2.

    Args:
        weight: W, (D, D).
    """

    def __init__(self, weight: LU) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            z = x @ self.weight.matrix().to(x.dtype).T
        return z, self.weight.log_abs_det().to(x.dtype).expand(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.weight.solve(z.T).T, -self.weight.log_abs_det().to(z.dtype).expand(len(z))
