"""Neural spline flows: the normal at the start, every value moved, finite far out, passes counted, and near a truth."""

from collections.abc import Callable

import pytest
import torch

from cases import Case, data
from loglik import build, evaluate, fit
from loglik.bijections.autoregressive import MaskedAutoregressive
from loglik.bijections.coupling import Coupling
from loglik.contract import Model
from loglik.data.synthetic.toys import TOYS, load_toy
from loglik.densities import StandardNormal
from loglik.errors import UsageError
from loglik.models.flows.nsf import nsf, nsf_coupling
from loglik.nets.masked.net import MaskedMLP
from loglik.spaces import Category, Real

KINDS: dict[str, Callable[..., Model]] = {"nsf": nsf, "nsf-coupling": nsf_coupling}
both_kinds = pytest.mark.parametrize("kind", KINDS)


def flow(kind: str, dims: int, layers: int = 3) -> Model:
    return KINDS[kind](Real((dims,)), layers=layers, hidden=(8,), bins=5)


def moved(model: Model) -> Model:
    """Away from the identity, as training leaves it."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.mark.usefixtures("float64")
@both_kinds
@pytest.mark.parametrize("dims", [1, 2, 3, 7])
def test_a_new_flow_is_the_standard_normal(kind: str, dims: int) -> None:
    x = 2.0 * torch.randn(50, dims)
    torch.testing.assert_close(flow(kind, dims).log_likelihood(x), StandardNormal(Real((dims,))).log_prob(x))


@both_kinds
def test_initialised_it_standardises_its_data(kind: str) -> None:
    x = data(Real((3,)))
    model = flow(kind, 3)
    with torch.no_grad():
        model.initialize(x)
        z, _ = model.noise(x)  # type: ignore[operator]
    assert float(z.mean(0).abs().max()) < 0.02
    assert float((z.std(0, correction=0) - 1.0).abs().max()) < 0.02


def test_every_second_layer_goes_from_the_last_value_to_the_first() -> None:
    steps = [part for part in flow("nsf", 3, layers=4).modules() if isinstance(part, MaskedAutoregressive)]
    assert [step.net.degrees.order.tolist() for step in steps] == [[0, 1, 2], [2, 1, 0]] * 2


@pytest.mark.parametrize("dims", [2, 3, 7])
def test_each_pair_of_couplings_moves_every_value(dims: int) -> None:
    steps = [part for part in flow("nsf-coupling", dims, layers=6).modules() if isinstance(part, Coupling)]
    assert len(steps) == 6
    for first, second in zip(steps[::2], steps[1::2], strict=True):
        assert sorted([*first.moves.tolist(), *second.moves.tolist()]) == list(range(dims))


@both_kinds
@pytest.mark.parametrize("value", [1e30, -1e30, 0.0])
def test_far_out_and_at_constants_scores_and_gradients_are_finite(kind: str, value: float) -> None:
    model = moved(flow(kind, 3))
    with torch.no_grad():
        model.initialize(torch.full((20, 3), 5.0))  # constant columns
    x = torch.full((4, 3), value)
    x[1, 0] = 0.3
    score = model.log_likelihood(x)
    assert bool(torch.isfinite(score).all())
    gradients = torch.autograd.grad(score.sum() / (1.0 + score.detach().abs().sum()), list(model.parameters()))
    assert all(bool(torch.isfinite(g).all()) for g in gradients)


@both_kinds
def test_there_and_back_in_float32(kind: str) -> None:
    """After some training. Splines may be steep, and an error in one value moves those after it."""
    space = Real((7,))
    model = Case(kind, space, {"layers": 3, "hidden": (16,)}).model()
    with torch.no_grad():
        y = model.rescale(data(space))[0].float()  # type: ignore[operator]
        z, log_det = model.bijection(y)  # type: ignore[operator]
        back, log_det_back = model.bijection.inverse(z)  # type: ignore[operator, union-attr]
    torch.testing.assert_close(back, y, rtol=0, atol=1e-4)
    torch.testing.assert_close(log_det_back, -log_det, rtol=0, atol=1e-3)


def test_scoring_takes_one_pass_of_each_net_and_sampling_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler of D passes would be right, and D times slower."""
    passes = []
    sound = MaskedMLP.of_flat
    monkeypatch.setattr(MaskedMLP, "of_flat", lambda net, *rest: passes.append(1) or sound(net, *rest))
    model = flow("nsf", 7)
    with torch.no_grad():
        model.log_likelihood(torch.randn(5, 7))
        assert len(passes) == 3
        model.sample(5)
    assert len(passes) == 3


@both_kinds
def test_half_precision_stays_inside_the_nets(kind: str) -> None:
    model = moved(flow(kind, 5))
    x = torch.randn(200, 5)
    exact = model.log_likelihood(x)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model.log_likelihood(x)
    assert rough.dtype == torch.float64
    assert not torch.equal(rough, exact)
    assert float((rough - exact).detach().abs().mean()) < 0.3


@both_kinds
def test_a_short_training_comes_near_a_known_density(kind: str) -> None:
    moons, space = load_toy("moons"), Real((2,))
    truth = float(TOYS["moons"][0]().log_density(moons.test.x).mean())
    gaussian, model = build("gaussian", space), build(kind, space, layers=3, hidden=(32,))
    fit(gaussian, moons.train)
    fit(model, moons.train, steps=120, batch=256, lr=2e-2)
    assert truth - evaluate(gaussian, moons.test).nats > 0.4
    assert -0.02 < truth - evaluate(model, moons.test).nats < 0.15


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="2 to 200 bins"):
        nsf(Real((2,)), bins=1)
    with pytest.raises(UsageError, match="Category data are"):
        nsf_coupling(Category((4,), 3))
