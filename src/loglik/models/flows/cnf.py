"""Continuous normalizing flows: a neural differential equation carries data to noise.

Chen, Rubanova, Bettencourt, Duvenaud 2018, Neural ordinary differential equations, arXiv:1806.07366.
"""

from collections.abc import Sequence

from loglik.arguments.ranges import Charge, Count, Positive, Tolerance
from loglik.bijections.compose import Chain, Reshape
from loglik.bijections.continuous import Continuous
from loglik.contract import Bijection, Model
from loglik.densities import StandardNormal
from loglik.errors import UsageError
from loglik.models.dequantized import density_space, on_integers
from loglik.models.flows.rescaling import rescaled
from loglik.nets.fields.field import Field
from loglik.ode import Adjoint, Backprop, Checkpointed, Gradient
from loglik.spaces import Real, Space

GRADIENTS: dict[str, type[Gradient]] = {"backprop": Backprop, "adjoint": Adjoint, "checkpointed": Checkpointed}


def cnf(
    space: Space,
    *,
    hidden: Sequence[Count] = (64, 64, 64),
    gain: Positive | None = None,
    tolerance: Tolerance = 1e-3,
    gradient: str = "backprop",
    kinetic: Charge = 0.0,
    jacobian: Charge = 0.0,
    rescale: str = "marginals",
    context: Space | None = None,
) -> Model:
    """A continuous flow with the exact trace, in training too.

    The field is a tanh net of `hidden` widths. With more `gain` it begins rougher: it learns sharp edges and thin rings
    sooner, and takes more steps to solve; by default 1 + 2 / D. Training solves to `tolerance`, with gradients by
    "backprop" through the solver, by the "adjoint" or "checkpointed", and may charge for ways: `kinetic` |f|^2 and
    `jacobian` |df/dx|_F^2. Scores are solved as sharply as the numbers allow, whatever the tolerance. Integers are
    dequantised and rescaled inside the model, as in `realnvp`; reals are standardised.

    >>> import torch, loglik
    >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)).cumsum(1)
    >>> model = loglik.build("cnf", loglik.Real((3,)), hidden=(8,), seed=0)
    >>> history = loglik.fit(model, x, steps=3)
    >>> score = loglik.evaluate(model, x)
    >>> str(score.claim), score.tolerance, score.evaluations > 0
    ('exact', 1e-06, True)
    """
    condition = context.width if context else 0
    real = density_space(space, "cnf")
    flow = Continuous(
        Field(real.dims, hidden, gain=gain, context=condition),
        tolerance=tolerance,
        gradient=gradient_called(gradient),
        kinetic=kinetic,
        jacobian=jacobian,
        context=condition,
    )
    return continuous_flow(space, Chain([Reshape(real.shape, (real.dims,)), flow]), rescale, context)


def gradient_called(name: str) -> Gradient:
    if name not in GRADIENTS:
        raise UsageError(f"Expected gradient {' or '.join(map(repr, GRADIENTS))}; got {name!r}.")
    return GRADIENTS[name]()


def continuous_flow(space: Space, flow: Bijection, rescale: str, context: Space | None) -> Model:
    """The density of what `flow` turns into flat noise once it is rescaled, on the space's own events."""
    real = density_space(space, "cnf")
    density = rescaled(space, rescale, flow, StandardNormal(Real((real.dims,)), context))
    return on_integers(space, density)
