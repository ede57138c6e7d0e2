"""The Gaussian with its parameters integrated over: a Student-t density."""

from collections.abc import Sequence

from loglik.arguments.ranges import Finite, Positive, Spread
from loglik.contract import Model
from loglik.models.bayes.linear_gaussian import LinearGaussian
from loglik.models.bayes.prior import PriorChoice
from loglik.models.dequantized import density_space, on_integers
from loglik.spaces import Space


def bayes_gaussian(
    space: Space, *, mean: Sequence[Finite] | None = None, scale: Sequence[Spread] | None = None,
    rows: Positive = 1.0, freedom: Positive | None = None, known: Sequence[Spread] | None = None,
) -> Model:  # fmt: skip
    """A Gaussian under a normal-inverse-Wishart prior, with the evidence log p(X). It is fitted in closed form.

    The prior is stated in the units of the data, one number for each column or one for all: the mean is at `mean` and
    worth `rows` rows, the deviations of the columns are about `scale`, without correlation and with `freedom` degrees
    of freedom, by default D + 2. `known` are deviations that are known, for columns without correlation.

    Without `mean` or `scale` they are those of the training rows. That is a weak prior which suits any unit, but not
    one that was there before the data: the evidence is then an estimate.

    >>> import loglik
    >>> model = loglik.build("bayes-gaussian", loglik.Real((1,)), mean=0.0, known=1.0)
    >>> history = loglik.fit(model, [[1.0], [3.0]])
    >>> str(history).partition("; ")[2]  # N((1, 3)|0, I + 1 1^T)
    'log p(X) = -4.721 nats (exact)'
    """
    real = density_space(space, "bayes-gaussian")
    return on_integers(space, LinearGaussian(real, None, PriorChoice(mean, rows, None, scale, freedom, known)))
