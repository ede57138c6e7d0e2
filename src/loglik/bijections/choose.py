"""Which transform a net steers: the one place where they have names."""

from loglik.bijections.affine import Additive, Affine
from loglik.bijections.logistic_mixture import LogisticMixture
from loglik.bijections.transform import Transform
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
