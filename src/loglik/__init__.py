"""loglik fits p(x) to anything and knows what the number means.

    import loglik
    model = loglik.build("made", loglik.Integer((64,), levels=17))
    loglik.fit(model, x)
    print(loglik.evaluate(model, x_test))

The contract (spaces, claims, models, scores) is imported at once; everything else when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from loglik.contract import Bijection, Claim, EMModel, ExactModel, FittedBy, LatentModel, Model, Stats
from loglik.difference import Difference
from loglik.errors import LoglikError
from loglik.score import Score
from loglik.spaces import Category, Integer, Measure, Real, Space
from loglik.version import __version__

if TYPE_CHECKING:
    from loglik import data
    from loglik.inference.evaluate import evaluate
    from loglik.inference.evidence.estimate import evidence
    from loglik.inference.evidence.priors import Uniform
    from loglik.inference.evidence.result import Evidence
    from loglik.inference.latent.decomposition import decompose
    from loglik.inference.latent.marginal import marginal_likelihood
    from loglik.inference.latent.variational import variational_em
    from loglik.inference.posterior.priors import LaplacePrior, NormalPrior
    from loglik.inference.stepwise import StepwiseEM, partial_fit
    from loglik.laws import check
    from loglik.runs.run import load, save
    from loglik.tasks.compare import compare
    from loglik.tasks.comparison import Comparison
    from loglik.tasks.criteria import best_mixture, criteria
    from loglik.tasks.posterior import posterior
    from loglik.tasks.sample import sample
    from loglik.training.fit import fit
    from loglik.training.history import History
    from loglik.zoo import build, register

# name -> the module it is imported from when it is first used
LAZY = {
    "Comparison": "loglik.tasks.comparison",
    "Entry": "loglik.registry",
    "Evidence": "loglik.inference.evidence.result",
    "History": "loglik.training.history",
    "StepwiseEM": "loglik.inference.stepwise",
    "Uniform": "loglik.inference.evidence.priors",
    "LaplacePrior": "loglik.inference.posterior.priors",
    "NormalPrior": "loglik.inference.posterior.priors",
    "best_mixture": "loglik.tasks.criteria",
    "build": "loglik.zoo",
    "check": "loglik.laws",
    "compare": "loglik.tasks.compare",
    "criteria": "loglik.tasks.criteria",
    "decompose": "loglik.inference.latent.decomposition",
    "evaluate": "loglik.inference.evaluate",
    "evidence": "loglik.inference.evidence.estimate",
    "fit": "loglik.training.fit",
    "load": "loglik.runs.run",
    "marginal_likelihood": "loglik.inference.latent.marginal",
    "partial_fit": "loglik.inference.stepwise",
    "posterior": "loglik.tasks.posterior",
    "register": "loglik.zoo",
    "sample": "loglik.tasks.sample",
    "save": "loglik.runs.run",
    "variational_em": "loglik.inference.latent.variational",
}

__all__ = [
    "Bijection",
    "Category",
    "Claim",
    "Comparison",
    "Difference",
    "EMModel",
    "Entry",
    "Evidence",
    "ExactModel",
    "FittedBy",
    "History",
    "Integer",
    "LaplacePrior",
    "LatentModel",
    "LoglikError",
    "Measure",
    "Model",
    "NormalPrior",
    "Real",
    "Score",
    "Space",
    "Stats",
    "StepwiseEM",
    "Uniform",
    "__version__",
    "best_mixture",
    "build",
    "check",
    "compare",
    "criteria",
    "data",
    "decompose",
    "evaluate",
    "evidence",
    "fit",
    "load",
    "marginal_likelihood",
    "partial_fit",
    "posterior",
    "register",
    "sample",
    "save",
    "variational_em",
]


def __getattr__(name: str) -> Any:
    if name == "data":
        return importlib.import_module("loglik.data")
    if name not in LAZY:
        raise AttributeError(f"module 'loglik' has no attribute {name!r}")
    value = getattr(importlib.import_module(LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
