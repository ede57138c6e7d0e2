"""Real NVP: identity at the start, every value moved, odd sizes, the scales of the paper."""

import math

import pytest
import torch

from cases import data
from loglik.bijections.coupling import Coupling, MaskedCoupling
from loglik.bijections.multiscale import FactorOut, Squeeze
from loglik.contract import Claim
from loglik.densities import StandardNormal, normal_log_prob
from loglik.errors import UsageError
from loglik.models.dequantized import Dequantized
from loglik.models.flow import Flow
from loglik.models.flows.realnvp import checkerboard, realnvp, realnvp_images
from loglik.ops import sum_event
from loglik.spaces import Category, Integer, Real

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("dims", [1, 2, 3, 7])
def test_a_new_flow_is_the_standard_normal(dims: int) -> None:
    space = Real((dims,))
    x = torch.randn(10, dims)
    flow = realnvp(space, layers=4, hidden=(8,))
    torch.testing.assert_close(flow.log_likelihood(x), StandardNormal(space).log_prob(x))


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4), (3, 8, 8), (2, 6, 4), (1, 3, 5), (1, 2, 2)])
def test_a_new_flow_of_images_is_the_standard_normal(shape: tuple[int, ...]) -> None:
    x = torch.randn(3, *shape)
    flow = realnvp_images(Real(shape), width=4, layers=1)
    torch.testing.assert_close(flow.log_likelihood(x), sum_event(normal_log_prob(x)))
    assert flow.sample(2).shape == (2, *shape)


def test_initialised_it_standardises_its_data() -> None:
    x = data(Real((3,))).double()
    flow = realnvp(Real((3,)), layers=4, hidden=(8,))
    with torch.no_grad():
        flow.initialize(x)
    assert isinstance(flow, Flow)
    z, _ = flow.noise(x)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3), atol=1e-9, rtol=0)


@pytest.mark.parametrize("dims", [2, 3, 7])
def test_each_pair_of_couplings_moves_every_value(dims: int) -> None:
    flow = realnvp(Real((dims,)), layers=6, hidden=(4,))
    halves = [set(part.moves.tolist()) for part in flow.modules() if isinstance(part, Coupling)]
    assert len(halves) == 6
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        assert first | second == set(range(dims))
        assert not first & second
        assert first
        assert second


def test_the_scales_of_the_paper() -> None:
    """3 checkerboards, squeeze, 3 channel masks, factor out; at the end 4 checkerboards."""
    flow = realnvp_images(Real((1, 8, 8)), width=4, layers=1)
    parts = (Coupling, MaskedCoupling, Squeeze, FactorOut)
    kinds = [type(part) for part in flow.modules() if isinstance(part, parts)]
    scale = [*[MaskedCoupling] * 3, Squeeze, *[Coupling] * 3, FactorOut]
    assert kinds == [*scale, *scale, *[MaskedCoupling] * 4]


def test_the_checkerboard() -> None:
    assert checkerboard(2, 3)[0].tolist() == [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


def test_through_the_logit_a_new_flow_is_a_logit_normal() -> None:
    space = Integer((2,), 5)
    model = realnvp(space, layers=2, hidden=(4,), rescale="logit")
    assert isinstance(model, Dequantized)
    assert model.claim is Claim.LOWER_BOUND
    y = 5.0 * torch.rand(20, 2)
    s = 0.05 + 0.9 * y / 5.0
    expected = normal_log_prob(torch.logit(s)) + math.log(0.9 / 5.0) - s.log() - (1.0 - s).log()
    torch.testing.assert_close(model.density.log_likelihood(y), expected.sum(1))


def test_through_the_marginals_it_starts_from_independent_histograms() -> None:
    space = Integer((3,), 6)
    x = data(space)
    model = realnvp(space, layers=4, hidden=(8,))
    with torch.no_grad():
        model.initialize(x)
        p = (torch.nn.functional.one_hot(x, 6).double().sum(0) + 0.1) / (len(x) + 0.6)
        expected = p.log().T.gather(0, x).sum(1)
        # ActNorm has standardised z, which is nearly standard already.
        assert abs(float((model.log_likelihood(x) - expected).mean())) < 0.05


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="'marginals', 'logit' or 'linear'"):
        realnvp(Integer((2,), 3), rescale="none")
    with pytest.raises(UsageError, match=r"\(H, W\) or \(C, H, W\)"):
        realnvp_images(Real((4,)))
    with pytest.raises(UsageError, match="Category data are"):
        realnvp(Category((4,), 3))
