"""The kinds of model, by how p(x) is reached: a formula, an integral, and what is fitted by expectation."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from loglik.arguments.tensors import tensor_of
from loglik.contexts import check_contexts
from loglik.contract.claim import Claim, FittedBy
from loglik.contract.model import Model
from loglik.contract.stats import Stats
from loglik.ops import sum_event


class ExactModel(Model):
    """A model whose log-likelihood is a formula: implement `log_prob`. The name is kept for exact values."""

    @property
    def claim(self) -> Claim:
        return Claim.EXACT

    @abstractmethod
    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, *event) -> (B,): log p(x) or log p(x|c), exactly."""

    def log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        check_contexts(context, self.context, x)  # a `log_prob` that ignores them need not say so
        return self.log_prob(tensor_of(x, "the events"), context)

    @property
    def has_weights(self) -> bool:
        return True

    def log_weight(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(x) itself, without noise."""
        return self.log_prob(x, context)


class LatentModel(Model):
    """A model with an integral inside, p(x) = int p(x|z) p(z) dz: implement `elbo_terms`.

    For z ~ q(z|x) the log weight log w = log p(x, z) - log q(z|x) satisfies

        E log w  <=  E log (1/K) sum_k w_k  <=  log p(x),        (Burda et al. 2016, arXiv:1509.00519)

    the ELBO and the K-sample bound (`bound`), which never falls as K grows. The sum of the terms has the mean of log w,
    and need not be it: an integral in closed form, or one of T terms drawn and multiplied by T, is no weight. A model
    that draws z and scores it (`infer`, `log_joint`) has weights; one that has neither, nor `log_weight`, has an ELBO
    alone.
    """

    @property
    def claim(self) -> Claim:
        return Claim.LOWER_BOUND

    @abstractmethod
    def elbo_terms(self, x: Tensor, context: Tensor | None = None) -> dict[str, Tensor]:
        """name -> (B,) or (B, T): terms, signed so that the sum of all is, in expectation, the ELBO."""

    def log_likelihood(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The ELBO, estimated with one draw of z for each event."""
        return torch.stack([sum_event(term) for term in self.elbo_terms(x, context).values()]).sum(dim=0)


class EMModel(Model):
    """A model fitted by alternating two steps that never lower the likelihood of the data.

        expect      E_q[sufficient statistics],  q(z) = p(z|x, theta)
        maximize    theta <- argmax E_q log p(x, z|theta)            (Dempster, Laird, Rubin 1977)

    Combine it with ExactModel or LatentModel, which say what its log-likelihood is. Where one pass reaches the optimum,
    override `fitted_by` to say so.
    """

    @property
    def fitted_by(self) -> FittedBy:
        return FittedBy.EM

    @abstractmethod
    def expect(self, x: Tensor, context: Tensor | None = None, *, weights: Tensor | None = None) -> Stats: ...

    @abstractmethod
    def maximize(self, stats: Any) -> None: ...
