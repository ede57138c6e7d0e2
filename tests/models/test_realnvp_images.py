"""Real NVP on images: masks that alternate, scales, values that are all moved and none lost."""

import math

import pytest
import torch

import loglik
from cases import data
from loglik.bijections.coupling import Coupling, MaskedCoupling
from loglik.bijections.logistic_mixture import LogisticMixture
from loglik.bijections.multiscale import FactorOut, Squeeze
from loglik.densities import normal_log_prob
from loglik.errors import UsageError
from loglik.models.dequantized import Dequantized
from loglik.models.flow import Flow
from loglik.models.flows import realnvp as module
from loglik.models.flows.realnvp import realnvp_images
from loglik.nets.images.convolutional import ResidualNet
from loglik.ops import sum_event
from loglik.spaces import Integer, Real

pytestmark = pytest.mark.usefixtures("float64")


def passed_by_all(flow: torch.nn.Module) -> torch.Tensor:
    """(C, H, W): pixels that every checkerboard coupling of the first scale leaves where they are."""
    masks = [part.mask for part in flow.modules() if isinstance(part, MaskedCoupling)]
    return torch.stack([mask for mask in masks if mask.shape == masks[0].shape]).prod(0)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 3), (2, 3, 5)])
def test_checkerboards_alternate_so_that_every_pixel_is_moved(shape: tuple[int, ...]) -> None:
    flow = realnvp_images(Real(shape), width=2, layers=1)
    assert not passed_by_all(flow).any()
    masks = [part.mask for part in flow.modules() if isinstance(part, MaskedCoupling)]
    assert torch.equal(masks[0] + masks[1], torch.ones_like(masks[0]))


def test_a_parity_that_stays_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = module.checkerboard
    monkeypatch.setattr(module, "checkerboard", lambda height, width, layer: sound(height, width))
    assert passed_by_all(realnvp_images(Real((1, 8, 8)), width=2, layers=1)).any()


def test_halves_of_the_channels_alternate() -> None:
    flow = realnvp_images(Real((1, 8, 8)), width=2, layers=1, scales=2)
    moves = [part.moves.tolist() for part in flow.modules() if isinstance(part, Coupling)]
    assert moves == [[2, 3], [0, 1], [2, 3]]


def test_the_cifar_model_downscales_once_and_doubles_its_features() -> None:
    flow = realnvp_images(Real((3, 8, 8)), width=2, layers=8, scales=2)
    kinds = [type(part) for part in flow.modules() if isinstance(part, Coupling | MaskedCoupling | Squeeze | FactorOut)]
    assert kinds == [*[MaskedCoupling] * 3, Squeeze, *[Coupling] * 3, FactorOut, *[MaskedCoupling] * 4]
    nets = [part for part in flow.modules() if isinstance(part, ResidualNet)]
    assert [net.first.out_channels for net in nets] == [2] * 6 + [4] * 4
    assert all(len(net.blocks) == 8 for net in nets)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 4, 6), (2, 5, 4), (1, 1)])
def test_no_value_is_lost_on_the_way(shape: tuple[int, ...]) -> None:
    flow = realnvp_images(Real(shape), width=2, layers=1)
    assert isinstance(flow, Flow)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    x = torch.randn(3, *shape)
    z, log_det = flow.bijection(x)
    assert z.shape == (3, math.prod(shape))
    back, log_det_back = flow.bijection.inverse(z)
    torch.testing.assert_close(back, x, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(log_det_back, -log_det, rtol=1e-10, atol=1e-10)


def test_through_the_logit_a_new_flow_of_images_is_a_logit_normal() -> None:
    """The log-determinant of the preprocessing is all that there is besides N(0, I)."""
    model = realnvp_images(Integer((1, 4, 4), 256), width=2, layers=1, rescale="logit")
    assert isinstance(model, Dequantized)
    y = 256.0 * torch.rand(5, 1, 4, 4)
    s = 0.05 + 0.9 * y / 256.0
    expected = normal_log_prob(torch.logit(s)) + math.log(0.9 / 256.0) - s.log() - (1.0 - s).log()
    torch.testing.assert_close(model.density.log_likelihood(y), sum_event(expected))


def test_bits_per_dim_by_the_formula_of_the_literature() -> None:
    """8 - log2 p(logits) / D - log2(1 - 2 margin) + mean [log2 s + log2 (1 - s)], of a byte as a logit."""
    model = realnvp_images(Integer((1, 4, 4), 256), width=2, layers=1, rescale="logit")
    assert isinstance(model, Dequantized)
    y = 256.0 * torch.rand(5, 1, 4, 4)
    s = 0.05 + 0.9 * y / 256.0
    of_logits = sum_event(normal_log_prob(torch.logit(s)))
    bits = 8.0 - of_logits / (16 * math.log(2)) - math.log2(0.9) + (s.log2() + (1.0 - s).log2()).flatten(1).mean(1)
    torch.testing.assert_close(-model.density.log_likelihood(y) / (16 * math.log(2)), bits)


def test_transforms_and_learned_noise() -> None:
    model = realnvp_images(
        Integer((4, 4), 4),
        width=2,
        layers=1,
        transform="logistic-mixture",
        components=3,
        dequantization="variational",
    )
    assert isinstance(model, Dequantized)
    assert model.noise is not None
    couplings = [part for part in model.density.modules() if isinstance(part, Coupling | MaskedCoupling)]
    assert all(isinstance(part.transform, LogisticMixture) for part in couplings)
    loglik.fit(model, data(Integer((4, 4), 4), 40), steps=3)
    assert torch.isfinite(model(data(Integer((4, 4), 4), 8))).all()
    with pytest.raises(UsageError, match="'affine'"):
        realnvp_images(Real((4, 4)), transform="linear")


@pytest.mark.filterwarnings("ignore:Column .* is constant")
def test_far_values_constants_and_duplicates_have_finite_scores() -> None:
    x = data(Real((2, 4, 4)), 60).float()
    x[:, 0, 0, 0] = 7.0
    x[20:40] = x[0]
    model = realnvp_images(Real((2, 4, 4)), width=2, layers=1).float()
    loglik.fit(model, x, steps=10, lr=1e-2, evaluations=1)
    far = x[:5].clone()
    far[0], far[1], far[2, 1, 2, 3], far[3, 0, 0, 0], far[4] = 1e30, -1e30, 1e30, 1e12, 0.0
    with torch.no_grad():
        scores = model.log_likelihood(far)
    assert torch.isfinite(scores).all()
    assert bool((scores[:4] < -1e9).all())
