"""PixelCNN++: all of the past within reach and nothing else, mass one, the authors' size, sampling pixel by pixel."""

import math

import pytest
import torch
from torch import Tensor

from loglik.errors import UsageError
from loglik.laws.causality import visible
from loglik.laws.enumeration import all_events
from loglik.laws.subject import any_events, varied
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.pixelcnnpp.model import most_resolutions, pixelcnnpp
from loglik.models.autoregressive.pixelcnnpp.net import GatedBlock, TwoStreams
from loglik.models.autoregressive.pixelcnnpp.regions import NextPixel
from loglik.nets.causal import Steps
from loglik.spaces import Category, Integer, Real, Space

pytestmark = pytest.mark.usefixtures("float64")

SMALL = {"width": 4, "layers": 1, "components": 2}
CLASSES = Category((1,), 3)


def disturbed(space: Space, context: Space | None = None, **hyperparameters: int) -> Autoregressive:
    model = pixelcnnpp(space, **SMALL | hyperparameters, context=context).eval()
    c = None if context is None else any_events(context, 4, model)
    model = varied(model, any_events(space, 4, model), c, seed=0)
    assert isinstance(model, Autoregressive)
    return model


def paths(model: Autoregressive) -> Tensor:
    """(S, S): [i, j] is whether the Jacobian of the outputs at site i is anything but 0 at site j, however small."""
    x = torch.randn(1, *model.by_site(any_events(model.space, 1, model)).shape[1:-1], model.head.inputs)
    x.requires_grad_()
    out = model.net(x).flatten(1, -2).squeeze(0)
    rows = [torch.autograd.grad(out[i].sum(), x, retain_graph=True)[0] for i in range(len(out))]
    return torch.stack(rows).flatten(1, -2).any(-1)


@pytest.mark.parametrize(
    ("shape", "resolutions"), [((6, 6), 1), ((3, 4, 5), 1), ((7, 5), 2), ((2, 5, 7), 3), ((8, 6), 3), ((1, 7), 2)]
)
def test_all_of_the_past_is_seen(shape: tuple[int, ...], resolutions: int) -> None:
    """No blind spot, also with sizes that strides of 2 do not divide."""
    seen = paths(disturbed(Integer(shape, 9), resolutions=resolutions))
    assert torch.equal(seen, torch.ones_like(seen).tril(-1))


def test_changed_values_are_seen_as_the_jacobian_says() -> None:
    model = disturbed(Integer((2, 3, 4), 5), resolutions=2)
    assert torch.equal(visible(model, any_events(model.space, 8, model)), paths(model))


@pytest.mark.parametrize("layers", [1, 2])
def test_the_reach_to_the_right_is_the_number_of_convolutions(layers: int) -> None:
    """One column for the first layer and for each of the 4 `layers` convolutions of the upper stream, row by row."""
    seen = paths(disturbed(Integer((3, 14), 9), resolutions=1, layers=layers)).reshape(3, 14, 3, 14)
    reach = 1 + 4 * layers
    for above in (1, 2):
        assert torch.nonzero(seen[2, 3, 2 - above]).max() == 3 + reach


@pytest.mark.parametrize(
    ("space", "resolutions", "events"),
    [
        (Integer((3, 3), 2), 1, 512),
        (Integer((1, 3, 3), 2), 2, 512),
        (Integer((3, 1, 2), 3), 1, 729),
        (Integer((3, 2, 1), 3), 2, 729),
        (Integer((2, 2), 7), 2, 2401),
        (Integer((1, 1), 300), 1, 300),
    ],
    ids=str,
)
def test_sums_to_one(space: Space, resolutions: int, events: int) -> None:
    model = disturbed(space, resolutions=resolutions)
    x = all_events(model)
    assert len(x) == events
    with torch.no_grad():
        assert float(model.log_prob(x).exp().sum()) == pytest.approx(1.0, abs=1e-12)


def taught(steps: Steps, encoded: Tensor) -> Tensor:
    """(n, S, params): the outputs of steps that are fed with the true values."""
    previous = [None, *encoded.unbind(1)[:-1]]
    return torch.stack([steps(value) for value in previous], dim=1)


@pytest.mark.parametrize(
    ("shape", "resolutions", "context"),
    [((3, 5, 7), 3, None), ((4, 4), 2, CLASSES), ((2, 5, 2), 3, None), ((3, 2), 1, CLASSES), ((1, 5), 2, None)],
    ids=str,
)
def test_pixel_by_pixel_is_one_pass(shape: tuple[int, ...], resolutions: int, context: Space | None) -> None:
    model = disturbed(Integer(shape, 256), context, resolutions=resolutions, layers=2)
    x = any_events(model.space, 2, model)
    c = None if context is None else any_events(context, 2, model)
    encoded = model.head.encode(model.by_site(x), model.dtype).flatten(1, -2)
    with torch.no_grad():
        whole = model.conditionals(x, c).flatten(1, -2)
    torch.testing.assert_close(taught(model.steps(2, c), encoded), whole, rtol=0.0, atol=1e-10)


def test_samples_are_those_of_whole_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = disturbed(Integer((3, 4, 5), 20), resolutions=2)
    torch.manual_seed(3)
    ours = model.sample(4)
    monkeypatch.setattr(TwoStreams, "steps", lambda *_: None)
    torch.manual_seed(3)
    assert torch.equal(model.sample(4), ours)
    torch.manual_seed(4)
    assert not torch.equal(model.sample(4), ours)


def test_every_feature_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block at half the resolution works at every fourth pixel only."""
    model = disturbed(Integer((6, 6), 4), resolutions=2)
    assert isinstance(model.net, TwoStreams)
    places: dict[GatedBlock, int] = {}
    sound = GatedBlock.forward

    def counted(self: GatedBlock, h: Tensor, beside: Tensor | None, region: object) -> Tensor:
        if isinstance(region, NextPixel):
            places[self] = places.get(self, 0) + 1
        return sound(self, h, beside, region)  # type: ignore[arg-type]

    monkeypatch.setattr(GatedBlock, "forward", counted)
    model.sample(2)
    inner = model.net.left.inner
    assert inner is not None
    assert {places[b] for b in [*model.net.left.down, *model.net.left.up]} == {36}  # type: ignore[index]
    assert {places[b] for b in [*inner.down, *inner.up]} == {9}  # type: ignore[index]


def test_the_size_of_the_authors_model() -> None:
    """2092 F^2 weights and what is linear in F: 53.6 million with F = 160 features, 5 blocks, 3 resolutions."""
    counts = []
    for width in (16, 32, 48):
        model = pixelcnnpp(Integer((3, 32, 32), 256), layers=5, width=width)
        assert model.head.params == 100
        counts.append(sum(p.numel() for p in model.net.parameters()))
    assert counts[0] - 2 * counts[1] + counts[2] == 2 * 2092 * 16**2


def test_it_begins_at_the_marginal_of_all_pixels() -> None:
    """Also where single pixels are constant: scales are of the picture's values, not of each pixel's few."""
    x = torch.cat([torch.zeros(8, 6, 3), torch.randint(40, 60, (8, 6, 3))], dim=2).long()
    model = pixelcnnpp(Integer((6, 6), 64), **SMALL)
    model.initialize(x)
    with torch.no_grad():
        assert float(model.log_prob(x).mean()) / 36 > -0.5 * math.log(20.0) - math.log(2.0) - 0.2


@pytest.mark.parametrize(
    ("shape", "resolutions"), [((3, 32, 32), 3), ((28, 28), 3), ((8, 8), 2), ((7, 9), 2), ((3, 3), 1), ((1, 2), 1)]
)
def test_resolutions_follow_from_the_size(shape: tuple[int, ...], resolutions: int) -> None:
    net = pixelcnnpp(Integer(shape, 4), width=4, layers=1).net
    assert isinstance(net, TwoStreams)
    assert net.resolutions == resolutions
    assert [most_resolutions(side, 1) for side in (1, 2, 3, 8, 9)] == [1, 2, 3, 4, 5]


def test_half_precision_leaves_the_last_product_alone() -> None:
    """Means are told apart by less than bfloat16 can say."""
    model = disturbed(Integer((4, 4), 65_536)).float()
    x = any_events(model.space, 2, model)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        params = model.conditionals(x)
    assert params.dtype == torch.float32
    assert not torch.equal(params, params.bfloat16().float())


@pytest.mark.parametrize(
    ("space", "wrong", "says"),
    [
        (Integer((9,), 2), {}, "Use pixelcnn for labels and reals, made for vectors"),
        (Category((4, 4), 3), {}, "ordered levels"),
        (Real((4, 4)), {}, "ordered levels"),
        (Integer((4, 4), 2), {"width": 0}, "width >= 1"),
        (Integer((4, 4), 2), {"layers": 0}, "layers >= 1"),
        (Integer((4, 4), 2), {"components": 0}, "components >= 1"),
        (Integer((4, 4), 2), {"resolutions": 4}, "1 to 3 resolutions for 4 x 4 pixels; got 4"),
    ],
)
def test_what_cannot_be_is_refused(space: Space, wrong: dict[str, int], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        pixelcnnpp(space, **wrong)
