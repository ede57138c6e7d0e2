"""The likelihood of factor analysis as a function of its noise alone, and the way to its top."""

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.errors import FitWarning

STEPS = 2_000  # at most, of a fit
LEVEL = 1e-10  # a slope of the likelihood in every log Psi, nats per event, that is none
LONGEST = 2.0  # of a step of Newton in a log Psi
ROUNDING = 1e-13  # of the likelihood, as a share of the largest eigenvalue
TOUCHING = 1e-12  # so near to a bound a log Psi stands at it
IDLE = 50  # steps without a gain: as far as rounding lets them come


def best_noise(scaled: Tensor, noise: Tensor, latents: int, floor: float) -> Tensor:
    """Psi (D,) of the highest likelihood, from the one given on: steps of Newton where they climb, else of EM.

    Args:
        scaled: the covariance of the events (D, D), its diagonal 1. floor: the least noise.
    """
    lowest, idle = math.log(floor), 0
    here = Profile.at(scaled, noise, latents)
    best = here.value
    for _ in range(STEPS):
        slope = here.slope(noise.log(), lowest)
        if float(slope.abs().max()) < LEVEL or idle == IDLE:
            return noise
        rounding = ROUNDING * max(1.0, float(here.values[-1]))
        step, there = here.newton(slope), None
        if step is not None:
            far = (noise.log() + step.clamp(-LONGEST, LONGEST)).clamp(lowest, 0.0).exp()
            there = Profile.at(scaled, far, latents)
        if there is None or there.value <= here.value - rounding:
            there = Profile.at(scaled, here.em_step(scaled, floor), latents)
        here, noise = there, there.noise
        idle = 0 if here.value > best + rounding else idle + 1
        best = max(best, here.value)
    warnings.warn(
        f"Factor analysis with {latents} latents has not converged in {STEPS} steps. Take fewer latents.",
        FitWarning,
        stacklevel=2,
    )
    return noise


@dataclass(frozen=True)
class Profile:
    """The likelihood as a function of theta = log Psi alone, W the best for it.   Clarke 1970, Br. J. Math. Stat. 23.

    With lambda, omega the eigenvalues and vectors of Psi^-1/2 S Psi^-1/2, and the factors those above 1, at most q,

        value = -1/2 sum_rest (lambda - log lambda - 1),   W = Psi^1/2 omega_factors (lambda_factors - 1)^1/2

    but for a constant, in nats per event.
    """

    noise: Tensor  # (D,)
    values: Tensor  # (D,): lambda, ascending
    vectors: Tensor  # (D, D)
    latents: int  # q
    factors: int  # at most q

    @classmethod
    def at(cls, scaled: Tensor, noise: Tensor, latents: int) -> "Profile":
        unit = noise.rsqrt()
        values, vectors = torch.linalg.eigh(unit[:, None] * scaled * unit)
        return cls(noise, values, vectors, latents, int((values[-latents:] > 1.0).sum()))

    @property
    def value(self) -> float:
        factors = self.values[len(self.values) - self.factors :]
        rest = self.values[: len(self.values) - self.factors]
        # log|S| - sum log lambda_rest = log|Psi| + sum log lambda_factors, which stays finite where S is singular.
        return -0.5 * float(self.noise.log().sum() + factors.log().sum() + rest.sum() + len(factors))

    @property
    def weight(self) -> Tensor:
        """W (D, q)."""
        stretch = (self.values[-self.latents :] - 1.0).clamp(min=0.0).sqrt()
        return self.noise.sqrt()[:, None] * self.vectors[:, -self.latents :] * stretch

    def em_step(self, scaled: Tensor, floor: float) -> Tensor:
        """The noise (D,) after a step of EM at the best W."""
        noise: Tensor = (scaled.diagonal() - self.weight.square().sum(1)).clamp(min=floor)
        return noise

    def slope(self, theta: Tensor, lowest: float) -> Tensor:
        """d value / d theta (D,): 1/2 sum_rest (lambda - 1) omega^2; 0 where theta stands at a bound and is held."""
        rest = len(self.values) - self.factors
        slope = 0.5 * (self.vectors[:, :rest].square() @ (self.values[:rest] - 1.0))
        held = ((theta <= lowest + TOUCHING) & (slope < 0)) | ((theta >= -TOUCHING) & (slope > 0))
        return torch.where(held, 0.0, slope)

    def newton(self, slope: Tensor) -> Tensor | None:
        """Newton's step of theta (D,), for those that are not held; None where the curvature has the wrong sign.

        -2 d^2 value = sum_{m,n rest} lambda_m P_mn + sum_{m rest, n factor} (lambda_m - 1) (lambda_m + lambda_n)
        / (lambda_m - lambda_n) P_mn,   P_mn = (omega_m omega_n)(omega_m omega_n)^T, products value by value.
        """
        rest = len(self.values) - self.factors
        low, high = self.values[:rest], self.values[rest:]
        below, above = self.vectors[:, :rest], self.vectors[:, rest:]
        curvature = (below @ below.T) * ((below * low) @ below.T)
        if self.factors:
            each = (low[:, None] - 1.0) * (low[:, None] + high) / (low[:, None] - high)
            both = (below[:, :, None] * above[:, None, :]).flatten(1)
            curvature = curvature + (both * each.flatten()) @ both.T
        free = slope != 0
        root, failed = torch.linalg.cholesky_ex(0.5 * curvature[free][:, free])
        if bool(failed) or not bool(torch.isfinite(root).all()):
            return None
        step = torch.zeros_like(slope)
        step[free] = torch.cholesky_solve(slope[free, None], root)[:, 0]
        return step
