"""An estimate of an evidence, and what it cost."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.contract import Claim
from loglik.ops import log_mean_exp

LEAST_FOR_EACH = 10  # independent draws that each repeat should be worth


@dataclass(frozen=True)
class Evidence:
    """log Z = log int L(theta) p(theta) dtheta, in nats, with the standard error of the estimate.

    The standard error comes from `repeats` independent estimates of Z: their mean is the estimate, and leaving each out
    in turn says how far it is from certain (the jackknife). No estimate knows of a mode that none of its draws met.
    `effective` is how many independent draws from the posterior the final weights are worth, `evaluations` counts the
    theta at which log L was evaluated.
    """

    log_z: float
    stderr: float
    effective: float
    evaluations: int
    seconds: float
    method: str
    repeats: int
    claim: Claim = Claim.ESTIMATE

    @property
    def doubtful(self) -> bool:
        """Whether few draws carry the estimate. Then Z is mostly too low, and its error cannot be told."""
        return self.effective < LEAST_FOR_EACH * self.repeats

    def __str__(self) -> str:
        few = "; few draws carry it, so do not trust the error: take another method or more particles"
        return (
            f"log evidence ~ {self.log_z:.4f} +- {self.stderr:.4f} nats ({self.claim} by {self.method}, error from "
            f"{self.repeats} independent repeats, effective sample size {self.effective:.0f}, {self.evaluations} "
            f"evaluations in {self.seconds:.1f} s)"
        ) + (few if self.doubtful else "")


def mean_of_repeats(log_z: Tensor) -> tuple[float, float]:
    """log Z of each repeat (R,) -> log of the mean of Z, which is unbiased for Z, and its jackknife error."""
    R = len(log_z)
    left_out = log_z.repeat(R, 1)[~torch.eye(R, dtype=torch.bool)].reshape(R, R - 1).logsumexp(1) - math.log(R - 1)
    error = ((R - 1) * left_out.var(correction=0)).sqrt()
    return float(log_mean_exp(log_z)), float(error)


def effective_size(log_w: Tensor) -> float:
    """(sum w)^2 / sum w^2 of weights (n,)."""
    return float(torch.exp(2.0 * log_w.logsumexp(0) - (2.0 * log_w).logsumexp(0)))
