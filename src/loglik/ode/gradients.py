"""Where the gradients of a solution come from: what is kept on the way, and what is computed again.

Backprop        through every operation of the solver: the gradient of the numbers that were computed, to rounding.
                Keeps all that the field keeps, at every evaluation.
Checkpointed    the same gradient; keeps the state at the beginning of every step and takes the step again.
Adjoint         an equation of its own, solved backwards in time; keeps nothing but the states asked for.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from loglik.errors import UsageError
from loglik.ode.adjoint import AdjointSolve
from loglik.ode.problem import Problem, UserField
from loglik.ode.step import Field, Stepper, stages
from loglik.ode.steps import StepRule
from loglik.ode.tableaus import Tableau


class Gradient(ABC):
    """A way to differentiate a solution."""

    @abstractmethod
    def states(self, problem: Problem, y: Tensor, field: UserField) -> list[Tensor]:
        """The states at the problem's times, differentiable in y and in what the field depends on."""


class Backprop(Gradient):
    """Through the solver: discretise, then optimise."""

    def states(self, problem: Problem, y: Tensor, field: UserField) -> list[Tensor]:
        return problem.run(y)


class Checkpointed(Gradient):
    """Through the solver, each step taken a second time when its turn comes. The field must not be random."""

    def states(self, problem: Problem, y: Tensor, field: UserField) -> list[Tensor]:
        return problem.run(y, Stepper(problem.method, problem.field, checkpointed_stages))


def checkpointed_stages(
    method: Tableau, field: Field, *, t: float, h: float, y: Tensor, slope: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """`stages`, storing none of what the field stores for its gradients."""

    def step(y: Tensor, slope: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        return stages(method, field, t=t, h=h, y=y, slope=slope)

    end, k = checkpoint(step, y, slope, use_reentrant=False, preserve_rng_state=False)
    return end, k


@dataclass(frozen=True)
class Adjoint(Gradient):
    """Backwards in time. With a(t) = dL/dy(t), as a row, and theta all that the field depends on (Pontryagin 1962):

        a' = -a df/dy,      dL/dtheta = int_t0^t1 a df/dtheta dt,

    solved from t1 back to t0 together with y' = f. At the times asked for, the loss adds its own dL/dy(t_i) to a, and y
    is set to the state found on the way there, so that the errors of going back do not pile up.

    The gradient is that of the true solution up to the tolerance, not quite that of the computed one. Fields that
    forget their past, such as strong decay, cannot be followed backwards: take Checkpointed there.
    Chen, Rubanova, Bettencourt, Duvenaud 2018, Neural ordinary differential equations, arXiv:1806.07366, appendix B;
    that the integral over theta need not control the steps: Kidger, Chen, Lyons 2021, arXiv:2009.09457.

    Args:
        parameters: the tensors theta. A field that is a Module, or a method of one, brings its own.
        steps: of the way back; as those forward if left out.
    """

    parameters: Sequence[Tensor] | None = None
    steps: StepRule | None = None

    def states(self, problem: Problem, y: Tensor, field: UserField) -> list[Tensor]:
        theta = [p for p in self._theta(field) if p.requires_grad]
        states: Tensor = AdjointSolve.apply(problem, self.steps or problem.steps, theta, y, *theta)
        return list(states.unbind(0))

    def _theta(self, field: UserField) -> Sequence[Tensor]:
        if self.parameters is not None:
            return self.parameters
        owner = field if isinstance(field, nn.Module) else getattr(field, "__self__", None)
        if isinstance(owner, nn.Module):
            return list(owner.parameters())
        raise UsageError(
            "The adjoint must know what the field depends on: pass a Module as the field, or Adjoint(parameters=[...])."
        )
