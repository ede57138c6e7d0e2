"""The first values of a sequence as events: sums over what follows, laws, and models that have no such sums."""

import itertools

import pytest
import torch

from loglik import Category, Integer, Real, build, check
from loglik.errors import UsageError
from loglik.models.autoregressive.autoregressive import Beginning

LENGTH, LEVELS = 5, 3
ALL = torch.tensor(list(itertools.product(range(LEVELS), repeat=LENGTH)))
NAMES = ("char-rnn", "transformer", "wavenet", "made", "histogram", "uniform")


def model_of(name: str) -> torch.nn.Module:
    """A model whose values depend on each other, for random weights do not make much of the past."""
    model = build(name, Category((LENGTH,), LEVELS), seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    if name == "histogram":
        model.theta.copy_(torch.rand(LENGTH, LEVELS).softmax(1))
    return model.eval()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [1, 3, 5])
@pytest.mark.usefixtures("float64")
def test_it_is_the_sum_over_all_that_may_follow(name: str, length: int) -> None:
    model = model_of(name)
    short = model.beginning(length)
    whole = model.log_likelihood(ALL).reshape(LEVELS**length, -1).logsumexp(1)
    begin = short.log_likelihood(ALL[:: LEVELS ** (LENGTH - length), :length])
    assert torch.allclose(begin, whole, atol=1e-9)
    assert begin.exp().sum().item() == pytest.approx(1.0, abs=1e-9)
    assert short.space == Category((length,), LEVELS)


def test_it_obeys_the_laws() -> None:
    report = check(model_of("transformer").beginning(3))
    report.raise_if_failed()


def test_it_draws_the_beginnings_of_draws() -> None:
    model = model_of("char-rnn")
    torch.manual_seed(3)
    whole = model.sample(6)
    torch.manual_seed(3)
    assert torch.equal(model.beginning(2).sample(6), whole[:, :2])


def test_the_whole_is_no_beginning_and_others_have_none() -> None:
    model = model_of("char-rnn")
    assert model.beginning(LENGTH) is model
    assert isinstance(model.beginning(2), Beginning)
    for length in (0, -1, LENGTH + 1):
        with pytest.raises(UsageError, match="1 to 5 values"):
            model.beginning(length)
    for other in (
        build("vae", Category((LENGTH,), LEVELS), hidden=(4,)),
        build("made", Category((LENGTH,), LEVELS), hidden=(4,), order="random", seed=0),
        build("made", Category((LENGTH,), LEVELS), hidden=(4,), masks=2),
        build("realnvp", Real((LENGTH,)), hidden=(4,)),
    ):
        with pytest.raises(UsageError, match="no probability of a part"):
            other.beginning(3)
    with pytest.raises(UsageError, match="of a sequence"):
        build("pixelcnn", Integer((2, 2), 3)).beginning(2)
