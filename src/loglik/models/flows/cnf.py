"""Continuous normalizing flows: a neural differential equation carries data to noise.

Chen, Rubanova, Bettencourt, Duvenaud 2018, Neural ordinary differential equations, arXiv:1806.07366.
"""

from collections.abc import Sequence

from torch import Tensor

from loglik.bijections.compose import Chain, Reshape
from loglik.bijections.continuous import Continuous
from loglik.contract import Bijection, Model
from loglik.densities import StandardNormal
from loglik.errors import UsageError
from loglik.models.dequantized import Dequantized, density_space
from loglik.models.flows.flow import Flow
from loglik.models.flows.rescaling import rescaling
from loglik.nets.field import Field
from loglik.ode import Adjoint, Backprop, Checkpointed, Gradient
from loglik.spaces import Integer, Real, Space

GRADIENTS: dict[str, type[Gradient]] = {"backprop": Backprop, "adjoint": Adjoint, "checkpointed": Checkpointed}


class ContinuousFlow(Flow):
    """log p(x) = log N(z) + log|det dz/dx|, where x, rescaled, moves to z along a field.

    Training maximises the same with looser steps, perhaps an estimated trace, less the penalties of the way. None of
    these ever enters log p(x).
    """

    def __init__(
        self, space: Real, scale: Bijection, flow: Continuous, base: StandardNormal, kinetic: float, jacobian: float
    ) -> None:
        super().__init__(space, Chain([scale, flow]), base)
        self.kinetic, self.jacobian = kinetic, jacobian

    def objective(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        scale, flow = self._parts()
        c = self.condition(context)
        y, log_det = scale(self.events(x, context), c)
        z, moved, penalty = flow.learn(y, c, kinetic=self.kinetic, jacobian=self.jacobian)
        return self.base.log_prob(z, context) + log_det + moved - penalty  # type: ignore[no-any-return]

    def sample(self, n: int, context: Tensor | None = None) -> Tensor:
        scale, flow = self._parts()
        context = self.contexts(n, context)
        c = self.condition(context)
        return scale.inverse(flow.back(self.base.sample(n, context), c), c)[0]

    def _parts(self) -> tuple[Bijection, Continuous]:
        assert isinstance(self.bijection, Chain)
        scale, flow = self.bijection.parts
        assert isinstance(scale, Bijection)
        assert isinstance(flow, Continuous)
        return scale, flow


def cnf(
    space: Space,
    *,
    hidden: Sequence[int] = (64, 64, 64),
    tolerance: float = 1e-5,
    gradient: str = "backprop",
    kinetic: float = 0.0,
    jacobian: float = 0.0,
    rescale: str = "marginals",
    context: Space | None = None,
) -> Model:
    """A continuous flow with the exact trace, in training too.

    The field is a tanh net of `hidden` widths. Training solves to `tolerance`, with gradients by "backprop" through the
    solver, by the "adjoint" or "checkpointed", and may charge for ways: `kinetic` |f|^2 and `jacobian` |df/dx|_F^2.
    Scores are solved as sharply as the numbers allow. Integers are dequantised and rescaled inside the model, as in
    `realnvp`; reals are standardised.
    """
    condition = context.width if context else 0
    real = density_space(space, "cnf")
    flow = Continuous(
        Field(real.dims, hidden, context=condition),
        tolerance=tolerance,
        gradient=gradient_called(gradient),
        context=condition,
    )
    return continuous_flow(space, flow, kinetic, jacobian, rescale, context)


def gradient_called(name: str) -> Gradient:
    if name not in GRADIENTS:
        raise UsageError(f"Expected gradient {' or '.join(map(repr, GRADIENTS))}; got {name!r}.")
    return GRADIENTS[name]()


def continuous_flow(
    space: Space, flow: Continuous, kinetic: float, jacobian: float, rescale: str, context: Space | None
) -> Model:
    """The flow on the space's own events."""
    real = density_space(space, "cnf")
    flat = Reshape(real.shape, (real.dims,))
    base = StandardNormal(Real((real.dims,)), context)
    scale = Chain([rescaling(space, rescale), flat])
    density = ContinuousFlow(real, scale, flow, base, kinetic, jacobian)
    return Dequantized(space, density) if isinstance(space, Integer) else density
