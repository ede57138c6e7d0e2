"""Models whose parameters are integrated over in closed form: a conjugate prior, and statistics that add."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from loglik.contract import EMModel, ExactModel, FittedBy


class Conjugate(ExactModel, EMModel):
    """p(theta|X) has the form of p(theta); the log-likelihood is that of the posterior predictive,

        p(x|X) = int p(x|theta) p(theta|X) dtheta,    log p(X) = log int p(X|theta) p(theta) dtheta.

    `maximize` begins anew from the prior, `update` goes on from the posterior. Both reach the same posterior where all
    rows are the same, in whatever order and parts they come (Bishop 2006, Pattern Recognition, section 2.4.2).
    """

    @property
    def fitted_by(self) -> FittedBy:
        return FittedBy.CLOSED_FORM

    @property
    def has_evidence(self) -> bool:
        return True

    @torch.no_grad()
    def update(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> None:
        """Make the posterior that of these events too: it is the prior of what comes next.

        Args:
            weights: (B,) float64, none negative: each event counts so many times.
        """
        self.absorb(self.expect(x, context, weights=weights))
        self.fitted = True

    @torch.no_grad()
    def maximize(self, stats: Any) -> None:
        self.forget()
        self.absorb(stats)

    @abstractmethod
    def forget(self) -> None:
        """Set the posterior to the prior: no event seen."""

    @abstractmethod
    def absorb(self, stats: Any) -> None:
        """Add the events of these statistics to those seen."""
