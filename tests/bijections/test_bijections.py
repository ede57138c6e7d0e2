"""Every bijection by the laws, then what each one promises besides."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cases import data
from loglik.bijections.affine import Additive, Affine
from loglik.bijections.autoregressive import MaskedAutoregressive
from loglik.bijections.compose import Chain, Inverse, Reshape
from loglik.bijections.coupling import Coupling, MaskedCoupling
from loglik.bijections.elementwise import Gaussianize, Logit, Standardize
from loglik.bijections.linear import ActNorm
from loglik.bijections.multiscale import FactorOut, Squeeze
from loglik.bijections.transform import Transform
from loglik.contract import Bijection
from loglik.densities import StandardNormal, normal_log_prob
from loglik.laws import Status, check
from loglik.models.flow import Flow
from loglik.nets.dense.mlp import MLP
from loglik.nets.images.convolutional import ResidualNet
from loglik.nets.masked.degrees import spread
from loglik.nets.masked.net import masked_net
from loglik.spaces import Integer, Real

pytestmark = pytest.mark.usefixtures("float64")
IMAGE = (2, 4, 4)
LEVELS = Integer((3,), 5)


def coupling(*passed: bool) -> Coupling:
    seen = sum(passed)
    return Coupling(MLP(seen, (8,), 2 * (len(passed) - seen)), Affine(), torch.tensor(passed))


def masked_coupling(mask: Tensor) -> MaskedCoupling:
    return MaskedCoupling(MLP(len(mask), (8,), 2 * len(mask)), Affine(), mask)


def autoregressive(dims: int, transform: Transform, *hidden: int) -> MaskedAutoregressive:
    net = masked_net(spread(torch.randperm(dims), hidden), transform.params)
    bijection = MaskedAutoregressive(net, transform)
    for parameter in bijection.parameters():
        nn.init.normal_(parameter, std=0.3)
    return bijection


def standardize() -> Standardize:
    bijection = Standardize((3,))
    bijection.initialize(data(Real((3,))))
    return bijection


def gaussianize() -> Gaussianize:
    bijection = Gaussianize(LEVELS)
    bijection.initialize(data(LEVELS) + 0.5)
    return bijection


def convolutions(inputs: int, outputs: int) -> ResidualNet:
    net = ResidualNet(inputs, 4, outputs, blocks=1)
    nn.init.normal_(net.last.weight, std=0.1)
    return net


def inside(shape: tuple[int, ...]) -> Tensor:
    return 5.0 * torch.rand(20, *shape)


TABLE: dict[str, tuple[Callable[[], Bijection], Callable[[], Tensor]]] = {
    "standardize": (standardize, lambda: torch.randn(20, 3)),
    "logit": (lambda: Logit(0.0, 5.0), lambda: inside((3,))),
    "logit, almost no margin": (lambda: Logit(0.0, 5.0, margin=1e-3), lambda: inside((3,))),
    "gaussianize": (gaussianize, lambda: inside((3,))),
    "actnorm of a vector": (lambda: ActNorm((3,)), lambda: torch.randn(20, 3)),
    "actnorm of an image": (lambda: ActNorm(IMAGE), lambda: torch.randn(20, *IMAGE)),
    "coupling": (lambda: coupling(True, False, True), lambda: torch.randn(20, 3)),
    "additive coupling": (
        lambda: Coupling(MLP(2, (8,), 1), Additive(), torch.tensor([True, False, True])),
        lambda: torch.randn(20, 3),
    ),
    "coupling of channels": (
        lambda: Coupling(convolutions(1, 2), Affine(), torch.tensor([False, True])),
        lambda: torch.randn(20, *IMAGE),
    ),
    "masked coupling": (lambda: masked_coupling(torch.tensor([1.0, 0.0, 1.0])), lambda: torch.randn(20, 3)),
    "coupling that passes nothing": (lambda: masked_coupling(torch.zeros(1)), lambda: torch.randn(20, 1)),
    "masked coupling of an image": (
        lambda: MaskedCoupling(convolutions(2, 4), Affine(), torch.eye(4)[None]),
        lambda: torch.randn(20, *IMAGE),
    ),
    "autoregressive": (lambda: autoregressive(5, Affine(), 7, 9), lambda: torch.randn(20, 5)),
    "autoregressive and additive": (lambda: autoregressive(3, Additive(), 8), lambda: torch.randn(20, 3)),
    "autoregressive, no hidden layers": (lambda: autoregressive(4, Affine()), lambda: torch.randn(20, 4)),
    "autoregressive, narrower than the event": (lambda: autoregressive(7, Affine(), 3, 2), lambda: torch.randn(20, 7)),
    "autoregressive of two values": (lambda: autoregressive(2, Affine(), 4), lambda: torch.randn(20, 2)),
    "autoregressive of one value": (lambda: autoregressive(1, Affine(), 4), lambda: torch.randn(20, 1)),
    "inverse autoregressive": (lambda: Inverse(autoregressive(5, Affine(), 7)), lambda: torch.randn(20, 5)),
    "squeeze": (Squeeze, lambda: torch.randn(20, *IMAGE)),
    "factor out": (
        lambda: FactorOut(IMAGE, Chain([ActNorm((1, 4, 4)), Reshape((1, 4, 4), (16,))])),
        lambda: torch.randn(20, *IMAGE),
    ),
    "chain": (lambda: Chain([standardize(), coupling(True, False, False)]), lambda: torch.randn(20, 3)),
    "inverse": (lambda: Inverse(Logit(0.0, 5.0)), lambda: torch.randn(20, 3)),
}


@pytest.mark.parametrize("name", TABLE)
def test_laws(name: str) -> None:
    bijection, events = (make() for make in TABLE[name])
    shape = tuple(bijection(events)[0].shape[1:])
    report = check(Flow(Real(tuple(events.shape[1:])), bijection, StandardNormal(Real(shape))), events)
    for law in ("inverse", "log-determinant", "events apart", "inputs unchanged"):
        assert report[law].status is Status.PASSED, report[law].detail


def test_standardize_measures_its_data() -> None:
    x = data(Real((3,))).double() * 100 + 1e5
    z = Standardize((3,)).initialize(x)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3), atol=1e-9, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_standardize_leaves_a_constant_column_its_scale(value: float) -> None:
    bijection = Standardize((1,))
    z = bijection.initialize(torch.full((50, 1), value))
    assert float(bijection.scale) == 1.0
    assert float(z.abs().max()) < 1e-9


def test_logit_is_finite_at_both_ends() -> None:
    z, log_det = Logit(0.0, 256.0)(torch.tensor([[0.0], [256.0]]))
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_det).all()
    assert float(z.sum()) == pytest.approx(0.0, abs=1e-12)


def test_gaussianize_before_any_data_is_uniform() -> None:
    """p(x) = levels^-D at every x, whatever the noise within a level."""
    z, log_det = Gaussianize(LEVELS)(inside((3,)))
    expected = torch.full((20,), -3 * torch.log(torch.tensor(5.0)).item())
    torch.testing.assert_close(normal_log_prob(z).sum(1) + log_det, expected, rtol=1e-12, atol=1e-12)


def test_gaussianize_makes_margins_normal() -> None:
    x = data(LEVELS, 4_000) + torch.rand(4_000, 3)
    z = Gaussianize(LEVELS).initialize(x)
    assert float(z.mean(0).abs().max()) < 0.05
    assert float((z.std(0) - 1.0).abs().max()) < 0.05
    assert float(((z.abs() < 1.0).double().mean(0) - 0.6827).abs().max()) < 0.03


def test_gaussianize_survives_levels_never_seen() -> None:
    bijection = Gaussianize(Integer((1,), 256), smoothing=0.1)
    bijection.initialize(torch.full((100, 1), 7.5))
    z, log_det = bijection(torch.tensor([[0.0], [7.0], [255.9], [300.0], [-3.0]]))
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_det).all()
    assert bool((z.abs() < 7.1).all())


def test_actnorm_starts_with_channels_of_unit_variance() -> None:
    x = 3.0 * torch.randn(64, *IMAGE) + torch.tensor([5.0, -2.0]).reshape(2, 1, 1)
    z = ActNorm(IMAGE).initialize(x)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(2), atol=1e-12, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3), correction=0), torch.ones(2), atol=1e-12, rtol=0)
    assert torch.isfinite(ActNorm((2,)).initialize(torch.ones(1, 2))).all()


def test_squeeze_makes_blocks_channels() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    z, _ = Squeeze()(x)
    assert z.shape == (1, 4, 2, 2)
    assert z[0, :, 0, 0].tolist() == [0.0, 1.0, 4.0, 5.0]
    assert torch.equal(Squeeze().inverse(z)[0], x)


def test_factor_out_sends_only_the_rest_deeper() -> None:
    class Doubling(Bijection):
        def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return 2.0 * x.flatten(1), x.new_full((len(x),), 16 * torch.log(torch.tensor(2.0)).item())

        def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
            return 0.5 * z.reshape(-1, 1, 4, 4), z.new_full((len(z),), -16 * torch.log(torch.tensor(2.0)).item())

    x = torch.randn(3, *IMAGE)
    z, _ = FactorOut(IMAGE, Doubling())(x)
    assert torch.equal(z[:, :16], x[:, 0].flatten(1))
    assert torch.equal(z[:, 16:], 2.0 * x[:, 1].flatten(1))


@pytest.mark.parametrize(
    "make", [lambda: coupling(True, False, True), lambda: masked_coupling(torch.eye(3)[0::2].sum(0))]
)
def test_coupling_passes_what_the_mask_keeps(make: Callable[[], Bijection]) -> None:
    x = torch.randn(5, 3)
    z, _ = make()(x)
    assert torch.equal(z[:, [0, 2]], x[:, [0, 2]])
    assert not torch.equal(z[:, 1], x[:, 1])


def test_coupling_is_the_identity_while_its_net_says_zero() -> None:
    net = MLP(1, (8,), 4, zero_last=True)
    x = torch.randn(5, 3)
    z, log_det = Coupling(net, Affine(), torch.tensor([True, False, False]))(x)
    assert torch.equal(z, x)
    assert not bool(log_det.any())


def test_a_chain_initialises_each_part_on_what_the_one_before_gives() -> None:
    parts = [Standardize((3,)), ActNorm((3,))]
    x = data(Real((3,))).double()
    Chain(parts).initialize(x)
    torch.testing.assert_close(parts[1].shift, nn.Parameter(torch.zeros(3)), atol=1e-9, rtol=0)
