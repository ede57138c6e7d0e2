"""Stepwise EM: a mixture learns from a stream whose rows come once, a batch at a time.

    s_t = (1 - g_t) s_(t-1) + g_t s(batch_t | theta_(t-1)),  g_t = t^-a,      theta_t = argmax of the M-step at s_t

with s(batch | theta) the expected statistics of a batch for each event. For 1/2 < a <= 1 theta_t converges to where
batch EM stands still. Cappé & Moulines 2009, Online expectation-maximization algorithm for latent data models, J. R.
Statist. Soc. B 71, 593-613, section 2.3; batches for single events: Liang & Klein 2009.
"""

from weakref import WeakKeyDictionary

import torch

from loglik.arguments.ranges import Range, real
from loglik.contract import Model
from loglik.errors import Diverged, EmptyData, UsageError
from loglik.inference.em import expected
from loglik.inference.evaluate import evaluating, rows_for
from loglik.models.latent.gmm.fast_expectation import MixtureStats
from loglik.models.latent.gmm.model import GaussianMixture

POWERS = Range(0.5, 1.0, above=True)
POWER = 0.6  # a small one forgets the first batches faster; section 4.2 of the paper recommends 0.6


class StepwiseEM:
    """A Gaussian mixture of reals on its way through a stream: `update` it with one batch after the other.

    Batches should be of about one size and in random order, each with many more rows than the mixture has components;
    a mixture that is not fitted starts from the first one, whose units and floor it keeps. A prior counts once for all
    rows so far. Missing values, NaN, and weights count as in `fit`.

    Attributes:
        steps: how many batches came. events: how many rows, by their weights.
    """

    def __init__(self, model: Model, *, power: float = POWER) -> None:
        if not isinstance(model, GaussianMixture):
            name = (model.recipe or {}).get("name", type(model).__name__)
            raise UsageError(
                f"Expected a gmm of Real data; got {name} of {model.space}, whose statistics stepwise EM does not "
                "average. Call loglik.fit, which streams over rows of any number."
            )
        self.model = model
        self.power = real("power", power, POWERS)
        self.steps, self.events = 0, 0.0
        self.average: MixtureStats | None = None  # for each event, about the present means

    @torch.no_grad()
    def update(self, x: object, weights: object = None) -> float:
        """Learn from a batch (B, *event); its mean log-likelihood before the step, nats per event.

        Raises:
            DataError: rows that are not events of the model. UsageError: weights that are all 0.
            Diverged: a log-likelihood that is not finite; the model stays as it is.
        """
        source = rows_for(self.model, x, weights=weights)
        with evaluating(self.model):
            if not self.model.fitted:
                rows = source.read()
                if not rows.rows:
                    raise EmptyData("A mixture needs events to start from; got none.")
                self.model.initialize(rows.x.to(self.model.device))
                self.model.fitted = True
            batch = expected(self.model, source)
            assert isinstance(batch, MixtureStats)
            if not bool(torch.isfinite(batch.log_likelihood)):
                raise Diverged("the log-likelihood of a batch", self.steps)
            nats = float(batch.log_likelihood / batch.events)
            self.steps, self.events = self.steps + 1, self.events + float(batch.events)
            share = self.steps**-self.power
            mean = batch / float(batch.events)
            average = mean if self.average is None else self.average / (1.0 / (1.0 - share)) + mean / (1.0 / share)
            before = self.model.locations.detach().clone()
            self.model.maximize(average / (1.0 / self.events))
            self.average = average.moved(self.model.locations - before, self.model.covariance)
        return nats


_UNDER_WAY: WeakKeyDictionary[Model, tuple[int, float, MixtureStats | None]] = WeakKeyDictionary()


def partial_fit(model: Model, x: object, weights: object = None) -> float:
    """One step of stepwise EM on a batch of a stream; its mean log-likelihood before the step, nats per event.

    How far the stream is stands beside the model while the model lives, and is not saved with it; `StepwiseEM` keeps
    it in your hands, and says which batches suit.

    Args:
        x: (B, *event). weights: (B,), how many times each row counts.

    Raises:
        UsageError: not a gmm of Real data. DataError, Diverged: see `StepwiseEM.update`.

    >>> import torch, loglik
    >>> stream = torch.Generator().manual_seed(0)
    >>> model = loglik.build("gmm", loglik.Real((1,)), components=2, seed=0)
    >>> for _ in range(50):
    ...     side = 10.0 * (torch.rand(100, 1, generator=stream) < 0.5)
    ...     nats = loglik.partial_fit(model, side + torch.randn(100, 1, generator=stream))
    >>> sorted(round(mean) for mean in model.means.flatten().tolist())
    [0, 10]
    """
    stepwise = StepwiseEM(model)
    stepwise.steps, stepwise.events, stepwise.average = _UNDER_WAY.get(model, (0, 0.0, None))
    nats = stepwise.update(x, weights)
    _UNDER_WAY[model] = stepwise.steps, stepwise.events, stepwise.average
    return nats
