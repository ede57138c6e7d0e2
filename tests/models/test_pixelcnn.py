"""PixelCNN: nothing ahead, the receptive field that its kernels predict with the known blind spot, colours in order."""

import pytest
import torch
from torch import Tensor

from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.laws.causality import visible
from loglik.laws.enumeration import all_events
from loglik.laws.subject import any_events, varied
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.pixelcnn import pixelcnn
from loglik.models.autoregressive.raster import first_kernel, raster_order
from loglik.nets.causal import WholePasses
from loglik.spaces import Category, Integer, Real, Space

pytestmark = pytest.mark.usefixtures("float64")


def disturbed(space: Space, **hyperparameters: float) -> Autoregressive:
    model = varied(pixelcnn(space, **hyperparameters), torch.zeros(4, *space.shape).long(), None, seed=0)
    assert isinstance(model, Autoregressive)
    return model


def field(kernel: int, layers: int, reach: int) -> Tensor:
    """(2 reach + 1, 2 reach + 1): offsets seen through a first kernel with mask A and `layers` 3 x 3 kernels, mask B.

    The Minkowski sum of the kernels' supports, the pixel itself in the middle.
    """
    size = 2 * reach + 1
    seen = torch.zeros(size, size, dtype=torch.bool)
    half = kernel // 2
    seen[reach - half : reach, reach - half : reach + half + 1] = True
    seen[reach, reach - half : reach] = True
    for _ in range(layers):
        before, seen = seen, seen.clone()
        for down, right in [(-1, -1), (-1, 0), (-1, 1), (0, -1)]:
            seen |= torch.roll(before, (down, right), (0, 1))
    return seen


@pytest.mark.parametrize(("kernel", "layers", "side"), [(3, 0, 6), (3, 1, 7), (5, 1, 8), (7, 0, 9), (3, 3, 9)])
def test_the_receptive_field_is_the_sum_of_the_kernels(kernel: int, layers: int, side: int) -> None:
    model = disturbed(Integer((side, side), 2), kernel=kernel, layers=layers, width=8)
    seen = visible(model, any_events(model.space, 24, model)).reshape(side, side, side, side)
    expected = field(kernel, layers, 2 * side)
    for row in range(side):
        for column in range(side):
            window = expected[2 * side - row : 3 * side - row, 2 * side - column : 3 * side - column]
            assert torch.equal(seen[row, column], window), (row, column)


def test_the_blind_spot_is_the_known_one() -> None:
    """k rows above, columns to the right are seen up to min(k + 2, layers + 3): a quarter of the past is not."""
    layers, reach = 4, 14
    seen = field(7, layers, reach)
    furthest = [int(torch.nonzero(seen[reach - k]).max()) - reach for k in range(1, 8)]
    assert furthest == [min(k + 2, layers + 3) for k in range(1, 8)] == [3, 4, 5, 6, 7, 7, 7]


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (2, 3, 5)])
def test_by_default_the_first_kernel_sees_the_whole_past(shape: tuple[int, ...]) -> None:
    """As large as the image there is no blind spot; beyond 27 x 27 it grows no further."""
    model = disturbed(Integer(shape, 2), width=8, layers=1)
    seen = visible(model, any_events(model.space, 24, model))
    dims = model.space.dims
    assert torch.equal(seen[model.order][:, model.order], torch.ones(dims, dims).tril(-1).bool())
    assert first_kernel((3, 14, 12)) == first_kernel((3, 100, 12)) == 27


def test_colours_of_a_pixel_are_seen_in_order() -> None:
    model = disturbed(Integer((3, 2, 2), 3), width=12, layers=1)
    seen = visible(model, any_events(model.space, 24, model))
    in_order = seen[model.order][:, model.order]
    # On 2 x 2 pixels there is no blind spot: all of the past is seen, green sees red, blue sees both.
    assert torch.equal(in_order, torch.ones(12, 12).tril(-1).bool())


def test_raster_order_takes_colours_innermost() -> None:
    assert raster_order((3, 1, 2)).tolist() == [0, 2, 4, 1, 3, 5]
    assert raster_order((2, 2)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("space", "events"),
    [(Integer((3, 3), 2), 512), (Integer((3, 1, 2), 3), 729), (Integer((2, 2, 2), 2), 256)],
    ids=str,
)
def test_sums_to_one(space: Space, events: int) -> None:
    model = disturbed(space, width=6, layers=2)
    x = all_events(model)
    assert len(x) == events
    with torch.no_grad():
        assert float(model.log_prob(x).exp().sum()) == pytest.approx(1.0, abs=1e-12)


def test_one_pass_gives_the_conditionals_of_sampling() -> None:
    model = disturbed(Integer((3, 2, 2), 3), width=6, layers=1)
    x = model.sample(8)
    flat, total = x.flatten(1), torch.zeros(8)
    for step, place in enumerate(model.order.tolist()):
        known = torch.randint(3, flat.shape)
        known[:, model.order[:step]] = flat[:, model.order[:step]]
        params = model.conditionals(known.reshape(x.shape)).flatten(1, -2)
        total += model.head.log_prob(params[:, place], flat[:, place])
    torch.testing.assert_close(total, model.log_prob(x))


def test_a_new_model_is_uniform_over_levels() -> None:
    model = pixelcnn(Integer((3, 4, 4), 5), width=6, layers=1)
    score = model.log_prob(torch.zeros(2, 3, 4, 4).long())
    torch.testing.assert_close(score, torch.full((2,), -48 * torch.log(torch.tensor(5.0)).item()))


SIZES: list[tuple[Space, dict[str, int], Space | None]] = [
    (Integer((5, 4), 2), {"layers": 3, "width": 8}, None),
    (Integer((1, 5), 3), {}, None),  # one row
    (Integer((5, 1), 3), {}, Category((1,), 3)),  # one column
    (Integer((2, 3, 2), 2), {"kernel": 11}, Real((2,))),  # a kernel larger than the image
    (Integer((3, 3, 4), 4), {"width": 6, "layers": 2}, None),
    (Integer((4, 3), 300), {"layers": 0, "components": 2}, None),
]


@pytest.mark.parametrize(("space", "hyperparameters", "context"), SIZES, ids=str)
def test_steps_are_the_one_pass(space: Space, hyperparameters: dict[str, int], context: Space | None) -> None:
    steps_are_the_one_pass(pixelcnn(space, context=context, **hyperparameters))


def steps_are_the_one_pass(model: ExactModel) -> None:
    """Fed with values, step after step equals one pass; and samples are those of whole passes under the same noise."""
    assert isinstance(model, Autoregressive)
    n, space = 2, model.space
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    context = None if model.context is None else any_events(model.context, n, model)
    x = any_events(space, n, model)
    steps = model.steps(n, context)
    assert not isinstance(steps, WholePasses)
    whole = model.conditionals(x, context).flatten(1, -2)
    previous = None
    for place in model.order:
        torch.testing.assert_close(steps(previous), whole[:, place], rtol=0.0, atol=1e-10)
        previous = model.head.encode(x.flatten(1)[:, place], model.dtype)
    torch.manual_seed(0)
    sample = model.sample(n, context)
    torch.manual_seed(0)
    noise = model.head.noise((space.dims, n), torch.empty(0))
    naive = model.steps(n, context, whole=True).run(model.head, noise, torch.empty(0, n).long())
    assert torch.equal(sample.flatten(1)[:, model.order], naive.T)


def test_steps_never_drop_features() -> None:
    model = disturbed(Integer((3, 3), 2), width=8, layers=1, dropout=0.9)
    model.train()
    assert torch.equal(model.steps(2)(None), model.eval().steps(2)(None))


@pytest.mark.parametrize(
    ("space", "wrong", "says"),
    [
        (Integer((9,), 2), {}, "Use made for vectors"),
        (Integer((3, 4, 4), 2), {"width": 4}, "multiple of the 3 colours"),
        (Integer((4, 4), 2), {"kernel": 4}, "odd kernel"),
        (Integer((4, 4), 2), {"kernel": 1}, "at least 3"),
    ],
)
def test_what_cannot_be_is_refused(space: Space, wrong: dict[str, int], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        pixelcnn(space, **wrong)
