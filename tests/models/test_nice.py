"""NICE: volumes kept, halves that take turns, its prior, and units in which no range of the data can be mistaken."""

import math

import pytest
import torch
from torch import nn

import loglik
from cases import data
from loglik.bijections.compose import Chain
from loglik.bijections.coupling import Coupling
from loglik.bijections.elementwise import Standardize
from loglik.bijections.linear import ActNorm
from loglik.contract import Claim
from loglik.densities import StandardNormal, logistic_log_prob, normal_log_prob
from loglik.errors import UsageError
from loglik.models.dequantized import Dequantized
from loglik.models.flow import Flow
from loglik.models.flows.nice import additive_couplings, nice
from loglik.spaces import Category, Integer, Real

pytestmark = pytest.mark.usefixtures("float64")


def anywhere(module: nn.Module) -> nn.Module:
    """With weights that are no longer those of the start."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


@pytest.mark.parametrize("dims", [1, 2, 7])
def test_without_shifts_it_is_independent_logistics(dims: int) -> None:
    x = torch.randn(10, dims)
    torch.testing.assert_close(nice(Real((dims,)), hidden=(8,)).log_likelihood(x), logistic_log_prob(x).sum(1))
    normal = nice(Real((dims,)), hidden=(8,), prior="gaussian")
    torch.testing.assert_close(normal.log_likelihood(x), normal_log_prob(x).sum(1))


@pytest.mark.parametrize("dims", [1, 2, 5])
def test_couplings_keep_volumes_whatever_their_weights(dims: int) -> None:
    couplings = Chain(additive_couplings(dims, 4, (8, 8), 0.0, 0))
    anywhere(couplings)
    x = torch.randn(6, dims)
    z, log_det = couplings(x)
    assert not torch.equal(z, x)
    assert torch.equal(log_det, torch.zeros(6))
    jacobian = torch.stack([torch.autograd.functional.jacobian(lambda row: couplings(row[None])[0][0], r) for r in x])
    torch.testing.assert_close(jacobian.det(), torch.ones(6), rtol=1e-9, atol=1e-9)


def test_all_change_of_volume_is_that_of_the_scales() -> None:
    flow = nice(Real((5,)), hidden=(8, 8))
    assert isinstance(flow, Flow)
    anywhere(flow)
    scale = next(part for part in flow.modules() if isinstance(part, ActNorm))
    z, log_det = flow.bijection(x := torch.randn(4, 5))
    torch.testing.assert_close(log_det, -scale.log_scale.sum().expand(4))
    back, _ = flow.bijection.inverse(z)
    torch.testing.assert_close(back, x, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dims", [2, 3, 6])
def test_even_and_odd_places_take_turns(dims: int) -> None:
    flow = nice(Real((dims,)), hidden=(4,))
    moves = [part.moves.tolist() for part in flow.modules() if isinstance(part, Coupling)]
    even, odd = [*range(0, dims, 2)], [*range(1, dims, 2)]
    assert moves == [odd, even, odd, even]


def test_it_starts_from_the_scales_of_the_data() -> None:
    x = 100.0 * data(Real((3,))).double() + 7.0
    flow = nice(Real((3,)), hidden=(8,))
    with torch.no_grad():
        flow.initialize(x)
        assert isinstance(flow, Flow)
        z, _ = flow.noise(x)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3))


def test_bits_per_dim_do_not_depend_on_the_range_that_the_model_works_in() -> None:
    """Two models that work in [-1, 1) and in [0, 1): there their densities differ by one bit for each value.

    In bits/dim of bytes a density in [-1, 1) means 7 - log2 p / D, one in [0, 1) means 8 - log2 p / D. Both models say
    that number themselves, for they score the bytes.
    """
    y, bit = 256.0 * torch.rand(9, 6), 6 * math.log(2)
    scores, within = [], []
    for low, radius in ((128.0, 128.0), (0.0, 256.0)):
        torch.manual_seed(3)
        model = nice(Integer((6,), 256), hidden=(8,), rescale="linear")
        assert isinstance(model, Dequantized)
        assert isinstance(model.density, Flow)
        anywhere(model)
        rescale = model.density.rescale
        assert isinstance(rescale, Standardize)
        rescale.centre.fill_(low)
        rescale.scale.fill_(radius)
        scores.append(-model.density.log_likelihood(y) / bit)
        z, log_det = model.density.bijection((y - low) / radius)
        within.append(model.density.base.log_likelihood(z) + log_det)
    torch.testing.assert_close(scores[0], 7.0 - within[0] / bit)
    torch.testing.assert_close(scores[1], 8.0 - within[1] / bit)


def test_the_published_nats_are_the_published_bits() -> None:
    """5371.78 nats of CIFAR-10 in [-1, 1] are 4.48 bits/dim; 1980.50 of MNIST in [0, 1] are 4.36."""
    for nats, dims, radius, bits in ((5371.78, 3072, 128.0, 4.48), (1980.50, 784, 256.0, 4.36)):
        rescale = Standardize((dims,))
        rescale.scale.fill_(radius)
        of_bytes = nats + rescale(torch.zeros(1, dims))[1].item()
        assert -of_bytes / (dims * math.log(2)) == pytest.approx(bits, abs=0.005)


def test_integers_are_a_bound_and_images_are_flattened() -> None:
    model = nice(Integer((1, 3, 3), 4), hidden=(8,))
    assert model.claim is Claim.LOWER_BOUND
    assert model.sample(5).shape == (5, 1, 3, 3)
    normal = nice(Real((2, 2)), prior="gaussian")
    assert isinstance(normal, Flow)
    assert isinstance(normal.base, StandardNormal)


@pytest.mark.filterwarnings("ignore:Column .* is constant")
@pytest.mark.parametrize("prior", ["logistic", "gaussian"])
def test_far_values_constants_and_duplicates_have_finite_scores(prior: str) -> None:
    """In float32, where squares of 1e30 are not numbers any more."""
    x = data(Real((4,)), 200).float()
    x[:, 1] = 3.0
    x[50:100] = x[0]
    model = nice(Real((4,)), hidden=(8,), prior=prior).float()
    loglik.fit(model, x, steps=40, lr=1e-2, evaluations=1)
    far = x[:5].clone()
    far[0], far[1], far[2, 0], far[3, 3], far[4, 1] = 1e30, -1e30, 1e30, -1e12, 4.0
    with torch.no_grad():
        scores = model.log_likelihood(far)
    assert torch.isfinite(scores).all()
    assert bool((scores[:4] < -1e9).all())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="'logistic' or 'gaussian'; got 'cauchy'"):
        nice(Real((2,)), prior="cauchy")
    with pytest.raises(UsageError, match="layers >= 2"):
        nice(Real((2,)), layers=1)
    with pytest.raises(UsageError, match="Category data are"):
        nice(Category((4,), 3))
    with pytest.raises(UsageError, match="'marginals', 'logit' or 'linear'; got 'zca'"):
        nice(Integer((2,), 3), rescale="zca")
