"""The two functions whose product is integrated, checked and counted."""

from collections.abc import Callable

import torch
from torch import Tensor

from loglik.arguments.ranges import shown
from loglik.errors import NotFinite, ShapeMismatch
from loglik.inference.evidence.priors import Prior, prior_of

LogLikelihood = Callable[[Tensor], Tensor]


class Target:
    """log L(theta) and log p(theta), (B, d) -> (B,) float64; `evaluations` counts the theta asked for."""

    def __init__(self, log_likelihood: LogLikelihood, prior: object) -> None:
        self.prior: Prior = prior_of(prior)
        self.dims = self.prior.dims
        self._log_likelihood = log_likelihood
        self.evaluations = 0
        self.differentiable = self._has_gradients()

    def log_likelihood(self, theta: Tensor) -> Tensor:
        """(B, d) -> (B,); -inf where theta is impossible.

        Raises:
            ShapeMismatch: the user's function gives no (B,).
            NotFinite: it gives NaN or +inf.
        """
        self.evaluations += len(theta)
        values = self._log_likelihood(theta)
        if not isinstance(values, Tensor) or values.shape != (len(theta),):
            came = tuple(values.shape) if isinstance(values, Tensor) else shown(values)
            raise ShapeMismatch(
                f"Expected log_likelihood(theta) to be a tensor ({len(theta)},) for theta {tuple(theta.shape)}; got "
                f"{came}. Sum over everything but the first axis."
            )
        if bool(values.isnan().any()) or bool((values == torch.inf).any()):
            raise NotFinite("Expected log_likelihood(theta) below infinity, -inf where impossible; got NaN or +inf.")
        return values.double()

    def log_density(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """log L and log p. Where p is 0 the likelihood is not asked for: it may not be defined there."""
        log_p = self.prior.density(theta)
        inside = log_p > -torch.inf
        if bool(inside.all()):
            return self.log_likelihood(theta), log_p
        log_l = torch.full_like(log_p, -torch.inf)
        if bool(inside.any()):
            log_l[inside] = self.log_likelihood(theta[inside])
        return log_l, log_p

    def gradient(self, theta: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
        """log L, log p and d/dtheta of beta log L + log p, (B, d); 0 where a value is not finite."""
        with torch.enable_grad():
            theta = theta.detach().requires_grad_()
            log_l, log_p = self.log_density(theta)
            total = (beta * log_l + log_p).nan_to_num(neginf=0.0).sum()
            reached = total.requires_grad  # not where every theta lies outside
            slope = torch.autograd.grad(total, theta)[0] if reached else torch.zeros_like(theta)
        return log_l.detach(), log_p.detach(), slope.nan_to_num(0.0, 0.0, 0.0)

    def start(self, n: int) -> tuple[Tensor, Tensor, Tensor]:
        """n draws from the prior, with log L and log p.

        Raises:
            NotFinite: the likelihood is 0 at every one of them.
        """
        theta = self.prior.draw(n)
        log_l, log_p = self.log_density(theta)
        if not bool((log_l > -torch.inf).any()):
            raise NotFinite(f"Expected a likelihood above 0 somewhere; got 0 at all {n} draws from the prior.")
        return theta, log_l, log_p

    def _has_gradients(self) -> bool:
        """Whether autograd reaches theta through the user's function and the prior."""
        theta = self.prior.draw(2).requires_grad_()
        with torch.enable_grad():
            return bool(self.log_likelihood(theta).requires_grad)
