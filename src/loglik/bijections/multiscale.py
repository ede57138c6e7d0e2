"""Multi-scale parts for images: trading space for channels, and leaving half of the channels behind.

Dinh et al. 2017, arXiv:1605.08803, sections 3.6 and 3.7.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from loglik.contract import Bijection, Claim


class Squeeze(Bijection):
    """(B, C, H, W) -> (B, 4C, H/2, W/2): every 2 x 2 block becomes channels. log_det = 0."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return F.pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return F.pixel_shuffle(z, 2), z.new_zeros(len(z))


class FactorOut(Bijection):
    """Leave the first half of the channels as they are and send the rest through `rest`: z is both, flattened.

    (B, C, H, W) -> (B, C H W): the first C // 2 channels are noise at this scale already; `rest` gives its noise flat.
    """

    def __init__(self, shape: tuple[int, int, int], rest: Bijection) -> None:
        super().__init__()
        self.shape, self.rest = shape, rest
        self.kept = shape[0] // 2

    @property
    def claim(self) -> Claim:
        return self.rest.claim

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        deeper, log_det = self.rest(x[:, self.kept :], context)
        return torch.cat([x[:, : self.kept].flatten(1), deeper], dim=1), log_det

    def training_forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        deeper, log_det = self.rest.training_forward(x[:, self.kept :], context)
        return torch.cat([x[:, : self.kept].flatten(1), deeper], dim=1), log_det

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        kept, deeper = self._parts(z)
        rest, log_det = self.rest.inverse(deeper, context)
        return torch.cat([kept, rest], dim=1), log_det

    def preimage(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        kept, deeper = self._parts(z)
        return torch.cat([kept, self.rest.preimage(deeper, context)], dim=1)

    def _parts(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """What was left behind (B, C // 2, H, W), and the noise of the rest, flat."""
        _, height, width = self.shape
        at = self.kept * height * width
        return z[:, :at].reshape(len(z), self.kept, height, width), z[:, at:]

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        deeper = self.rest.initialize(x[:, self.kept :], context)
        return torch.cat([x[:, : self.kept].flatten(1), deeper], dim=1)
