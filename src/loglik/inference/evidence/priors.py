"""Priors as the estimators see them: something to draw from and to evaluate, anywhere in R^d."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from loglik.contract import Claim, Model
from loglik.errors import ShapeMismatch, UsageError


class Uniform:
    """p(theta) = 1 / volume in the box from `low` to `high`, (d,) each, and 0 outside.

    >>> box = Uniform([0.0, 0.0], [1.0, 2.0])
    >>> round(box.log_prob(torch.tensor([[0.5, 0.5], [0.5, 3.0]])).exp()[0].item(), 2)
    0.5
    """

    def __init__(self, low: Sequence[float] | Tensor, high: Sequence[float] | Tensor) -> None:
        self.low, self.high = (torch.as_tensor(end, dtype=torch.float64) for end in (low, high))
        if self.low.ndim != 1 or self.low.shape != self.high.shape or not len(self.low):
            raise ShapeMismatch(
                f"Expected the ends of a box, (d,) each; got {tuple(self.low.shape)} and {tuple(self.high.shape)}."
            )
        if not bool((self.low < self.high).all()) or not bool((self.high - self.low).isfinite().all()):
            raise UsageError("Expected low < high, both finite, in every direction of the box.")

    def sample(self, n: int) -> Tensor:
        """n draws, (n, d)."""
        return self.icdf(torch.rand(n, len(self.low), dtype=torch.float64))

    def log_prob(self, theta: Tensor) -> Tensor:
        """(B, d) -> (B,)"""
        inside = ((theta >= self.low) & (theta <= self.high)).all(1)
        return torch.where(inside, -(self.high - self.low).log().sum(), -torch.inf)

    def icdf(self, u: Tensor) -> Tensor:
        """u (n, d) in the unit cube -> (n, d) in the box."""
        return self.low + (self.high - self.low) * u


@dataclass(frozen=True)
class Prior:
    """`draw` n -> (n, d) float64; `density` (B, d) -> (B,) float64, -inf outside; `icdf`, where there is one."""

    dims: int
    draw: Callable[[int], Tensor]
    density: Callable[[Tensor], Tensor]
    icdf: Callable[[Tensor], Tensor] | None = None


def prior_of(prior: object) -> Prior:
    """A box, a distribution of torch, or a Model of an exact density.

    Raises:
        UsageError: anything else; a model without exact densities.
    """
    if isinstance(prior, Uniform):
        return Prior(len(prior.low), prior.sample, prior.log_prob, prior.icdf)
    if isinstance(prior, Distribution):
        return _of_distribution(prior)
    if isinstance(prior, Model):
        return _of_model(prior)
    raise UsageError(
        "Expected a prior that is a loglik Model, a torch.distributions distribution or loglik.Uniform(low, high); "
        f"got {type(prior).__name__}. Give one of these."
    )


def _of_model(model: Model) -> Prior:
    if model.claim is not Claim.EXACT or model.space.limits is not None or model.context is not None:
        raise UsageError(
            f"Expected a prior with an exact density over reals; got {type(model).__name__} ({model.claim}) of events "
            f"in {model.space}. Take gaussian, gmm or a flow."
        )

    def draw(n: int) -> Tensor:
        with torch.no_grad():
            return model.sample(n).double().flatten(1)

    def density(theta: Tensor) -> Tensor:
        return model.log_likelihood(theta.reshape(len(theta), *model.space.shape)).double()

    return Prior(model.space.dims, draw, density)


def _of_distribution(given: Distribution) -> Prior:
    if len(given.batch_shape) + len(given.event_shape) > 1:
        raise ShapeMismatch(
            f"Expected a distribution of one vector theta; got the batch {tuple(given.batch_shape)} and the event "
            f"{tuple(given.event_shape)}. Wrap it in torch.distributions.Independent."
        )
    joint = Independent(given, 1) if given.batch_shape else given
    scalar = not joint.event_shape
    inside = joint.sample()  # any point of the support: it stands for points outside, whose density is 0

    def draw(n: int) -> Tensor:
        return joint.sample(torch.Size([n])).double().reshape(n, -1)

    def density(theta: Tensor) -> Tensor:
        theta = theta[:, 0] if scalar else theta
        support = joint.support
        assert support is not None
        within = support.check(theta)
        safe = torch.where(within if scalar else within[:, None], theta, inside.to(theta))
        return torch.where(within, joint.log_prob(safe).double(), -torch.inf)

    return Prior(int(inside.numel()), draw, density, _icdf(joint))


def _icdf(joint: Distribution) -> Callable[[Tensor], Tensor] | None:
    """The map from the unit cube, of independent directions and of normals."""
    if isinstance(joint, MultivariateNormal):
        standard = Normal(joint.loc.new_zeros(()), joint.loc.new_ones(()))
        return lambda u: joint.loc + standard.icdf(u) @ joint.scale_tril.T
    apart = joint.base_dist if isinstance(joint, Independent) else joint
    try:
        apart.icdf(torch.full((1, int(joint.sample().numel())), 0.5, dtype=torch.float64))
    except NotImplementedError:
        return None
    return apart.icdf
