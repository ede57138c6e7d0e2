"""Bayesian linear regression p(x|c)."""

from collections.abc import Sequence

from loglik.arguments.ranges import Finite, Positive, Spread
from loglik.contract import Model
from loglik.models.bayes.linear_gaussian import LinearGaussian
from loglik.models.bayes.prior import PriorChoice
from loglik.models.dequantized import density_space, on_integers
from loglik.spaces import Space


def bayes_linear(
    space: Space, *, context: Space | None = None, weights: Sequence[Finite] | None = None,
    precision: Sequence[Spread] | None = None, rows: Positive = 1.0, scale: Sequence[Spread] | None = None,
    freedom: Positive | None = None, known: Sequence[Spread] | None = None,
) -> Model:  # fmt: skip
    """Linear regression of events on their context, its weights and its noise integrated over; with log p(X).

    x = w_0 + w_1 (c - mean of c) + noise. The prior is stated in the units of the data: `weights` are the mean of w_0,
    then of the slopes, for each column of x in turn; `precision` times 1 / variance of the noise
    is how exactly they are known, by default as from `rows` rows of contexts that vary as those seen; `scale` is the
    deviation of the noise, `freedom` its degrees of freedom, by default D + 2. `known` is the deviation of noise that
    is known. Labels are read as one column for each class.

    Without `weights` or `scale` they are those of the training rows without slopes, and the evidence is an estimate.

    >>> import loglik
    >>> prior = {"weights": (0.0, 0.0), "precision": 1.0, "known": 0.5}
    >>> model = loglik.build("bayes-linear", loglik.Real((1,)), context=loglik.Real((1,)), **prior)
    >>> history = loglik.fit(model, [[1.0], [3.0], [5.0]], context=[[0.0], [1.0], [2.0]])
    >>> [round(w, 2) for w in model.weight.flatten().tolist()]  # shrunk by 3 / 4 and by 2 / 3
    [2.25, 1.33]
    """
    real = density_space(space, "bayes-linear")
    choice = PriorChoice(weights, rows, precision, scale, freedom, known)
    return on_integers(space, LinearGaussian(real, context, choice))
