"""Masked autoregressive flows and inverse ones: each the other turned round, and linear ones Gaussians."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from cases import data
from loglik.bijections.affine import Affine
from loglik.bijections.autoregressive import MaskedAutoregressive
from loglik.bijections.batch_norm import BatchNorm
from loglik.bijections.compose import Inverse
from loglik.bijections.coupling import Coupling
from loglik.contract import Model
from loglik.densities import StandardNormal, normal_log_prob
from loglik.errors import UsageError
from loglik.models.flow import ExactFlow, Flow
from loglik.models.flows.maf import iaf, maf
from loglik.models.flows.realnvp import realnvp
from loglik.nets.dense import relu_pass
from loglik.nets.dense.mlp import MLP
from loglik.nets.masked.degrees import Degrees
from loglik.nets.masked.net import masked_net
from loglik.ops import FAR
from loglik.spaces import Category, Real

KINDS: dict[str, Callable[..., Model]] = {"maf": maf, "iaf": iaf, "realnvp": realnvp}
float64 = pytest.mark.usefixtures("float64")
both_ways = pytest.mark.parametrize("kind", ["maf", "iaf"])
LIMIT = Affine().limit


def moved(model: nn.Module, by: float = 0.3) -> nn.Module:
    """Away from the identity, as training leaves it."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return model


def flow(kind: str, dims: int, by: float = 0.3, **hyperparameters: object) -> Flow:
    model = moved(KINDS[kind](Real((dims,)), **{"layers": 3, "hidden": (8, 8)} | hyperparameters), by)
    assert isinstance(model, Flow)
    return model


def steps(model: nn.Module) -> list[MaskedAutoregressive]:
    return [part for part in model.modules() if isinstance(part, MaskedAutoregressive)]


def turned_round(source: Flow, dims: int) -> Flow:
    """The inverse flow with the weights of a masked one: the layers of data -> noise are those of noise -> data."""
    other = iaf(Real((dims,)), layers=3, hidden=(8, 8), norm="none")
    assert isinstance(other, Flow)
    for mine, theirs in zip(steps(other), reversed(steps(source)), strict=True):
        mine.load_state_dict(theirs.state_dict())
    return other


@float64
@pytest.mark.parametrize("dims", [1, 2, 7])
def test_the_inverse_of_maf_is_the_forward_of_iaf(dims: int) -> None:
    masked = flow("maf", dims, norm="none")
    inverse = turned_round(masked, dims)
    x = torch.randn(20, dims)
    torch.testing.assert_close(inverse.bijection(x), masked.bijection.inverse(x), rtol=0, atol=1e-10)
    torch.testing.assert_close(inverse.bijection.inverse(x), masked.bijection(x), rtol=0, atol=1e-10)


@float64
def test_the_inverse_is_the_fixed_point_of_as_many_passes_as_values() -> None:
    (step,) = steps(flow("maf", 5, layers=1))
    z, x = torch.randn(10, 5), torch.zeros(10, 5)
    for _ in range(5):
        shift, raw = step.net.of_flat(x).unbind(-1)
        x = z * torch.exp(LIMIT * torch.tanh(raw / LIMIT)) + shift
    torch.testing.assert_close(step.inverse(z)[0], x, rtol=0, atol=1e-10)


@float64
def test_what_maf_loses_on_data_iaf_loses_on_noise() -> None:
    """log p(x) - log q(x) = log p(u) - log N(u) at u = f(x), where p(u) carries the data's density to the noise: so
    KL(p || q) is the same in both spaces. Section 3.3 of the paper, event by event."""
    truth, model = flow("maf", 4, 0.1, order="random"), flow("maf", 4, 0.1, norm="none")
    x = truth.sample(30)
    u, _ = model.bijection(x)
    carried = ExactFlow(Real((4,)), Inverse(model.bijection), truth)
    on_data = truth.log_prob(x) - model.log_prob(x)
    on_noise = carried.log_prob(u) - StandardNormal(Real((4,))).log_prob(u)
    assert float(on_data.detach().abs().mean()) > 0.1
    torch.testing.assert_close(on_noise, on_data, rtol=0, atol=1e-9)


@both_ways
def test_one_direction_takes_one_pass_of_each_net_and_the_other_none(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A way back of D passes would be right, and D times slower."""
    passes = []
    sound = relu_pass.forward
    monkeypatch.setattr(relu_pass, "forward", lambda *given: passes.append(1) or sound(*given))
    model = flow(kind, 7)
    counts = {}
    with torch.no_grad():
        for name, work in (("score", lambda: model.log_prob(torch.randn(5, 7))), ("sample", lambda: model.sample(5))):
            passes.clear()
            work()
            counts[name] = len(passes)
    assert counts == ({"score": 3, "sample": 0} if kind == "maf" else {"score": 0, "sample": 3})


def gaussian(dims: int) -> MultivariateNormal:
    root = torch.randn(dims, dims)
    return MultivariateNormal(torch.randn(dims), root @ root.T + 0.1 * torch.eye(dims))


def linear(kind: str, shift: Tensor, steering: Tensor, scale: Tensor) -> Flow:
    """One layer without hidden units: shift + steering x, and a scale for each value."""
    model = KINDS[kind](Real((len(shift),)), layers=1, hidden=())
    assert isinstance(model, Flow)
    (step,) = steps(model)
    weights, dims = step.net.weights, len(shift)
    assert weights.direct is not None
    with torch.no_grad():
        weights.direct.weight[:dims] = steering
        weights.out_bias[:dims] = shift
        weights.out_bias[dims:] = LIMIT * torch.atanh(scale.log() / LIMIT)
    return model


@float64
@pytest.mark.parametrize("dims", [1, 2, 6])
def test_one_linear_layer_is_any_gaussian_exactly(dims: int) -> None:
    """With the Cholesky factor L and its diagonal S, z = L^-1 (x - m) has the shift m + (1 - S L^-1)(x - m)."""
    truth = gaussian(dims)
    factor = truth.scale_tril
    scale = factor.diagonal()
    steering = torch.eye(dims) - scale[:, None] * torch.linalg.inv(factor)
    x = truth.sample((50,)).clamp(-FAR, FAR)
    masked = linear("maf", truth.loc - steering @ truth.loc, steering, scale)
    torch.testing.assert_close(masked.log_prob(x), truth.log_prob(x), rtol=1e-10, atol=1e-9)
    # x = m + L z, in the form x = (z - shift) exp(-log_scale)
    inverse = linear("iaf", -truth.loc / scale, torch.eye(dims) - factor / scale[:, None], 1.0 / scale)
    torch.testing.assert_close(inverse.log_prob(x), truth.log_prob(x), rtol=1e-10, atol=1e-9)


@float64
def test_fitted_one_linear_layer_reaches_the_likelihood_of_the_sample_covariance() -> None:
    """Which is -1/2 (D log 2 pi + log|S| + D) for each event; scales that are steered too would do better."""
    x = gaussian(4).sample((100,))
    best = -0.5 * (4 * math.log(2.0 * math.pi) + float(torch.logdet(torch.cov(x.T, correction=0))) + 4)
    model = maf(Real((4,)), layers=1, hidden=())
    with torch.no_grad():
        model.initialize(x)
    (step,) = steps(model)
    direct = step.net.weights.direct
    assert direct is not None
    shifts = (torch.arange(8) < 4).double().unsqueeze(1)
    direct.weight.register_hook(lambda gradient: gradient * shifts)
    search = torch.optim.LBFGS(model.parameters(), max_iter=200, tolerance_change=1e-12, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        value = -model.log_likelihood(x).mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    assert float(-loss().detach()) < best - 0.1
    search.step(loss)
    assert abs(float(model.log_likelihood(x).mean().detach()) - best) < 1e-6


@float64
def test_an_affine_coupling_is_an_autoregressive_layer_whose_units_see_what_passes() -> None:
    dims, seen, width = 5, 2, 6
    masked = masked_net(Degrees(torch.arange(dims), [torch.full((width,), seen)] * 2), 2)
    layer = MaskedAutoregressive(masked, Affine())
    moved(masked)
    weights, last = masked.weights, masked.weights.last
    assert last is not None
    with torch.no_grad():
        weights.out_bias.view(2, dims)[:, :seen] = 0.0  # these pass
    mlp = MLP(seen, (width, width), 2 * (dims - seen), activation=nn.ReLU)
    first, second, third = mlp.linear
    rows = torch.arange(2 * dims).view(2, dims)[:, seen:].flatten()
    with torch.no_grad():
        for mine, (weight, bias) in (
            (first, (weights.hidden_layers[0].weight[:, :seen], weights.hidden_layers[0].bias)),
            (second, (weights.hidden_layers[1].weight, weights.hidden_layers[1].bias)),
            (third, (last.weight[rows], weights.out_bias[rows])),
        ):
            mine.weight.copy_(weight)  # type: ignore[operator]
            mine.bias.copy_(bias)  # type: ignore[operator]
    coupling = Coupling(mlp, Affine(), torch.arange(dims) < seen)
    x = torch.randn(20, dims)
    assert not torch.allclose(coupling(x)[0], x)
    torch.testing.assert_close(layer(x), coupling(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(layer.inverse(x), coupling.inverse(x), rtol=0, atol=1e-12)


@both_ways
def test_orders_alternate_or_are_drawn(kind: str) -> None:
    orders = [step.net.degrees.order.tolist() for step in steps(flow(kind, 3, layers=4))]
    assert orders == [[0, 1, 2], [2, 1, 0]] * 2
    drawn = [step.net.degrees.order.tolist() for step in steps(flow(kind, 9, order="random"))]
    assert all(sorted(order) == list(range(9)) for order in drawn)
    assert len({tuple(order) for order in drawn}) == 3


@float64
@both_ways
def test_in_evaluation_batch_norm_knows_no_batch_mates(kind: str) -> None:
    model = KINDS[kind](Real((3,)), layers=3, hidden=(8,), norm="batch")
    x = data(Real((3,))).double()
    with torch.no_grad():
        model.initialize(x)
    (first, *_) = [part for part in model.modules() if isinstance(part, BatchNorm)]
    before = first.mean.clone()
    model.train()
    model.objective(x[:50] + 3.0)
    assert not torch.equal(first.mean, before)  # training was followed
    model.eval()
    after = first.mean.clone()
    alone = torch.cat([model.log_likelihood(row[None]) for row in x[:4]])
    torch.testing.assert_close(model.log_likelihood(x)[:4], alone, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(model.log_likelihood(torch.cat([x[:4], 1e3 * x]))[:4], alone, rtol=1e-11, atol=1e-11)
    assert torch.equal(first.mean, after)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [1e30, -1e30, 1e10, 0.0])
def test_far_out_and_at_constants_scores_and_gradients_are_finite(kind: str, value: float) -> None:
    model = flow(kind, 3)
    with torch.no_grad():
        model.initialize(torch.full((20, 3), 5.0))  # constant columns, rows all the same
    x = torch.full((4, 3), value)
    x[1, 0] = 0.3
    score = model.log_likelihood(x)
    assert bool(torch.isfinite(score).all())
    if abs(value) < 1e30:  # there layers that stretch take z beyond float32; the density is 0, and has no slope
        parts = (score / (1.0 + score.detach().abs())).sum()
        gradients = torch.autograd.grad(parts, list(model.parameters()))
        assert all(bool(torch.isfinite(g).all()) for g in gradients)
    with torch.no_grad():
        assert bool(torch.isfinite(model.sample(10)).all())


@float64
@both_ways
def test_one_value_is_moved_by_biases_alone(kind: str) -> None:
    model = flow(kind, 1, layers=1)
    (step,) = steps(model)
    shift, raw = step.net.weights.out_bias.detach()
    x = torch.randn(10, 1)
    log_scale = LIMIT * torch.tanh(raw / LIMIT)
    if kind == "iaf":  # x = (z - shift) exp(-log_scale)
        shift, log_scale = -shift * torch.exp(-log_scale), -log_scale
    expected = normal_log_prob(x, shift, log_scale).sum(1)
    torch.testing.assert_close(model.log_prob(x), expected)


@float64
@both_ways
def test_a_context_moves_the_mean_of_a_linear_flow(kind: str) -> None:
    """Nothing steers but the context, so p(x|c) = N(A c, 1); for the inverse flow N(-A c, 1)."""
    model = KINDS[kind](Real((3,)), layers=1, hidden=(), context=Real((2,)))
    (step,) = steps(model)
    context_out = step.net.weights.context_out
    assert context_out is not None
    with torch.no_grad():
        context_out.weight.zero_()
        context_out.weight[:3] = torch.randn(3, 2)
    x, c = torch.randn(10, 3), torch.randn(10, 2)
    sign = 1.0 if kind == "maf" else -1.0
    expected = normal_log_prob(x, sign * c @ context_out.weight[:3].T).sum(1)
    torch.testing.assert_close(model.log_likelihood(x, c), expected)


def test_half_precision_stays_inside_the_nets() -> None:
    model, x = flow("maf", 5, 0.1), torch.randn(200, 5)
    exact = model.log_likelihood(x)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model.log_likelihood(x)
    assert rough.dtype == torch.float64
    assert not torch.equal(rough, exact)
    assert float((rough - exact).detach().abs().mean()) < 0.3


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="layers >= 1"):
        maf(Real((2,)), layers=0)
    with pytest.raises(UsageError, match="'natural' or 'random'"):
        iaf(Real((2,)), order="sorted")
    with pytest.raises(UsageError, match="'normal', 'mixture' or 'autoregressive'"):
        maf(Real((2,)), base="uniform")
    with pytest.raises(UsageError, match="Category data are"):
        maf(Category((4,), 3))
