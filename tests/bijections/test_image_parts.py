"""The 1 x 1 convolution, couplings of mixtures, masks and the nets of images: by the laws, and what each promises."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from loglik.bijections.choose import TRANSFORMS, transform_for
from loglik.bijections.convolution import InvertibleConvolution
from loglik.bijections.coupling import Coupling, MaskedCoupling
from loglik.bijections.elementwise import Logit
from loglik.bijections.logistic_mixture import LogisticMixture
from loglik.bijections.lu import LU, rotation
from loglik.bijections.masks import alternate, checkerboard
from loglik.contract import Bijection
from loglik.densities import StandardLogistic, StandardNormal, logistic_log_prob
from loglik.laws import Status, check
from loglik.models.flow import Flow
from loglik.nets.dense.mlp import MLP
from loglik.nets.images.convolutional import GivenImage, ResidualNet, ThreeConvolutions
from loglik.spaces import Real

pytestmark = pytest.mark.usefixtures("float64")
IMAGE = (3, 2, 3)


def convolution() -> InvertibleConvolution:
    return InvertibleConvolution(LU(rotation(3) + 0.1 * torch.randn(3, 3)))


def mixture_of_vectors() -> Coupling:
    transform = LogisticMixture(3)
    return Coupling(MLP(2, (8,), transform.params), transform, torch.tensor([True, False, True]))


def mixture_of_images() -> MaskedCoupling:
    transform = LogisticMixture(2)
    net = ThreeConvolutions(3, 4, 3 * transform.params)
    torch.nn.init.normal_(net.last.weight, std=0.1)
    return MaskedCoupling(net, transform, checkerboard(2, 3, 1))


TABLE: dict[str, tuple[Callable[[], Bijection], Callable[[], Tensor]]] = {
    "convolution": (convolution, lambda: torch.randn(20, *IMAGE)),
    "logit without margin": (lambda: Logit(0.0, 1.0, margin=0.0), lambda: torch.rand(20, 3)),
    "mixture coupling": (mixture_of_vectors, lambda: torch.randn(20, 3)),
    "mixture coupling of pixels": (mixture_of_images, lambda: torch.randn(20, *IMAGE)),
}


@pytest.mark.parametrize("name", TABLE)
def test_laws(name: str) -> None:
    bijection, events = (make() for make in TABLE[name])
    shape = tuple(bijection(events)[0].shape[1:])
    report = check(Flow(Real(tuple(events.shape[1:])), bijection, StandardNormal(Real(shape))), events)
    for law in ("inverse", "log-determinant", "events apart", "inputs unchanged"):
        assert report[law].status is Status.PASSED, report[law].detail


def test_masks_take_turns() -> None:
    assert alternate(5, 0).tolist() == [True, False, True, False, True]
    assert torch.equal(alternate(5, 1), ~alternate(5, 0))
    assert torch.equal(alternate(5, 2), alternate(5, 0))
    assert checkerboard(2, 3)[0].tolist() == [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    assert torch.equal(checkerboard(3, 3, 1), 1.0 - checkerboard(3, 3, 0))


def test_the_logistic_density() -> None:
    z = torch.linspace(-30.0, 30.0, 601)
    cdf = torch.sigmoid(z)
    torch.testing.assert_close(logistic_log_prob(z[200:400]), (cdf * (1.0 - cdf)).log()[200:400])
    assert float(torch.trapezoid(logistic_log_prob(z).exp(), z)) == pytest.approx(1.0, abs=1e-9)
    assert torch.isfinite(logistic_log_prob(torch.tensor([1e30, -1e30], dtype=torch.float32))).all()
    u = torch.sigmoid(StandardLogistic(Real((1,))).sample(50_000))
    assert float(u.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(u.var()) == pytest.approx(1.0 / 12.0, abs=0.002)


def test_transforms_by_name_begin_at_the_identity_or_near_it() -> None:
    x = torch.linspace(-2.0, 2.0, 9)
    for name in TRANSFORMS:
        transform = transform_for(name, 2)
        z, _ = transform(x, transform.identity().expand(9, -1))
        assert float((z - x).abs().max()) < (0.25 if name == "logistic-mixture" else 1e-12)


def test_nets_of_images_begin_where_they_are_told_and_read_the_image_they_are_given() -> None:
    for net in (ResidualNet(2, 4, 5, blocks=1, context=3), ThreeConvolutions(2, 4, 5, context=3)):
        net.start(torch.arange(5.0))
        out = net(torch.randn(2, 2, 3, 4), torch.randn(2, 3))
        torch.testing.assert_close(out, torch.arange(5.0)[None, :, None, None].expand(2, 5, 3, 4))
    net = GivenImage(ThreeConvolutions(2 + 3, 4, 5, context=1), (3, 3, 4))
    torch.nn.init.normal_(net.net.last.weight)
    x, image, c = torch.randn(2, 2, 3, 4), torch.randn(2, 3, 3, 4, requires_grad=True), torch.randn(2, 1)
    out = net(x, torch.cat([image.flatten(1), c], dim=1))
    (gradient,) = torch.autograd.grad(out[0, :, 0, 0].sum(), image)
    assert bool(gradient[0, :, :2, :2].any())
    assert not bool(gradient[1].any())  # of another event
    assert not bool(gradient[0, :, :, 3:].any())  # a pixel that two 3 x 3 layers do not reach is not read: in its place
    assert not torch.equal(out, net(x, torch.cat([image.flatten(1), c + 1.0], dim=1)))
