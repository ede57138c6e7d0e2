"""Which head suits the values of a space, and heads by name."""

from collections.abc import Callable
from dataclasses import dataclass

from loglik.errors import UnknownName, UsageError
from loglik.heads.companded import MuLawHead
from loglik.heads.discrete import BernoulliHead, CategoricalHead
from loglik.heads.gaussian import MixtureHead, NormalHead
from loglik.heads.head import Head
from loglik.heads.logistic import LogisticHead
from loglik.spaces import Category, Discrete, Integer, Real, Space

SOFTMAX_LEVELS = 256  # ordered values of more levels are a mixture of logistics unless a head is named


@dataclass(frozen=True)
class Choice:
    """One head by name. suits: the spaces it is for, and in words; build: (space, components) -> the head."""

    suits: Callable[[Space], bool]
    wants: str
    build: Callable[[Space, int], Head]


def _levels(space: Space) -> int:
    assert isinstance(space, Discrete)
    return space.levels


# fmt: off
HEADS: dict[str, Choice] = {
    "bernoulli": Choice(
        lambda space: isinstance(space, Discrete) and space.levels == 2, "two levels",
        lambda space, components: BernoulliHead(),
    ),
    "categorical": Choice(
        lambda space: isinstance(space, Discrete), "an Integer or Category space",
        lambda space, components: CategoricalHead(_levels(space), ordered=isinstance(space, Integer)),
    ),
    "logistic": Choice(
        lambda space: isinstance(space, Integer), "ordered levels, an Integer space",
        lambda space, components: LogisticHead(_levels(space), components),
    ),
    "mu-law": Choice(
        lambda space: isinstance(space, Integer), "ordered levels, an Integer space",
        lambda space, components: MuLawHead(_levels(space)),
    ),
    "normal": Choice(
        lambda space: isinstance(space, Real), "a Real space",
        lambda space, components: NormalHead(),
    ),
    "mixture": Choice(
        lambda space: isinstance(space, Real), "a Real space",
        lambda space, components: MixtureHead(components),
    ),
}
# fmt: on


def head_for(space: Space, head: str | None = None, components: int = 10) -> Head:
    """The head called `head`, or the one that suits the values of a space.

    Without a name: a coin for two levels, a mixture of logistics for more than 256 ordered levels, a softmax for other
    levels, a normal for reals.

    Args:
        components: of the heads that are mixtures.

    Raises:
        UnknownName: no such head. UsageError: a head that is not for this space, a mixture of nothing.
    """
    name = _default(space) if head is None else head
    if name not in HEADS:
        raise UnknownName("head", name, HEADS)
    if components < 1:
        raise UsageError(f"Expected components >= 1; got {components}.")
    choice = HEADS[name]
    if not choice.suits(space):
        fitting = ", ".join(sorted(other for other, entry in HEADS.items() if entry.suits(space)))
        raise UsageError(f"Expected {choice.wants} for the head {name!r}; got {space}. Choose among: {fitting}.")
    return choice.build(space, components)


def _default(space: Space) -> str:
    if isinstance(space, Real):
        return "normal"
    if isinstance(space, Discrete) and space.levels == 2:
        return "bernoulli"
    if isinstance(space, Integer) and space.levels > SOFTMAX_LEVELS:
        return "logistic"
    if isinstance(space, Category | Integer):
        return "categorical"
    raise UsageError(f"No head is known for {space}.")
