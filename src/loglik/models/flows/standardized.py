"""Nets expect values near one: models of reals as flows that standardise each value first."""

from loglik.bijections.elementwise import Standardize
from loglik.contract import ExactModel
from loglik.models.flows.flow import ExactFlow
from loglik.spaces import Real


def standardized(model: ExactModel) -> ExactModel:
    """log p(x) = log p(z) - sum log scale,  z = (x - mean) / scale of the training data; no reals, no change."""
    return ExactFlow(model.space, Standardize(model.space.shape), model) if isinstance(model.space, Real) else model
