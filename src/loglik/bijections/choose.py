"""Which transform a net steers, and what normalises between layers: the one place where they have names."""

from loglik.bijections.affine import Additive, Affine
from loglik.bijections.batch_norm import BatchNorm
from loglik.bijections.compose import Chain
from loglik.bijections.linear import ActNorm
from loglik.bijections.logistic_mixture import LogisticMixture
from loglik.bijections.transform import Transform
from loglik.contract import Bijection
from loglik.errors import UsageError

TRANSFORMS = ("additive", "affine", "logistic-mixture")


def transform_for(name: str, components: int = 8) -> Transform:
    """The transform called `name`; `components` is for mixtures.

    Raises:
        UsageError: an unknown name, or no component.
    """
    if name == "additive":
        return Additive()
    if name == "affine":
        return Affine()
    if name == "logistic-mixture":
        return LogisticMixture(components)
    raise UsageError(f"Expected transform {', '.join(map(repr, TRANSFORMS))}; got {name!r}.")


def normalization_for(name: str, shape: tuple[int, ...]) -> Bijection:
    """What keeps the scale of events of `shape` between the layers of a flow: "act", "batch" or "none".

    Raises:
        UsageError: an unknown name.
    """
    if name == "act":
        return ActNorm(shape)
    if name == "batch":
        return BatchNorm(shape)
    if name == "none":
        return Chain([])
    raise UsageError(f"Expected norm 'act', 'batch' or 'none'; got {name!r}.")
