"""Models of reals as flows that standardise each value first: nets expect values near one, and units do not matter."""

from loglik.bijections.compose import Chain
from loglik.bijections.elementwise import Standardize
from loglik.contract import ExactModel
from loglik.models.flow import ExactFlow
from loglik.spaces import Real


def standardized(model: ExactModel) -> ExactModel:
    """log p(x) = log p(z) - sum log scale,  z = (x - centre) / scale of the training data; no reals, no change."""
    if not isinstance(model.space, Real):
        return model
    return ExactFlow(model.space, Chain([]), model, rescale=Standardize(model.space.shape))
