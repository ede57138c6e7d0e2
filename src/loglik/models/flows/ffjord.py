"""FFJORD: continuous flows that train with an estimated trace.

Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud 2019, FFJORD: free-form continuous dynamics for scalable reversible
generative models, arXiv:1810.01367.
"""

from collections.abc import Callable, Sequence

from loglik.arguments.ranges import Charge, Count, Few, Positive, Tolerance
from loglik.bijections.compose import Chain, Reshape
from loglik.bijections.continuous import Continuous, Noise, gaussian, rademacher
from loglik.bijections.multiscale import FactorOut, Squeeze
from loglik.contract import Bijection, Model
from loglik.errors import UsageError
from loglik.models.dequantized import density_space
from loglik.models.flows.cnf import continuous_flow, gradient_called
from loglik.models.flows.images import image_shape
from loglik.nets.fields.field import Field
from loglik.nets.fields.image_field import ImageField
from loglik.spaces import Space

NOISE = {"rademacher": rademacher, "gaussian": gaussian}
Shape = tuple[int, int, int]
Move = Callable[[Shape], Continuous]  # a continuous flow of images of this shape


def image_moves(shape: Shape, scales: int | None, move: Move) -> Bijection:
    """Move, squeeze, move, leave half of the channels behind, and again on the rest; at the last of `scales` move.

    (B, C, H, W) -> (B, C H W). Of odd sizes nothing is squeezed.
    """
    channels, height, breadth = shape
    if scales == 1 or height % 2 or breadth % 2:
        return Chain([move(shape), Reshape(shape, (channels * height * breadth,))])
    small = (4 * channels, height // 2, breadth // 2)
    rest = image_moves((small[0] - small[0] // 2, *small[1:]), scales and scales - 1, move)
    return Chain([move(shape), Squeeze(), move(small), FactorOut(small, rest)])


def ffjord(
    space: Space,
    *,
    hidden: Sequence[Count] = (64, 64, 64),
    gain: Positive | None = None,
    probes: Few = 1,
    noise: str = "rademacher",
    exact: bool | None = None,
    tolerance: Tolerance = 1e-3,
    gradient: str = "backprop",
    kinetic: Charge = 0.0,
    jacobian: Charge = 0.0,
    rescale: str = "marginals",
    context: Space | None = None,
) -> Model:
    """A continuous flow that trains with Hutchinson's estimate of the trace, E eps . (df/dx) eps.

    It averages `probes` draws of "rademacher" or "gaussian" `noise`, held fixed for a whole solve. Scores take the
    exact trace wherever that takes at most 128 directions, so with `hidden` up to 128 units in the first layer always;
    `exact` = False has them estimated too, and they say so. The rest is as in `cnf`.

    >>> import torch, loglik
    >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)).cumsum(1)
    >>> model = loglik.build("ffjord", loglik.Real((3,)), hidden=(8,), exact=False, seed=0)
    >>> history = loglik.fit(model, x, steps=3)
    >>> str(loglik.evaluate(model, x).claim)  # by default the trace of three dimensions is exact
    'estimate'
    """
    real = density_space(space, "ffjord")
    condition = context.width if context else 0
    flow = Continuous(
        Field(real.dims, hidden, gain=gain, context=condition),
        tolerance=tolerance,
        probes=probes,
        noise=noise_called(noise),
        exact=exact,
        gradient=gradient_called(gradient),
        kinetic=kinetic,
        jacobian=jacobian,
        context=condition,
    )
    return continuous_flow(space, Chain([Reshape(real.shape, (real.dims,)), flow]), rescale, context)


def ffjord_images(
    space: Space,
    *,
    hidden: Sequence[Count] = (64, 64, 64),
    scales: Few | None = None,
    gain: Positive | None = None,
    probes: Few = 1,
    noise: str = "rademacher",
    exact: bool | None = None,
    tolerance: Tolerance = 1e-3,
    gradient: str = "backprop",
    kinetic: Charge = 0.0,
    jacobian: Charge = 0.0,
    rescale: str = "marginals",
    context: Space | None = None,
) -> Model:
    """Images, (H, W) or (C, H, W), moved by convolutional fields at several resolutions; they train as in `ffjord`.

    The fields have `hidden` channels and stand two at each of `scales` resolutions and one at the last; by default an
    image is squeezed as long as its sizes are even. The exact trace of such a field takes as many directions as there
    are values in what it moves: beyond 128, scores are estimates and say so. Their `gain` is 1.5 by default.

    Raises:
        UsageError: a space that is not of images; an unknown noise, gradient or rescale.

    >>> import torch, loglik
    >>> x = torch.randn(60, 2, 2, generator=torch.Generator().manual_seed(0))
    >>> model = loglik.build("ffjord-images", loglik.Real((2, 2)), hidden=(3,), seed=0)
    >>> history = loglik.fit(model, x, steps=2)
    >>> str(loglik.evaluate(model, x).claim)  # the exact trace takes few directions
    'exact'
    """
    real = density_space(space, "ffjord-images")
    shape = image_shape(space, "ffjord-images")
    condition = context.width if context else 0

    def move(shape: Shape) -> Continuous:
        return Continuous(
            ImageField(shape, hidden, gain=gain, context=condition),
            tolerance=tolerance,
            probes=probes,
            noise=noise_called(noise),
            exact=exact,
            gradient=gradient_called(gradient),
            kinetic=kinetic,
            jacobian=jacobian,
            context=condition,
        )

    return continuous_flow(
        space, Chain([Reshape(real.shape, shape), image_moves(shape, scales, move)]), rescale, context
    )


def noise_called(name: str) -> Noise:
    if name not in NOISE:
        raise UsageError(f"Expected noise {' or '.join(map(repr, NOISE))}; got {name!r}.")
    return NOISE[name]
