"""Priors over the parameters of models that are trained by gradients.

A prior is any function of the model that returns log p(theta), (). It is counted once for a data set:

    theta* = argmax  sum_n log p(x_n | theta) + log p(theta)

With p(theta) = N(0, tau^2) that is an L2 penalty lambda |theta|^2 of lambda = 1 / (2 tau^2) on the sum, and of
lambda / N on the mean over N rows, whatever the batch.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from loglik.arguments.ranges import Range, is_number, real, shown
from loglik.contract import Model
from loglik.densities import normal_log_prob
from loglik.errors import UsageError

Prior = Callable[[Model], Tensor]
SCALES = Range(0.0, 1e9, above=True)


@dataclass(frozen=True)
class _ByScale:
    """A factor for each weight, the same but for its scale.

    scale: one for all weights; or pattern -> scale for those whose name matches first, such as {"*.weight": 0.5}.
        Weights that match none have a flat prior.
    """

    scale: float | Mapping[str, float]

    def __post_init__(self) -> None:
        if isinstance(self.scale, Mapping):
            checked = {str(name): real(f"the scale of {name!r}", s, SCALES) for name, s in self.scale.items()}
            object.__setattr__(self, "scale", checked)
        else:
            object.__setattr__(self, "scale", real("the scale of a prior", self.scale, SCALES))

    def scales(self, model: Model) -> Iterator[tuple[nn.Parameter, float]]:
        """The trainable parameters and their scales, infinite where the prior is flat.

        Raises:
            UsageError: a pattern that no weight has.
        """
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        patterns = self.scale if isinstance(self.scale, Mapping) else {"*": self.scale}
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name, _ in named):
                known = ", ".join(name for name, _ in named[:4])
                raise UsageError(f"Expected a pattern of names such as {known}; got {pattern!r}, which fits none.")
        for name, p in named:
            yield p, next((s for pattern, s in patterns.items() if fnmatchcase(name, pattern)), math.inf)


@dataclass(frozen=True)
class NormalPrior(_ByScale):
    """theta_i ~ N(0, scale^2), independently: L2, lambda = 1 / (2 scale^2).

    >>> import loglik
    >>> model = loglik.build("fvsbn", loglik.Integer((3,), levels=2), seed=0)
    >>> bool(loglik.NormalPrior(0.1)(model) > loglik.NormalPrior(100.0)(model))
    True
    """

    def __call__(self, model: Model) -> Tensor:
        factors = [normal_log_prob(p.double(), 0.0, math.log(s)).sum() for p, s in self.scales(model) if s < math.inf]
        return torch.stack(factors).sum()

    def precision(self, model: Model) -> Tensor:
        """(d,) float64: 1 / scale^2 of each weight, in the order of the parameters."""
        parts = [torch.full((p.numel(),), s**-2.0, dtype=torch.float64) for p, s in self.scales(model)]
        return torch.cat(parts).to(model.device)


@dataclass(frozen=True)
class LaplacePrior(_ByScale):
    """theta_i ~ exp(-|theta_i| / scale) / (2 scale), independently: L1, lambda = 1 / scale."""

    def __call__(self, model: Model) -> Tensor:
        factors = [
            -p.double().abs().sum() / s - p.numel() * math.log(2.0 * s) for p, s in self.scales(model) if s < math.inf
        ]
        return torch.stack(factors).sum()


def prior_of(given: object) -> Prior:
    """A prior as it is told: a function of the model, or the scale of a normal one.

    Raises:
        UsageError: it is neither.
    """
    if is_number(given):
        return NormalPrior(float(given))
    if not callable(given):
        raise UsageError(
            f"Expected a prior: a scale, loglik.NormalPrior, or a function of the model; got {shown(given)}."
        )
    return given


def name_of(prior: Prior) -> str:
    """What a record says of a prior."""
    return repr(prior) if isinstance(prior, _ByScale) else str(getattr(prior, "__qualname__", type(prior).__name__))
