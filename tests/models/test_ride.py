"""RIDE: the whitening is the exact Gaussian, the past is all that is above and to the left, colours are Y, Cb, Cr."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from loglik.bijections.colour import YCbCr
from loglik.contract import Claim, Model
from loglik.errors import UsageError
from loglik.laws.causality import visible
from loglik.laws.subject import any_events, varied
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.ride.model import Ride, ride
from loglik.models.autoregressive.ride.whitening import CausalWhitening
from loglik.spaces import Category, Integer, Real, Space

pytestmark = pytest.mark.usefixtures("float64")

SMALL = {"width": 5, "components": 3, "scales": 2, "features": 4}


def images(n: int, *shape: int) -> Tensor:
    """Correlated reals, with other places and scales for the channels."""
    noise = torch.randn(n, *shape, generator=torch.Generator().manual_seed(0))
    x = noise.cumsum(-1) + 0.5 * noise.cumsum(-2)
    return x + 0.7 * x.roll(1, 1) + 30.0 if len(shape) == 3 else 2.0 * x - 5.0


def started(model: Model, x: Tensor, seed: int = 0) -> Model:
    with torch.no_grad():
        torch.manual_seed(seed)
        model.initialize(x)
    return model


def part(model: Model) -> Ride:
    return next(module for module in model.modules() if isinstance(module, Ride))


@pytest.mark.parametrize(("shape", "kernel"), [((1, 3), 5), ((2, 3), 5), ((1, 1), 3), ((2, 2, 3), 5), ((3, 2, 2), 3)])
def test_where_windows_see_all_the_past_the_whitening_is_the_gaussian(shape: tuple[int, ...], kernel: int) -> None:
    """One expert that adds nothing to the linear prediction: the Gaussian of maximum likelihood, to the last digit."""
    x = images(400, *shape)
    model = started(ride(Real(shape), layers=0, kernel=kernel, components=1, scales=1, features=1), x)
    for name, parameter in model.named_parameters():
        assert "head" in name
        torch.nn.init.zeros_(parameter)
    flat = x.flatten(1)
    covariance = torch.cov(flat.T, correction=0).reshape(flat.shape[1], -1)
    gaussian = torch.distributions.MultivariateNormal(flat.mean(0), covariance)
    torch.testing.assert_close(model.log_likelihood(x), gaussian.log_prob(flat), atol=1e-8, rtol=0)


def test_what_is_left_is_white_and_uncorrelated_with_what_was_seen() -> None:
    y = images(800, 2, 6, 6).movedim(1, -1)
    whitening = CausalWhitening(6, 6, 2, 3)
    whitening.fit(y)
    seen, prediction = whitening(y)
    left = torch.einsum("hwij,bhwj->bhwi", whitening.scale[whitening.pattern], y - prediction)
    for pattern in range(len(whitening.outside)):
        at = whitening.pattern == pattern
        x, e = seen[:, at].flatten(0, 1), left[:, at].flatten(0, 1)
        inside = (1.0 - whitening.outside[pattern]).repeat_interleave(2)
        torch.testing.assert_close(x.T @ x / len(x), torch.diag(inside), atol=1e-8, rtol=0)
        torch.testing.assert_close(e.T @ e / len(e), torch.eye(2), atol=1e-8, rtol=0)
        torch.testing.assert_close(x.T @ e / len(x), torch.zeros(8, 2), atol=1e-8, rtol=0)
        torch.testing.assert_close(e.mean(0), torch.zeros(2), atol=1e-8, rtol=0)


@pytest.mark.parametrize("shape", [(5, 4), (3, 3, 4)])
def test_units_change_the_density_by_their_logarithm_and_nothing_else(shape: tuple[int, ...]) -> None:
    x = images(60, *shape)
    first, second = (started(ride(Real(shape), **SMALL), scaled, seed=1) for scaled in (x, 64.0 * x - 9.0))
    second.load_state_dict(
        {k: v for k, v in first.state_dict().items() if "whitening" not in k and "rescale" not in k}, strict=False
    )
    log_64 = x[0].numel() * torch.log(torch.tensor(64.0))
    torch.testing.assert_close(second.log_likelihood(64.0 * x - 9.0) + log_64, first.log_likelihood(x))


@pytest.mark.parametrize("constant", [0.0, 7.0])
def test_pixels_that_never_change(constant: float) -> None:
    x = images(50, 3, 4)
    x[:, 1, :2] = constant
    model = started(ride(Real((3, 4)), **SMALL), x)
    assert torch.isfinite(model.log_likelihood(x)).all()
    assert torch.isfinite(model.sample(3)).all()
    assert torch.isfinite(started(ride(Real((3, 4)), **SMALL), x[:1]).log_likelihood(x)).all()


def window(kernel: int, height: int, breadth: int) -> Tensor:
    """(H, W, H, W): whether pixel [i, j] has [a, b] in its causal neighbourhood."""
    reach = kernel // 2
    seen = torch.zeros(height, breadth, height, breadth, dtype=torch.bool)
    places = list(itertools.product(range(height), range(breadth)))
    for (i, j), (a, b) in itertools.product(places, places):
        seen[i, j, a, b] = (a, b) < (i, j) and i - a <= reach and abs(b - j) <= reach
    return seen


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_sees_the_windows_of_all_pixels_above_and_to_the_left(layers: int, kernel: int) -> None:
    space, height, breadth = Real((4, 7)), 4, 7
    model = ride(space, layers=layers, kernel=kernel, **SMALL)
    inner = next(module for module in varied(model, images(8, 4, 7), None, 0).modules() if isinstance(module, Ride))
    assert isinstance(inner.model, Autoregressive)
    expected = window(kernel, height, breadth)
    if layers:
        sums = expected.cumsum(0).cumsum(1)  # over k <= i, l <= j
        expected = sums > 0
    seen = visible(inner.model, any_events(space, 8, inner)).reshape(expected.shape)
    assert torch.equal(seen, expected)


def test_the_twelve_neighbours_of_the_paper() -> None:
    assert len(CausalWhitening(9, 9, 1, 5).offsets) == 12


def test_grey_has_no_colour_and_the_log_determinant_is_that_of_the_matrix() -> None:
    bijection = YCbCr()
    grey = torch.rand(4, 1, 2, 5).expand(4, 3, 2, 5)
    z, log_det = bijection(grey)
    torch.testing.assert_close(z[:, 0], grey[:, 0])
    torch.testing.assert_close(z[:, 1:], torch.zeros(4, 2, 2, 5))
    x = torch.rand(2, 3, 1, 2)
    jacobian = torch.autograd.functional.jacobian(lambda t: bijection(t)[0][0], x)[:, :, :, 0]
    expected = torch.linalg.slogdet(jacobian.reshape(6, 6)).logabsdet
    torch.testing.assert_close(bijection(x)[1], expected.expand(2))
    torch.testing.assert_close(bijection.inverse(bijection(x)[0])[0], x)
    torch.testing.assert_close(log_det, expected.expand(4) * 5)


def test_half_precision_stays_inside_the_recurrent_layers() -> None:
    x = images(20, 3, 4, 4).float()
    for layers in (0, 1):
        model = started(ride(Real((3, 4, 4)), layers=layers, **SMALL).float(), x)
        with torch.no_grad():
            exact = model.log_likelihood(x)
            with torch.autocast("cpu", torch.bfloat16):
                half = model.log_likelihood(x)
        torch.testing.assert_close(half, exact, atol=0.1 * layers, rtol=1e-6)
        assert torch.equal(half, exact) == (layers == 0)


def test_integers_get_a_bound_and_reals_a_density() -> None:
    assert ride(Integer((3, 3), 4)).claim is Claim.LOWER_BOUND
    assert ride(Real((3, 3))).claim is Claim.EXACT


def test_many_images_are_scored_in_parts() -> None:
    model = ride(Real((3, 4)), context=Real((2,)), **SMALL)
    inner, x, c = part(model), images(10, 3, 4), torch.randn(10, 2)
    with torch.no_grad():
        whole = model.log_likelihood(x, c)
        inner.images_at_once = 3
        torch.testing.assert_close(model.log_likelihood(x, c), whole)


@pytest.mark.parametrize(
    ("space", "wrong", "says"),
    [
        (Real((9,)), {}, "Use made for vectors"),
        (Category((3, 3), 4), {}, "is a density"),
        (Real((3, 3)), {"layers": -1}, "layers >= 0"),
        (Real((3, 3)), {"kernel": 4}, "odd kernel"),
        (Real((3, 3)), {"kernel": 1}, "at least 3"),
        (Real((3, 3)), {"width": 0}, "width of at least 1"),
        (Real((3, 3)), {"scales": 0}, "scales of at least 1"),
    ],
)
def test_what_cannot_be_is_refused(space: Space, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        ride(space, **wrong)
