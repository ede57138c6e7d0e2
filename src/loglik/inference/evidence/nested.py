"""Nested sampling, by dynesty.   Skilling 2006, Bayesian Analysis 1, 833-859; Speagle 2020, arXiv:1904.02180."""

import importlib
from typing import Any

import numpy as np
import torch

from loglik.errors import UsageError
from loglik.inference.evidence.result import Evidence, mean_of_repeats
from loglik.inference.evidence.target import Target


def by_nested(target: Target, *, particles: int, repeats: int) -> Evidence:
    """`repeats` runs with `particles` live points among them.

    Raises:
        UsageError: dynesty is not installed, or the prior has no map from the unit cube.
    """
    try:
        dynesty = importlib.import_module("dynesty")
    except ModuleNotFoundError as missing:
        raise UsageError(
            "Nested sampling is dynesty's, which is not installed. Run `pip install dynesty`."
        ) from missing
    icdf = target.prior.icdf
    if icdf is None:
        raise UsageError(
            "Expected a prior with a map from the unit cube for nested sampling; this one has none. Take a box, a "
            "normal or independent directions, or another method."
        )

    def transform(u: Any) -> Any:
        return icdf(torch.from_numpy(u)[None])[0].numpy()

    def log_likelihood(theta: Any) -> float:
        # dynesty takes no -inf.
        return max(-1e300, float(target.log_likelihood(torch.from_numpy(np.asarray(theta))[None])[0]))

    runs = []
    for _ in range(repeats):
        draws = np.random.default_rng(int(torch.randint(2**31, ())))
        sampler = dynesty.NestedSampler(log_likelihood, transform, target.dims, nlive=particles, rstate=draws)
        sampler.run_nested(dlogz=0.01, print_progress=False)
        runs.append(sampler.results)
    log_z, error = mean_of_repeats(torch.tensor([float(run.logz[-1]) for run in runs], dtype=torch.float64))
    effective = sum(float(dynesty.utils.get_neff_from_logwt(run.logwt)) for run in runs)
    return Evidence(log_z, error, effective, target.evaluations, 0.0, "nested", repeats)
