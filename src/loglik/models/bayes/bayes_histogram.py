"""Independent categoricals under Dirichlet priors. Two levels make it the Beta-Bernoulli model."""

import torch
from torch import Tensor

from loglik.arguments.ranges import Positive
from loglik.errors import UsageError
from loglik.models.baselines.histogram import Counts, Histogram
from loglik.models.bayes.conjugate import Conjugate
from loglik.ops import are_distributions
from loglik.spaces import Discrete, Space


class BayesHistogram(Conjugate, Histogram):
    """x_d ~ Categorical(theta_d),  theta_d ~ Dirichlet(a, ..., a), independent over the dimensions d; K levels.

        P(x_d = k|X) = (n_dk + a) / (n + K a)
        log P(X) = sum_d [log G(K a) - log G(K a + n) + sum_k (log G(a + n_dk) - log G(a))]

    with counts n_dk of n events and G the gamma function. P(X) is that of the rows in their order. Murphy 2022,
    Probabilistic Machine Learning, section 4.6.3; Minka 2000, Estimating a Dirichlet distribution.
    """

    def __init__(self, space: Discrete, concentration: float) -> None:
        super().__init__(space, concentration)
        self.concentration = concentration
        self.register_buffer("counts", torch.zeros(space.dims, space.levels, dtype=torch.float64))

    def forget(self) -> None:
        self.counts.zero_()

    def absorb(self, stats: Counts) -> None:
        self.counts.add_(stats.table)
        self.theta.copy_(self._posterior() / self._posterior().sum(1, keepdim=True))

    def log_evidence(self) -> Tensor:
        prior, posterior = torch.full_like(self.counts, self.concentration), self._posterior()
        return _log_beta(posterior) - _log_beta(prior)

    def mode(self) -> Tensor:
        """The theta (D, K) of the greatest posterior density, the MAP estimate.

        Raises:
            UsageError: a density without a greatest value, where an a + n_dk is below 1, or all are 1.
        """
        less = self._posterior() - 1.0
        if bool((less < 0).any()) or not bool((less.sum(1) > 0).all()):
            raise UsageError(
                "Expected a + n >= 1 at every level, and above 1 at one, for a greatest posterior density; got "
                f"a = {self.concentration:g} and a level seen {float(self.counts.min()):g} times. Take a above 1."
            )
        return less / less.sum(1, keepdim=True)

    def sample_parameters(self, n: int) -> Tensor:
        """n draws of theta from the posterior, (n, D, K)."""
        return torch.distributions.Dirichlet(self._posterior()).sample((n,))

    def _posterior(self) -> Tensor:
        """a + n_dk, (D, K)."""
        return self.counts + self.concentration

    def flaw(self) -> str:
        if not are_distributions(self.theta):
            return "the probabilities of a value's levels do not sum to one"
        posterior = self._posterior()
        follows = torch.allclose(self.theta, posterior / posterior.sum(1, keepdim=True), rtol=1e-9, atol=0.0)
        return "" if follows and bool((self.counts >= 0).all()) else "the probabilities do not follow from the counts"

    counts: Tensor


def _log_beta(a: Tensor) -> Tensor:
    """(D, K) -> sum_d log [prod_k G(a_dk) / G(sum_k a_dk)], ()."""
    return a.lgamma().sum() - a.sum(1).lgamma().sum()


def bayes_histogram(space: Space, *, concentration: Positive = 1.0) -> BayesHistogram:
    """Independent histograms under Dirichlet priors, with the evidence log P(X).

    `concentration` counts as so many events at every level before any is seen. At 1 all distributions of the levels are
    equally likely; below 1 those with few levels are likelier, above 1 the even ones.

    >>> import loglik
    >>> model = loglik.build("bayes-histogram", loglik.Integer((1,), levels=2))
    >>> history = loglik.fit(model, [[1], [1], [0]])
    >>> [round(p, 2) for p in model.log_prob([[0], [1]]).exp().tolist()]
    [0.4, 0.6]
    >>> round(model.log_evidence().exp().item(), 4)  # 2! 1! / 4!
    0.0833
    """
    if not isinstance(space, Discrete):
        raise UsageError(
            f"`bayes-histogram` models Integer and Category data; got {space}. Use bayes-gaussian for reals."
        )
    if not concentration > 0:
        raise UsageError(f"Expected concentration > 0, so that the prior is one; got {concentration}.")
    return BayesHistogram(space, concentration)
