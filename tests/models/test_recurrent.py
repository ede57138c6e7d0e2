"""Recurrent nets: cells by hand, windows against the whole sequence, and draws that go on beyond a window."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from loglik import Category, Integer, Real, build, evaluate
from loglik.data import Memory
from loglik.errors import ContextError, ShapeMismatch, UsageError
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.char_rnn import steps as recurrent_steps
from loglik.models.autoregressive.char_rnn.net import CELLS, RecurrentNet
from loglik.models.flow import Flow

V, T = 5, 24


def symbols(B: int, length: int = T) -> Tensor:
    return torch.randint(V, (B, length), generator=torch.Generator().manual_seed(1))


def char_rnn(length: int = T, **hyperparameters: object) -> Autoregressive:
    torch.manual_seed(0)
    model = build("char-rnn", Category((length,), V), **{"width": 7, **hyperparameters}).double().eval()
    assert isinstance(model, Autoregressive)
    return model


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_windows_with_carried_state_score_as_the_whole_sequence(cell: str, layers: int) -> None:
    long = char_rnn(cell=cell, layers=layers)
    window = char_rnn(6, cell=cell, layers=layers)
    window.load_state_dict(long.state_dict())
    x = symbols(3)
    parts, state = [], None
    with torch.no_grad():
        for piece in x.split(6, dim=1):
            log_p, state = window.log_likelihood_from(piece, state)
            parts.append(log_p)
        whole = long.log_prob(x)
        alone = torch.stack([window.log_prob(piece) for piece in x.split(6, dim=1)]).sum(0)
    assert torch.allclose(torch.stack(parts).sum(0), whole, atol=1e-10, rtol=0)
    assert not torch.allclose(alone, whole, atol=1e-3)  # the state does matter
    assert window.log_likelihood_from(x[:, :6], None)[1].grad_fn is None


@pytest.mark.parametrize("cell", CELLS)
def test_what_follows_a_window_has_total_mass_one(cell: str) -> None:
    model = char_rnn(3, cell=cell)
    x = torch.tensor(list(itertools.product(range(V), repeat=3)))
    with torch.no_grad():
        _, state = model.log_likelihood_from(symbols(1, 3), None)
        log_p, _ = model.log_likelihood_from(x, state.expand(len(x), -1))
    assert float(log_p.exp().sum()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("inputs", "layers", "context"), [(4, 1, 0), (4, 2, 3), (40, 2, 0), (40, 1, 3)])
def test_cells_by_hand_equal_torchs(cell: str, inputs: int, layers: int, context: int) -> None:
    torch.manual_seed(0)
    net = RecurrentNet(inputs, 8, 3, cell=cell, layers=layers, context=context).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0.0, 0.5)  # all biases at work
        x = torch.randn(2, 9, inputs, dtype=torch.float64)
        c = torch.randn(2, context, dtype=torch.float64) if context else None
        whole, walk = net(x, c), net.steps(2, c)
        for t in range(9):
            assert torch.allclose(walk(x[:, t - 1] if t else None), whole[:, t], atol=1e-10, rtol=0)


def test_gates_start_as_the_papers_say() -> None:
    net = RecurrentNet(4, 8, 3, cell="lstm", layers=2, context=2)
    assert isinstance(net.cells, nn.LSTM)
    for layer in range(2):
        bias = getattr(net.cells, f"bias_ih_l{layer}") + getattr(net.cells, f"bias_hh_l{layer}")
        assert torch.equal(bias.detach(), torch.tensor([0.0, 1.0, 0.0, 0.0]).repeat_interleave(8))
        for gate in getattr(net.cells, f"weight_hh_l{layer}").detach().split(8):
            assert torch.allclose(gate @ gate.T, torch.eye(8), atol=1e-5)


def test_the_stream_is_scored_in_row_order_whatever_the_streams() -> None:
    model, x = char_rnn(4), symbols(130, 4)
    rows = Memory(model.space, x, stream=True)
    score = evaluate(model, rows)
    assert score.past == "state carried over windows, in 2 streams"
    with torch.no_grad():
        halves = [char_rnn(4 * 65).log_prob(half.reshape(1, -1)) for half in x.split(65)]
    assert float(score.values.sum()) == pytest.approx(float(torch.cat(halves).sum()), abs=1e-8)
    alone = evaluate(model, rows, carry=False)
    assert torch.equal(alone.values, evaluate(model, x).values)
    assert alone.past == "each window alone"
    assert evaluate(model, x).past == ""
    assert score.rows == alone.rows
    assert "state carried over windows, in 2 streams against each window alone" in str(score - alone)
    assert score.to_json()["past"] == score.past


@pytest.mark.parametrize("context", [None, Category((), 3)])
def test_reals_and_contexts_carry_too(context: Category | None) -> None:
    model = build("char-rnn", Real((4,)), width=5, context=context).double().eval()
    assert isinstance(model, Flow)
    x = torch.randn(6, 4, dtype=torch.float64)
    c = None if context is None else torch.arange(6) % 3
    with torch.no_grad():
        first, state = model.log_likelihood_from(x, None, c)
        assert torch.allclose(first, model.log_prob(x, c))
        second, _ = model.log_likelihood_from(x, state, c)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("space", [Category((9,), V), Integer((9,), 2), Integer((9,), 40), Real((9,))], ids=str)
def test_the_compiled_loop_draws_what_the_steps_draw(
    cell: str, space: Category | Integer | Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    built = build("char-rnn", space, cell=cell, width=7, layers=2, context=Category((), 2)).double().eval()
    model = built.base if isinstance(built, Flow) else built
    assert isinstance(model, Autoregressive)
    with torch.no_grad():
        for parameter in model.net.parameters():
            parameter.normal_(0.0, 0.5)
    c, draws = torch.tensor([0, 1]), []
    for worth in (recurrent_steps.WORTH_COMPILING, 0):
        monkeypatch.setattr(recurrent_steps, "WORTH_COMPILING", worth)
        torch.manual_seed(1)
        draws.append(model.sample(2, c))
        draws.append(model.sample_guided(2, c, given=draws[0][:, :4]))
    assert torch.allclose(draws[0], draws[2], atol=1e-9)
    assert torch.allclose(draws[1], draws[3], atol=1e-9)


def test_draws_go_on_beyond_the_window() -> None:
    model, longer = char_rnn(), char_rnn(70)
    torch.manual_seed(3)
    long = model.sample_guided(2, length=70)
    torch.manual_seed(3)
    assert torch.equal(long, longer.sample(2))
    begun = model.sample_guided(2, given=long[:1, :40], length=50)
    assert begun.shape == (2, 50)
    assert torch.equal(begun[:, :40], long[:1, :40].expand(2, -1))
    with pytest.raises(ShapeMismatch):
        model.sample_guided(1, given=long[:1, :40], length=30)
    with pytest.raises(UsageError, match="char-rnn"):
        build("made", Category((4,), 3), hidden=(4,)).sample_guided(1, length=9)  # type: ignore[call-arg]


def test_models_that_remember_nothing_say_so() -> None:
    model = build("made", Integer((2,), 3), hidden=(4,))
    assert not model.carries
    with pytest.raises(UsageError, match="by itself"):
        model.log_likelihood_from(torch.zeros(1, 2), None)
    with pytest.raises(ContextError):
        char_rnn(context=Category((), 2)).log_likelihood_from(symbols(1), None)


@pytest.mark.parametrize("impossible", [{"cell": "elman"}, {"width": 0}, {"layers": 0}, {"dropout": 1.0}])
def test_values_that_cannot_be(impossible: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        build("char-rnn", Category((4,), 3), **impossible)
