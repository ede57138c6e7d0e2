"""Glow: where it begins, its scales and steps, sizes that cannot be squeezed, and what is left behind."""

import pytest
import torch
from torch import nn

import loglik
from cases import data
from loglik.bijections.convolution import InvertibleConvolution
from loglik.bijections.coupling import Coupling, MaskedCoupling
from loglik.bijections.linear import ActNorm
from loglik.bijections.logistic_mixture import LogisticMixture
from loglik.bijections.multiscale import FactorOut, Squeeze
from loglik.densities import normal_log_prob
from loglik.errors import UsageError
from loglik.models.flow import Flow
from loglik.models.flows.glow import glow
from loglik.ops import sum_event
from loglik.spaces import Category, Integer, Real

pytestmark = pytest.mark.usefixtures("float64")
KINDS = (ActNorm, InvertibleConvolution, Coupling, MaskedCoupling, Squeeze, FactorOut)


def kinds(model: nn.Module) -> list[type[nn.Module]]:
    return [type(part) for part in model.modules() if isinstance(part, KINDS)]


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4), (3, 8, 8), (2, 6, 4), (1, 3, 5), (3, 5, 1), (1, 2, 2), (2, 1, 1)])
def test_a_new_flow_is_the_standard_normal(shape: tuple[int, ...]) -> None:
    """Rotations keep lengths, and couplings begin at the identity; and no value is lost on the way."""
    x = torch.randn(3, *shape)
    flow = glow(Real(shape), width=4, layers=2)
    torch.testing.assert_close(flow.log_likelihood(x), sum_event(normal_log_prob(x)))
    assert isinstance(flow, Flow)
    z, _ = flow.bijection(x)
    assert z.shape == (3, x[0].numel())
    torch.testing.assert_close(flow.bijection.inverse(z)[0], x, rtol=1e-10, atol=1e-10)
    assert flow.sample(2).shape == (2, *shape)


def test_the_steps_of_the_paper() -> None:
    """Squeeze, K steps, a prior for what is left behind; at the last scale there is nothing to leave behind."""
    step = [ActNorm, InvertibleConvolution, Coupling]
    flow = glow(Real((3, 8, 8)), width=4, layers=2, scales=2)
    assert kinds(flow) == [Squeeze, *step, *step, Coupling, FactorOut, Squeeze, *step, *step]
    plain = glow(Real((3, 8, 8)), width=4, layers=2, scales=2, learned_prior=False)
    assert kinds(plain) == [Squeeze, *step, *step, FactorOut, Squeeze, *step, *step]
    assert kinds(glow(Real((3, 8, 8)), width=4, layers=1)).count(Squeeze) == 3
    assert kinds(glow(Real((1, 28, 28)), width=4, layers=1)).count(Squeeze) == 2


def test_one_channel_that_cannot_be_squeezed_has_checkerboards_that_alternate() -> None:
    flow = glow(Real((3, 3)), width=4, layers=3)
    assert kinds(flow) == [ActNorm, MaskedCoupling] * 3
    masks = [part.mask for part in flow.modules() if isinstance(part, MaskedCoupling)]
    assert torch.equal(masks[0] + masks[1], torch.ones(1, 3, 3))
    assert torch.equal(masks[0], masks[2])


def test_initialised_it_standardises_its_data() -> None:
    """ActNorm gives every channel the variance 1, and rotations keep the sum of squares."""
    x = data(Real((2, 4, 4))).double()
    flow = glow(Real((2, 4, 4)), width=4, layers=2, scales=1)
    with torch.no_grad():
        flow.initialize(x)
        assert isinstance(flow, Flow)
        z, _ = flow.noise(x)
    assert float(z.square().mean()) == pytest.approx(1.0, abs=1e-9)


def test_the_learned_prior_moves_what_stays_and_leaves_what_goes_on() -> None:
    flow = glow(Real((1, 4, 4)), width=4, layers=1, scales=2)
    steps = [part for part in flow.modules() if isinstance(part, Coupling)]
    prior = steps[1]  # after the only step of the first scale
    assert prior.moves.tolist() == [0, 1]
    assert prior.passes.tolist() == [2, 3]
    assert next(part for part in flow.modules() if isinstance(part, FactorOut)).kept == 2


def test_a_convolution_is_the_same_matrix_at_every_pixel() -> None:
    flow = glow(Real((3, 4, 4)), width=4, layers=1)
    mixing = next(part for part in flow.modules() if isinstance(part, InvertibleConvolution))
    x = torch.randn(2, 12, 3, 5)
    z, log_det = mixing(x)
    W = mixing.weight.matrix()
    torch.testing.assert_close(z, torch.einsum("ij,bjhw->bihw", W, x))
    torch.testing.assert_close(log_det, (15 * torch.linalg.slogdet(W).logabsdet).expand(2))


def test_mixtures_of_logistics_steer_where_they_are_asked_for() -> None:
    flow = glow(Real((1, 4, 4)), width=4, layers=1, transform="logistic-mixture", components=5, learned_prior=False)
    found = [part.transform for part in flow.modules() if isinstance(part, Coupling)]
    assert found
    assert all(isinstance(transform, LogisticMixture) and transform.components == 5 for transform in found)


@pytest.mark.filterwarnings("ignore:Column .* is constant")
@pytest.mark.parametrize("transform", ["affine", "logistic-mixture"])
def test_far_values_and_constants_have_finite_scores(transform: str) -> None:
    """In float32, where squares of 1e30, and mixtures of them, are not numbers any more."""
    x = data(Real((2, 4, 4)), 100).float()
    x[:, 0, 0, 0] = 7.0
    x[30:60] = x[0]
    model = glow(Real((2, 4, 4)), width=4, layers=3, transform=transform, components=3).float()
    loglik.fit(model, x, steps=15, lr=1e-2, evaluations=1)
    far = x[:5].clone()
    far[0], far[1], far[2, 1, 2, 3], far[3, 0, 0, 0], far[4] = 1e30, -1e30, 1e30, 1e12, 0.0
    with torch.no_grad():
        scores = model.log_likelihood(far)
    assert torch.isfinite(scores).all()
    assert bool((scores[:4] < -1e9).all())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\(H, W\) or \(C, H, W\); got Real\(4,\)"):
        glow(Real((4,)))
    with pytest.raises(UsageError, match="'additive', 'affine', 'logistic-mixture'; got 'cubic'"):
        glow(Real((4, 4)), transform="cubic")
    with pytest.raises(UsageError, match="scales >= 1; got 8 and 0"):
        glow(Real((4, 4)), scales=0)
    with pytest.raises(UsageError, match="'uniform' or 'variational'; got 'none'"):
        glow(Integer((4, 4), 4), dequantization="none")
    with pytest.raises(UsageError, match="Category data are"):
        glow(Category((4, 4), 3))
