"""The latents of events given the events: p(z|x), or the q(z|x) that a model has in its place."""

from abc import ABC, abstractmethod
from collections.abc import Callable

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

    @property
    def support(self) -> Tensor | None:
        """All values of z, (K, *latent), where they can be counted; sums over them are exact."""
        return None

    def points(self) -> tuple[Tensor, Tensor] | None:
        """z (n, B, *latent) and weights (n,): the means of functions quadratic in z are sums over them; or None."""
        return None

    def divergence(self, prior: Callable[[Tensor], Tensor]) -> Tensor | None:
        """KL(q(z|x) | p(z)) in closed form, (B,), given log p(z) as a function of z (B, *latent); or None."""
        return None

    def log_second_moment(self, prior: Callable[[Tensor], Tensor]) -> Tensor | None:
        """log int q(z|x)^2 / p(z) dz in closed form, (B,): how far naive draws from p(z) scatter; or None."""
        return None

    def __str__(self) -> str:
        return "p(z|x)" if self.exact else "q(z|x)"
