"""Every space has a head, names choose another, and what does not fit is refused with what would."""

import pytest
import torch

from loglik.errors import UnknownName, UsageError
from loglik.heads import BernoulliHead, CategoricalHead, Head, LogisticHead, NormalHead, head_for
from loglik.spaces import Category, Discrete, Integer, Real, Space


@pytest.mark.parametrize(
    ("space", "kind"),
    [
        (Integer((3,), 2), BernoulliHead),
        (Category((3,), 2), BernoulliHead),
        (Integer((3,), 256), CategoricalHead),
        (Integer((3,), 257), LogisticHead),
        (Category((3,), 5000), CategoricalHead),
        (Real((3,)), NormalHead),
    ],
    ids=str,
)
def test_the_head_follows_from_the_space(space: Space, kind: type[Head]) -> None:
    assert type(head_for(space)) is kind


@pytest.mark.parametrize(
    ("space", "name", "params"),
    [
        (Integer((3,), 2), "bernoulli", 1),
        (Integer((3,), 2), "categorical", 2),
        (Integer((3,), 2), "logistic", 12),
        (Integer((3,), 40), "logistic", 12),
        (Category((3,), 7), "categorical", 7),
        (Real((3,)), "normal", 2),
        (Real((3,)), "mixture", 12),
    ],
    ids=str,
)
def test_named_heads_score_and_draw(space: Space, name: str, params: int) -> None:
    torch.manual_seed(0)
    head = head_for(space, name, components=4)
    assert head.params == params
    x = torch.randint(space.levels, (5, 3)) if isinstance(space, Discrete) else torch.randn(5, 3)
    start = head.marginal(x).float()
    assert start.shape == (3, params)
    assert head.encode(x, torch.float32).shape == (5, 3, head.inputs)
    assert bool(torch.isfinite(head.log_prob(start.expand(5, 3, params), x)).all())
    assert head.sample(start.expand(5, 3, params)).shape == (5, 3)


@pytest.mark.parametrize(
    ("space", "name", "components", "says"),
    [
        (Integer((3,), 3), "bernoulli", 1, "Expected two levels.*got Integer.*categorical, logistic"),
        (Category((3,), 3), "logistic", 1, "ordered levels"),
        (Real((3,)), "categorical", 1, "Choose among: .*normal"),
        (Integer((3,), 3), "normal", 1, "Real space"),
        (Integer((3,), 3), "logistic", 0, "components >= 1"),
    ],
)
def test_heads_that_do_not_suit_are_refused(space: Space, name: str, components: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        head_for(space, name, components)


def test_unknown_heads_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'logistic'"):
        head_for(Integer((3,), 3), "logistics")
