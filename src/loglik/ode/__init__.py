"""Ordinary differential equations: explicit Runge-Kutta methods, gradients, events.

solve, solve_until      y' = f(t, y), at given times or until an event
Fixed, Grid, Adaptive   how long the steps are
Backprop, Checkpointed, Adjoint    where gradients come from
EULER, MIDPOINT, HEUN, RK4, BOSH3, DOPRI5, TSIT5, DOP853    methods
counting                how many evaluations it took, of everything inside a block
"""

from loglik.ode.counting import Tally, count, counting
from loglik.ode.events import solve_until
from loglik.ode.gradients import Adjoint, Backprop, Checkpointed, Gradient
from loglik.ode.solve import Solution, solve
from loglik.ode.step import SolverStep
from loglik.ode.steps import Adaptive, Fixed, Grid, StepRule, largest, rms
from loglik.ode.tableaus import BOSH3, DOP853, DOPRI5, EULER, HEUN, METHODS, MIDPOINT, RK4, TSIT5, Tableau

__all__ = [
    "BOSH3",
    "DOP853",
    "DOPRI5",
    "EULER",
    "HEUN",
    "METHODS",
    "MIDPOINT",
    "RK4",
    "TSIT5",
    "Adaptive",
    "Adjoint",
    "Backprop",
    "Checkpointed",
    "Fixed",
    "Gradient",
    "Grid",
    "Solution",
    "SolverStep",
    "StepRule",
    "Tableau",
    "Tally",
    "count",
    "counting",
    "largest",
    "rms",
    "solve",
    "solve_until",
]
