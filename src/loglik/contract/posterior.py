"""The latents of events given the events: p(z|x), or the q(z|x) that a model has in its place."""

from abc import ABC, abstractmethod

from torch import Tensor


class Posterior(ABC):
    """A distribution of z for each of B events. `exact` says which: p(z|x) itself, or a q(z|x) that stands for it."""

    exact: bool

    @abstractmethod
    def sample(self, n: int) -> Tensor:
        """n draws for each event, (n, B, *latent)."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """(n, B, *latent) -> (n, B): log of the density, or of the probability where z is discrete."""

    def __str__(self) -> str:
        return "p(z|x)" if self.exact else "q(z|x)"
