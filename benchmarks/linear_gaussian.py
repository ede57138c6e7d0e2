"""Factor analysis and PCA to their maximum of the likelihood: loglik beside scikit-learn, whole fits of the same rows.

scikit-learn's factor analysis takes 20 iterations, each over all rows, and may stop short of the maximum by little;
ours takes one pass. Values are mean log-likelihoods of the rows, of PCA with its variances divided by n as ours are.
"""

import functools
import warnings
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import OURS, Contender, Row
from loglik.contract import EMModel
from loglik.models.latent.factor_analysis.model import FactorAnalysis
from loglik.models.latent.ppca import ProbabilisticPCA
from loglik.spaces import Real

PACKAGES = ("torch", "numpy", "scikit-learn")
EVENTS, DIMS, LATENTS, ITERATIONS = 100_000, 100, 10, 20
SOLVERS = ("full", "covariance_eigh", "randomized", "arpack")
NO_FLOOR = 1e-12


@functools.lru_cache(maxsize=1)
def rows() -> Tensor:
    """(N, D) of ten factors, with a noise of its own in each column."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(LATENTS, DIMS, generator=generator, dtype=torch.float64)
    noise = 0.5 + torch.rand(DIMS, generator=generator, dtype=torch.float64)
    z = torch.randn(EVENTS, LATENTS, generator=generator, dtype=torch.float64)
    return z @ weight + noise * torch.randn(EVENTS, DIMS, generator=generator, dtype=torch.float64)


def ours(kind: str) -> Contender:
    x, space = rows(), Real((DIMS,))
    fitted: list[EMModel] = []

    def step() -> None:
        model: Any = FactorAnalysis(space, LATENTS, floor=NO_FLOOR)
        if kind == "ppca":
            model = ProbabilisticPCA(space, LATENTS, em=False, floor=0.0)
        with torch.no_grad():
            model.initialize(x)
            model.maximize(model.expect(x))
        fitted[:] = [model]

    return Contender(step, value=lambda: float(fitted[0].log_likelihood(x).mean()))


def factor_analysis() -> Contender:
    from sklearn.decomposition import FactorAnalysis as Peer
    from sklearn.exceptions import ConvergenceWarning

    x, peer = rows().numpy(), Peer(LATENTS, max_iter=ITERATIONS, tol=0.0, random_state=0)

    def step() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            peer.fit(x)

    return Contender(step, value=lambda: float(peer.score(x)))


def pca(solver: str) -> Contender:
    from sklearn.decomposition import PCA

    x, peer = rows().numpy(), PCA(LATENTS, svd_solver=solver, random_state=0)

    def value() -> float:
        peer.explained_variance_ *= (EVENTS - 1) / EVENTS
        peer.noise_variance_ *= (EVENTS - 1) / EVENTS
        return float(peer.score(x))

    return Contender(step=lambda: peer.fit(x), value=value)


ROWS = [
    Row(
        "factor-analysis-100k-100-q10",
        {OURS: functools.partial(ours, "factor-analysis"), "scikit-learn": factor_analysis},
        {"scikit-learn": 100.0},
        agree={"scikit-learn": 1e-6},
        packages=PACKAGES,
    ),
    Row(
        "ppca-100k-100-q10",
        {OURS: functools.partial(ours, "ppca")}
        | {f"scikit-learn {solver}": functools.partial(pca, solver) for solver in SOLVERS},
        {f"scikit-learn {solver}": 1.0 for solver in SOLVERS},
        agree={f"scikit-learn {solver}": 1e-6 for solver in SOLVERS},
        packages=PACKAGES,
    ),
]
