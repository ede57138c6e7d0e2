"""Where a flow begins: the data, reals or dequantised integers, on the scale that nets and base densities expect."""

from loglik.bijections.elementwise import Gaussianize, Logit, Standardize
from loglik.contract import Bijection
from loglik.errors import UsageError
from loglik.spaces import Integer, Space


def rescaling(space: Space, rescale: str) -> Bijection:
    """Reals are standardised. Dequantised integers, which lie in [0, levels), are rescaled as `rescale` says:
    "marginals" makes every marginal a standard normal, "logit" takes them to the whole line, "linear" standardises.
    """
    if not isinstance(space, Integer) or rescale == "linear":
        return Standardize(space.shape)
    if rescale == "marginals":
        return Gaussianize(space)
    if rescale == "logit":
        return Logit(0.0, float(space.levels))
    raise UsageError(f"Expected rescale 'marginals', 'logit' or 'linear'; got {rescale!r}.")
