"""WaveNet: the receptive field of its formula, the compiled sampler against whole passes, contexts, windows."""

from typing import Any

import pytest
import torch
from torch import Tensor

from loglik import build
from loglik.errors import UsageError
from loglik.heads import CategoricalHead, MuLawHead
from loglik.laws.enumeration import all_events
from loglik.laws.subject import any_events, varied
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.wavenet.net import WaveNetNet
from loglik.nets.causal import Steps
from loglik.runs.run import describe
from loglik.spaces import Category, Integer, Real, Space

pytestmark = pytest.mark.usefixtures("float64")

TINY = {"width": 4, "skip": 8}


def disturbed(space: Space, context: Space | None = None, **hyperparameters: Any) -> Autoregressive:
    given = {} if context is None else {"context": context}
    model = build("wavenet", space, **TINY | hyperparameters, **given)
    x = torch.zeros(4, *space.shape).long()
    c = None if context is None else any_events(context, 4, model)
    model = varied(model, x, c, seed=0)
    assert isinstance(model, Autoregressive)
    return model


def net_of(model: Autoregressive) -> WaveNetNet:
    assert isinstance(model.net, WaveNetNet)
    return model.net


@pytest.mark.parametrize(
    ("layers", "blocks", "kernel", "field"), [(1, 1, 2, 2), (3, 1, 2, 8), (3, 2, 2, 15), (2, 2, 3, 13), (4, 1, 2, 16)]
)
def test_the_receptive_field_is_the_formulas(layers: int, blocks: int, kernel: int, field: int) -> None:
    """By autograd: the output at t depends on x_{t - field} ... x_{t - 1}, all of them, and on nothing else."""
    T = 24
    model = disturbed(Integer((T,), 50), layers=layers, blocks=blocks, kernel=kernel)
    net = net_of(model)
    assert net.receptive_field == field == 1 + blocks * (kernel - 1) * (2**layers - 1)
    x = torch.randn(1, T, 1, requires_grad=True)
    for t in (0, 1, T // 2, T - 1):
        (seen,) = torch.autograd.grad(net(x)[0, t].square().sum(), x, allow_unused=True)
        assert seen.flatten().nonzero().flatten().tolist() == list(range(max(0, t - field), t))


def test_the_paper_s_stack_sees_2047_values() -> None:
    model = build("wavenet", Integer((8000,), 256))
    assert isinstance(model, Autoregressive)
    assert net_of(model).receptive_field == 2047


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 17, 1024, 1025])
def test_by_default_the_field_is_the_least_that_holds_the_sequence(length: int, blocks: int) -> None:
    field = describe(build("wavenet", Integer((length,), 5), blocks=blocks))["receptive_field"]
    assert field >= length - 1
    assert field - 1 == blocks or 1 + (field - 1 - blocks) // 2 < length - 1  # one layer less would not


def test_all_sequences_sum_to_one() -> None:
    model = disturbed(Category((5,), 4))
    with torch.no_grad():
        assert float(model.log_prob(all_events(model)).exp().sum()) == pytest.approx(1.0, abs=1e-12)


SAMPLED = [
    (Integer((30,), 2), {}, None),
    (Integer((30,), 256), {"layers": 3}, None),
    (Integer((40,), 65_536), {"layers": 4}, None),
    (Integer((30,), 7), {"kernel": 3, "layers": 2, "blocks": 3}, Category((), 5)),
    (Category((30,), 40), {"layers": 1, "blocks": 1}, Real((10, 3))),
    (Integer((1,), 5), {}, None),
]


@pytest.mark.parametrize(("space", "given", "context"), SAMPLED, ids=str)
def test_the_compiled_sampler_equals_whole_passes(space: Space, given: dict[str, int], context: Space | None) -> None:
    model = disturbed(space, context, **given)
    c = None if context is None else any_events(context, 5, model)
    noise = model.head.noise((space.dims, 5), torch.empty(0))
    beginning = any_events(space, 5, model).T[: space.dims // 4]
    with torch.no_grad():
        quick = model.steps(5, c)
        compiled = quick.run(model.head, noise, beginning)
        naive = model.steps(5, c, whole=True).run(model.head, noise, beginning)
        eager = Steps.run(model.steps(5, c), model.head, noise, beginning)
    assert torch.equal(compiled, naive)
    assert torch.equal(eager, naive)
    assert torch.equal(compiled[: len(beginning)], beginning)


def test_single_precision_draws_the_same_distribution() -> None:
    """Rounding moves a draw now and then, and only there; from then on an event differs."""
    model = disturbed(Integer((64,), 256), layers=3).float()
    noise = model.head.noise((64, 50), torch.empty(0, dtype=torch.float32))
    with torch.no_grad():
        compiled = model.steps(50).run(model.head, noise, torch.empty(0, 50).long())
        eager = Steps.run(model.steps(50), model.head, noise, torch.empty(0, 50).long())
    assert float((compiled == eager).all(0).float().mean()) > 0.9


def test_sharpened_draws_take_the_steps() -> None:
    model = disturbed(Integer((20,), 256), layers=3)
    x = model.sample_guided(4, top_k=1)
    params = model.conditionals(x)
    assert torch.equal(params.argmax(-1), x)
    assert model.sample_guided(4, temperature=0.5).shape == (4, 20)


def test_a_local_context_steers_its_own_frames() -> None:
    context = Real((4, 2))
    model = disturbed(Integer((12,), 4), context, layers=1, blocks=1)
    x, c = torch.randint(4, (1, 12)), torch.randn(1, 4, 2)
    other = c.clone()
    other[:, 2] += 1.0
    changed = (model.conditionals(x, c) - model.conditionals(x, other)).abs().amax(-1)[0] > 1e-12
    # One layer of kernel 2 reads steered values nowhere but at its own step.
    assert changed.nonzero().flatten().tolist() == [6, 7, 8]


def test_a_constant_local_context_is_a_global_one() -> None:
    space = Integer((12,), 4)
    model = disturbed(space, Real((4, 2)))
    torch.manual_seed(3)
    single = disturbed(space, Real((2,)))
    single.net.load_state_dict(model.net.state_dict())
    x, c = torch.randint(4, (5, 12)), torch.randn(5, 2)
    torch.testing.assert_close(single.log_prob(x, c), model.log_prob(x, c[:, None].expand(-1, 4, -1)))


@pytest.mark.parametrize("window", [1, 3, 8])
def test_windows_of_a_long_sound_are_exact(window: int) -> None:
    """The state is all that the next window needs: the scores add up to that of one pass over the whole sound."""
    whole = disturbed(Integer((24,), 50), layers=3, kernel=3)
    part = disturbed(Integer((window,), 50), layers=3, kernel=3)
    part.load_state_dict(whole.state_dict())
    x, state, total = torch.randint(50, (4, 24)), None, torch.zeros(4)
    assert part.carries
    for piece in x.split(window, dim=1):
        nats, state = part.log_likelihood_from(piece, state)
        total += nats
    torch.testing.assert_close(total, whole.log_prob(x))


def test_sixteen_bits_are_mu_law_unless_said_otherwise() -> None:
    assert isinstance(disturbed(Integer((4,), 65_536)).head, MuLawHead)
    assert isinstance(disturbed(Integer((4,), 256)).head, CategoricalHead)
    logistic = disturbed(Integer((4,), 65_536), head="logistic", components=2)
    assert logistic.sample(3).shape == (3, 4)


def test_half_precision_training_reaches_the_heads_in_single() -> None:
    model = build("wavenet", Integer((20,), 65_536), **TINY).float()
    x = torch.randint(65_536, (3, 20))
    with torch.autocast("cpu", torch.bfloat16):
        nats = model.log_likelihood(x)
    assert nats.dtype == torch.float64
    torch.testing.assert_close(nats, model.log_likelihood(x), rtol=1e-2, atol=1e-1)


def test_dropout_is_for_training() -> None:
    model = disturbed(Integer((20,), 5), dropout=0.5)
    x: Tensor = torch.randint(5, (3, 20))
    model.train()
    assert not torch.equal(model.log_prob(x), model.log_prob(x))
    model.eval()
    assert torch.equal(model.log_prob(x), model.log_prob(x))


@pytest.mark.parametrize(
    ("space", "wrong", "says"),
    [
        (Integer((3, 3), 2), {}, "Use pixelcnn for images"),
        (Integer((9,), 2), {"kernel": 1}, "kernel >= 2"),
        (Integer((9,), 2), {"blocks": 0}, "blocks of wavenet to be a whole number, 1 to"),
        (Integer((9,), 2), {"layers": 0}, "layers of wavenet to be a whole number, 1 to 30"),
        (Integer((9,), 2), {"width": 0}, "width of wavenet to be a whole number, 1 to"),
        (Integer((9,), 2), {"dropout": 1.0}, "below 1"),
        (Integer((9,), 2), {"context": Real((2, 5))}, "divides 9"),
        (Real((9,)), {"head": "mu-law"}, "ordered levels"),
    ],
)
def test_what_cannot_be_is_refused(space: Space, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        build("wavenet", space, **wrong)


def test_a_run_says_how_far_its_model_sees() -> None:
    assert describe(build("wavenet", Integer((30,), 5), layers=3, blocks=2))["receptive_field"] == 15
    assert "receptive_field" not in describe(build("made", Integer((3,), 5)))


def test_samples_may_be_longer_than_an_event() -> None:
    short, long = disturbed(Integer((8,), 300), layers=3), disturbed(Integer((30,), 300), layers=3)
    short.load_state_dict(long.state_dict())
    torch.manual_seed(1)
    x = short.sample_guided(3, length=30)
    torch.manual_seed(1)
    assert torch.equal(x, long.sample(3))
