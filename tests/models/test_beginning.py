"""The first values of a sequence as events: sums over what follows, laws, and models that have no such sums."""

import itertools

import pytest
import torch

from loglik import Category, Integer, Real, build, check
from loglik.contract import Claim
from loglik.errors import ShapeMismatch, UsageError
from loglik.models.beginning import Beginning

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


@pytest.mark.usefixtures("float64")
def test_its_abilities_are_those_of_the_whole() -> None:
    model = model_of("made")
    short = model.beginning(3)
    events = ALL[:: LEVELS**2, :3]
    observed = torch.tensor([True, True, False]).expand_as(events)
    assert short.conditions(observed) is Claim.EXACT
    assert short.conditions(~observed) is None
    summed = short.log_likelihood(events).reshape(LEVELS**2, LEVELS).logsumexp(1)
    marginal = short.log_marginal(events, observed).reshape(LEVELS**2, LEVELS)
    assert torch.allclose(marginal, summed[:, None].expand_as(marginal), atol=1e-9)
    assert torch.equal(short.sample_given(events, observed)[:, :2], events[:, :2])
    assert short.shortened(2).space.shape == (2,)


def test_its_guided_samples_begin_those_of_the_whole() -> None:
    model = model_of("char-rnn")
    short, given = model.beginning(3), torch.tensor([[2, 0]])
    assert short.guided
    torch.manual_seed(5)
    whole = model.sample_guided(7, given=given, temperature=0.7, top_k=2)
    torch.manual_seed(5)
    assert torch.equal(short.sample_guided(7, given=given, temperature=0.7, top_k=2), whole[:, :3])
    assert short.sample_guided(2, given=given, length=9).shape == (2, 9)
    with pytest.raises(ShapeMismatch, match="beginning of 1 events"):
        short.sample_guided(1, given=torch.zeros(1, 4, dtype=torch.long))
    histogram = model_of("histogram").beginning(2)
    assert not histogram.guided
    with pytest.raises(UsageError, match="draws whole events"):
        histogram.sample_guided(1)


@pytest.mark.usefixtures("float64")
def test_of_reals_it_is_the_integral_over_all_that_may_follow() -> None:
    model = build("made", Real((3,)), hidden=(8,), seed=0).eval()
    model.initialize(torch.randn(50, 3) * torch.tensor([1.0, 20.0, 3.0]) + 5.0)
    begin, rest = 5.0 + torch.randn(4, 2), torch.linspace(-60.0, 70.0, 20_001)
    x = torch.cat([begin.repeat_interleave(len(rest), 0), rest.repeat(4)[:, None]], 1)
    with torch.no_grad():
        integral = torch.trapezoid(model.log_prob(x).exp().reshape(4, -1), rest, dim=1).log()
        torch.testing.assert_close(model.beginning(2).log_prob(begin), integral, atol=1e-6, rtol=0)
