"""Which head suits the values of a space, and heads by name."""

from collections.abc import Callable
from dataclasses import dataclass

from loglik.errors import UnknownName, UsageError
from loglik.heads.companded import MuLawHead
from loglik.heads.discrete import BernoulliHead, CategoricalHead
from loglik.heads.gaussian import MixtureHead, NormalHead
from loglik.heads.head import Head
from loglik.heads.logistic import LogisticHead
from loglik.spaces import Space

SOFTMAX_LEVELS = 256  # ordered values of more levels are a mixture of logistics unless a head is named


@dataclass(frozen=True)
class Choice:
    """One head by name. suits: the spaces it is for, and in words; build: (space, components) -> the head."""

    suits: Callable[[Space], bool]
    wants: str
    build: Callable[[Space, int], Head]


def levels(space: Space) -> int:
    """How many levels each value has; 0 for reals."""
    return 0 if space.limits is None else space.limits[1] + 1


def has_levels(space: Space) -> bool:
    return levels(space) > 0


def has_ranks(space: Space) -> bool:
    return has_levels(space) and space.ordered


def is_real(space: Space) -> bool:
    return not has_levels(space)


# fmt: off
HEADS: dict[str, Choice] = {
    "bernoulli": Choice(
        lambda space: levels(space) == 2, "two levels",
        lambda space, components: BernoulliHead(),
    ),
    "categorical": Choice(
        has_levels, "an Integer or Category space",
        lambda space, components: CategoricalHead(levels(space), ordered=space.ordered),
    ),
    "logistic": Choice(
        has_ranks, "ordered levels, an Integer space",
        lambda space, components: LogisticHead(levels(space), components),
    ),
    "mu-law": Choice(
        has_ranks, "ordered levels, an Integer space",
        lambda space, components: MuLawHead(levels(space)),
    ),
    "normal": Choice(is_real, "a Real space", lambda space, components: NormalHead()),
    "mixture": Choice(is_real, "a Real space", lambda space, components: MixtureHead(components)),
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
    if is_real(space):
        return "normal"
    if levels(space) == 2:
        return "bernoulli"
    return "logistic" if space.ordered and levels(space) > SOFTMAX_LEVELS else "categorical"
