"""Latents that are standard normal before anything is seen: z ~ N(0, I_q)."""

from abc import abstractmethod

import torch
from torch import Tensor

from loglik.contract import Model
from loglik.densities import normal_log_prob
from loglik.ops import sum_event


class StandardLatents(Model):
    """A model whose latents z (q,) have the density N(0, I)."""

    @property
    @abstractmethod
    def latent_dims(self) -> int:
        """q."""

    @property
    def draws_latents(self) -> bool:
        return True

    def sample_latents(self, n: int, context: Tensor | None = None) -> Tensor:
        return torch.randn(n, self.latent_dims, dtype=self.dtype, device=self.device)

    def log_latent(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return sum_event(normal_log_prob(z))
