"""Spaces in words, and evidence that does not depend on how rows are cut."""

import pytest
import torch

from loglik.data.infer import Evidence, parse_space
from loglik.errors import UnknownName, UsageError
from loglik.spaces import Category, Integer, Real


def test_spaces_in_words() -> None:
    assert parse_space("real", (3,)) == Real((3,))
    assert parse_space("integer:17", (1, 8, 8)) == Integer((1, 8, 8), 17)
    assert parse_space(" Category:5", (2,)) == Category((2,), 5)


@pytest.mark.parametrize(
    "text", ["integer", "integer:", "integer:x", "integer:-3", "real:3", "category:1", "integer:1.5"]
)
def test_incomplete_words(text: str) -> None:
    with pytest.raises(UsageError):
        parse_space(text, (1,))


def test_unknown_word() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'integer'"):
        parse_space("interger:5", (1,))


@pytest.mark.parametrize("size", [1, 3, 100])
def test_evidence_adds_up(size: int) -> None:
    evidence = Evidence()
    for part in torch.arange(100).reshape(50, 2).split(size):
        evidence.update(part)
    assert evidence.space((2,)) == Integer((2,), 100)


@pytest.mark.parametrize("spoiler", [torch.tensor([256]), torch.tensor([-1]), torch.tensor([1.0])])
def test_one_batch_can_make_it_real(spoiler: torch.Tensor) -> None:
    evidence = Evidence()
    for part in (torch.tensor([3]), spoiler, torch.tensor([4])):
        evidence.update(part)
    assert evidence.space((1,)) == Real((1,))
