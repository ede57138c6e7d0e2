"""Which head suits the values of a space."""

from loglik.heads.discrete import BernoulliHead, CategoricalHead
from loglik.heads.gaussian import NormalHead
from loglik.heads.head import Head
from loglik.spaces import Discrete, Integer, Space


def head_for(space: Space) -> Head:
    """The head that suits the values of a space."""
    if isinstance(space, Discrete):
        if space.levels == 2:
            return BernoulliHead()
        return CategoricalHead(space.levels, ordered=isinstance(space, Integer))
    return NormalHead()
