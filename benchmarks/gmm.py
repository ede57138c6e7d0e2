"""One EM step of a Gaussian mixture: loglik, scikit-learn and pomegranate from the same start, step by step.

Each contender is given the data as its users give it: scikit-learn and loglik float64, pomegranate float32. All do the
same number of steps, so their mean log-likelihoods at the end must agree.

The row of gaps has no peer: with a fifth of the values missing, in 200 patterns, a step is timed beside one over the
same rows without gaps.
"""

import functools
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import OURS, Contender, Row
from loglik.models.latent.gmm.builder import COVARIANCES
from loglik.models.latent.gmm.model import GaussianMixture
from loglik.spaces import Real

PACKAGES = ("torch", "numpy", "scikit-learn", "pomegranate")
PATTERNS, MISSING = 200, 0.2
NO_FLOOR = 1e-12  # the data are far from any floor; scikit-learn gets reg_covar=0


@dataclass(frozen=True)
class Case:
    events: int
    dims: int
    components: int
    covariance: str  # "full" or "diagonal"


@functools.lru_cache(maxsize=1)
def start(case: Case) -> tuple[Tensor, GaussianMixture]:
    """Events (N, D) of a random mixture with overlapping components, and a k-means start shared by all contenders."""
    torch.manual_seed(0)
    centres = 2.0 * torch.randn(case.components, case.dims, dtype=torch.float64)
    mixing = torch.randn(case.components, case.dims, case.dims, dtype=torch.float64) / case.dims**0.5
    k = torch.randint(case.components, (case.events,))
    x = torch.randn(case.events, case.dims, dtype=torch.float64)
    for j in range(case.components):
        x[k == j] = x[k == j] @ mixing[j] + 0.5 * x[k == j] + centres[j]
    mixture = new_mixture(case)
    mixture.initialize(x)
    return x, mixture


def new_mixture(case: Case) -> GaussianMixture:
    shape = COVARIANCES[case.covariance](case.components, case.dims, NO_FLOOR)
    return GaussianMixture(Real((case.dims,)), shape)


def ours(case: Case) -> Contender:
    x, first = start(case)
    mixture = new_mixture(case)
    mixture.load_state_dict(first.state_dict())
    return Contender(
        step=lambda: mixture.maximize(mixture.expect(x)),
        value=lambda: float(mixture.expect(x).log_likelihood) / len(x),
    )


def ours_with_gaps(case: Case) -> Contender:
    """The same mixture where a share MISSING of the values is NaN, in PATTERNS ways."""
    x, first = start(case)
    generator = torch.Generator().manual_seed(1)
    patterns = torch.rand(PATTERNS, case.dims, generator=generator) < MISSING
    gaps = patterns[torch.randint(PATTERNS, (case.events,), generator=generator)]
    x = x.masked_fill(gaps, float("nan"))
    mixture = new_mixture(case)
    mixture.load_state_dict(first.state_dict())
    return Contender(
        step=lambda: mixture.maximize(mixture.expect(x)),
        value=lambda: float(mixture.expect(x).log_likelihood) / len(x),
    )


def scikit_learn(case: Case) -> Contender:
    """The two steps that its `fit` repeats; `fit` itself, which does one expectation more, would only be slower."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture as Peer

    x, first = start(case)
    data = x.numpy()
    covariances = first.covariances.detach()
    diagonal = case.covariance == "diagonal"
    precisions = 1.0 / covariances.diagonal(dim1=1, dim2=2) if diagonal else torch.linalg.inv(covariances)
    peer = Peer(
        case.components,
        covariance_type="diag" if diagonal else "full",
        tol=0.0,
        reg_covar=0.0,
        max_iter=1,
        weights_init=first.weights.detach().numpy(),
        means_init=first.means.detach().numpy(),
        precisions_init=precisions.numpy(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer.fit(data[: 100 * case.components])  # checks the options; the start is put back below
    peer._initialize(data, None)

    def step() -> None:
        _, log_responsibilities = peer._e_step(data)
        peer._m_step(data, log_responsibilities)

    return Contender(step, value=lambda: float(peer.score(data)))


def pomegranate(case: Case) -> Contender:
    from pomegranate.distributions import Normal
    from pomegranate.gmm import GeneralMixtureModel

    x, first = start(case)
    data = x.float()
    means, covariances = first.means.detach().float(), first.covariances.detach().float()
    diagonal = case.covariance == "diagonal"
    normals = [
        Normal(mean, covariance.diagonal().clone() if diagonal else covariance, "diag" if diagonal else "full")
        for mean, covariance in zip(means, covariances, strict=True)
    ]
    peer = GeneralMixtureModel(normals, priors=first.weights.detach().float())

    def step() -> None:
        peer.summarize(data)
        peer.from_summaries()

    return Contender(step, value=lambda: float(np.mean(peer.log_probability(data).double().numpy())))


def row(row_name: str, case: Case, bars: dict[str, float]) -> Row:
    makers = {OURS: ours, "scikit-learn": scikit_learn, "pomegranate": pomegranate}
    contenders = {name: functools.partial(make, case) for name, make in makers.items()}
    return Row(row_name, contenders, bars, agree={"scikit-learn": 1e-8}, packages=PACKAGES)


def gaps_row(row_name: str, case: Case, times: float) -> Row:
    """A step with gaps takes at most so many `times` a complete one; their values are of different data."""
    contenders = {OURS: functools.partial(ours_with_gaps, case), "complete rows": functools.partial(ours, case)}
    return Row(row_name, contenders, {"complete rows": 1.0 / times}, packages=PACKAGES[:2])


ROWS = [
    row("gmm-100k-10-K16-full", Case(100_000, 10, 16, "full"), {"scikit-learn": 8.0, "pomegranate": 4.0}),
    row("gmm-1M-2-K8-full", Case(1_000_000, 2, 8, "full"), {"scikit-learn": 10.0}),
    row("gmm-20k-64-K10-full", Case(20_000, 64, 10, "full"), {"scikit-learn": 2.2, "pomegranate": 1.0}),
    row("gmm-20k-64-K10-diagonal", Case(20_000, 64, 10, "diagonal"), {"scikit-learn": 1.5}),
    gaps_row("gaps-gmm-100k-10-K16-full", Case(100_000, 10, 16, "full"), 6.0),
]
