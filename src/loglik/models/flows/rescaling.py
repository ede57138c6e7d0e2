"""Where a flow begins: the data, reals or dequantised integers, on the scale that nets and base densities expect."""

from loglik.bijections.elementwise import Gaussianize, Logit, Standardize
from loglik.contract import Bijection, Claim, ExactModel
from loglik.errors import UsageError
from loglik.models.flow import ExactFlow, Flow
from loglik.spaces import Integer, Real, Space

INITIAL_VALUES = 1 << 20  # numbers of which ActNorm takes its first means; the rescaling itself looks at all there are


def rescaled(space: Space, rescale: str, bijection: Bijection, base: ExactModel) -> Flow:
    """A flow of the data that begins with their rescaling; an estimate where the bijection is one."""
    kind = ExactFlow if bijection.claim is Claim.EXACT else Flow
    return kind(Real(space.shape), bijection, base, rescale=rescaling(space, rescale), initial_values=INITIAL_VALUES)


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
