"""Continuous flows: data move along a vector field until they are noise, and their volume with them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from loglik.contract import Bijection, Claim
from loglik.errors import UsageError
from loglik.nets.fields.compiled import CompiledDynamics, compiled_trajectory
from loglik.nets.fields.dynamics import Dynamics
from loglik.nets.fields.field import Directions, Field
from loglik.nets.fields.image_field import ImageField
from loglik.nets.fields.penalised_dynamics import PenalisedDynamics
from loglik.ode import DOP853, TSIT5, Adaptive, Adjoint, Backprop, Gradient, Grid, SolverStep, largest, solve

SPAN = (0.0, 1.0)  # data are at 0, noise at 1
EXACT = {torch.float32: 1e-6, torch.float64: 1e-11}  # tolerances near the precision of the numbers themselves
PILOTS = 32
INACCURATE = 4.0  # times the tolerance: an event with a larger error is solved again
HALVINGS = 6  # at most; what is still off then is stiff beyond reason
MOST_DIRECTIONS = 128  # up to so many, the exact trace is affordable

Noise = Callable[[tuple[int, ...], Tensor], Tensor]  # a shape and a tensor of the wanted kind -> draws


def rademacher(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """+1 and -1: Var eps . A eps = 2 sum_{i != j} S_ij^2, S = (A + A^T) / 2, the least of all independent noise."""
    return torch.randint(2, shape, dtype=like.dtype, device=like.device) * 2.0 - 1.0


def gaussian(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """N(0, 1): Var eps . A eps = 2 sum_ij S_ij^2."""
    return torch.randn(shape, dtype=like.dtype, device=like.device)


class Continuous(Bijection):
    """z = x(1) with dx/dt = f(t, x, c) from x(0) = x, and

        log|det dz/dx| = int_0^1 tr df/dx dt          (theorem 1, instantaneous change of variables)
                       = E int_0^1 eps . (df/dx) eps dt,   E eps eps^T = 1          (FFJORD, section 3.1)

    along the trajectory; the inverse goes back in time. `nets.fields.dynamics` has both derivatives, and
    `nets.fields.compiled` the fast way. Chen, Rubanova, Bettencourt, Duvenaud 2018, arXiv:1806.07366; Grathwohl, Chen,
    Bettencourt, Sutskever, Duvenaud 2019, FFJORD, arXiv:1810.01367.

    `forward` and `inverse` are solved almost to the precision of the numbers: every value of every event to 1e-6 in
    float32 and 1e-11 in float64, by a method of order 8. So the log-determinant is exact as sums of floating point
    numbers are, and what else is in a batch shows in a score no more than it does in a matrix product. Their trace is
    exact, where that takes at most 128 directions; otherwise it is estimated (Hutchinson), and the claim says so.

    `trajectory` is for training, and as loose as `tolerance`. There 32 events of the training data, the pilots, decide
    the steps, of even error; all others take the same ones. So no step is rejected for a whole batch, and fewer are
    needed than by a controller that adapts as it goes. The few events whose error is far above the tolerance are solved
    again in half steps, and so on. So an event's gradient does not depend on its batch, and never comes from an
    inaccurate trajectory.

    Args:
        field: f.
        tolerance: of the steps in `trajectory`, relative and absolute, on average over the pilots.
        probes: of Hutchinson's estimate in `trajectory`; None for the exact trace there too.
        noise: what probes are drawn from, once for a whole solve: a field that changes within it is no field.
        exact: whether `forward` and `inverse` take the exact trace; None: where it is affordable.
        gradient: of `trajectory`. An Adjoint needs no parameters: the field's are known.
        kinetic, jacobian: weights of the penalty of a trajectory (`PenalisedDynamics`); no part of a log-determinant.
    """

    def __init__(
        self,
        field: Field | ImageField,
        *,
        tolerance: float = 1e-3,
        probes: int | None = None,
        noise: Noise = rademacher,
        exact: bool | None = None,
        gradient: Gradient | None = None,
        kinetic: float = 0.0,
        jacobian: float = 0.0,
        context: int = 0,
    ) -> None:
        if probes is not None and probes < 1:
            raise UsageError(f"Expected at least 1 probe; got {probes}.")
        super().__init__()
        self.field, self.tolerance, self.probes, self.noise = field, tolerance, probes, noise
        self.exact = field.exact_directions <= MOST_DIRECTIONS if exact is None else exact
        self.gradient = gradient or Backprop()
        self.kinetic, self.jacobian = kinetic, jacobian
        self.register_buffer("pilots", torch.randn(PILOTS, *field.shape))
        self.register_buffer("pilot_contexts", torch.zeros(PILOTS, context))

    @property
    def claim(self) -> Claim:
        return Claim.EXACT if self.exact else Claim.ESTIMATE

    def initialize(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The pilots are training events from first to last; at its start the field is 0, and x noise already."""
        rows = torch.linspace(0, len(x) - 1, PILOTS, device=x.device).long()
        self.pilots.copy_(x[rows])
        if context is not None:
            self.pilot_contexts.copy_(context[rows])
        return x

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._solved(x, context, SPAN, self._scoring_directions(x))

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._solved(z, context, SPAN[::-1], self._scoring_directions(z))

    def preimage(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return self._solved(z, context, SPAN[::-1], self.field.no_directions())[0]

    def _solved(
        self, x: Tensor, context: Tensor | None, span: tuple[float, ...], directions: Directions
    ) -> tuple[Tensor, Tensor]:
        with whole_precision(x.device):
            dynamics = self.field.dynamics(context, directions)
            steps = Adaptive(EXACT[x.dtype], norm=largest)
            return dynamics.parts(solve(dynamics, dynamics.start(x), span, method=DOP853, steps=steps).last)

    def training_forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z and log|det dz/dx| less the penalty of the trajectory, both from `trajectory`."""
        z, log_det, penalty = self.trajectory(x, context)
        return z, log_det - penalty

    def trajectory(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """z (B, *event) and log|det dz/dx| (B,) for training, and the penalty of the trajectory (B,)."""
        with whole_precision(x.device):
            directions = self._training_directions(x, axes=bool(self.jacobian))
            dynamics = self.field.dynamics(context, directions)
            times = self._grid()
            if not self.kinetic and not self.jacobian:
                z, log_det = self._refined(dynamics, x, times)
                return z, log_det, x.new_zeros(len(x))
            z, log_det, penalty = self._refined(PenalisedDynamics(dynamics, self.kinetic, self.jacobian), x, times)
            return z, log_det, penalty

    def _refined(
        self, dynamics: Dynamics | PenalisedDynamics, x: Tensor, times: Sequence[float], halvings: int = HALVINGS
    ) -> tuple[Tensor, ...]:
        """The parts of the state at the end, of steps between times, or finer ones for rows that need them."""
        *parts, error = self._trajectory(dynamics, x, times)
        inaccurate = (error > INACCURATE * self.tolerance).nonzero().squeeze(1)
        if not len(inaccurate) or not halvings:
            return tuple(parts)
        halves = [t + share * (after - t) for t, after in pairwise(times) for share in (0.0, 0.5)]
        again = self._refined(dynamics.select(inaccurate), x[inaccurate], [*halves, times[-1]], halvings - 1)
        return tuple(part.index_copy(0, inaccurate, better) for part, better in zip(parts, again, strict=True))

    def _trajectory(
        self, dynamics: Dynamics | PenalisedDynamics, x: Tensor, times: Sequence[float]
    ) -> tuple[Tensor, ...]:
        """The parts of the state at the end, and the largest error (B,) of any step, as a share of 1 + |value|."""
        if isinstance(dynamics, CompiledDynamics) and isinstance(self.gradient, Backprop):
            return compiled_trajectory(dynamics, x, times, TSIT5)
        gradient = self.gradient
        if isinstance(gradient, Adjoint):
            gradient = replace(gradient, parameters=dynamics.tensors)
        error = x.new_zeros(len(x))

        def note(step: SolverStep) -> None:
            for part in dynamics.parts(step.errors()[0].abs() / (1.0 + step.end.detach().abs())):
                torch.maximum(error, part.flatten(1).amax(1) if part.ndim > 1 else part, out=error)

        end = solve(dynamics, dynamics.start(x), SPAN, steps=Grid(times, watch=note), gradient=gradient).last
        return *dynamics.parts(end), error

    @torch.no_grad()
    def _grid(self) -> tuple[float, ...]:
        """Steps that keep the tolerance for the pilots, with errors of half of it as is usual.

        They themselves take steps of about twice the length, with 2^5 times the error, which is known well enough.
        """
        context = self.pilot_contexts if self.pilot_contexts.shape[1] else None
        dynamics = self.field.dynamics(context, self._training_directions(self.pilots))
        steps = Adaptive(32.0 * self.tolerance, first=0.1)
        return solve(dynamics, dynamics.start(self.pilots), SPAN, steps=steps).even_grid(sharper=64.0)

    def _scoring_directions(self, x: Tensor) -> Directions:
        return self.field.exact() if self.exact else self._probes(x, self.probes or 1)

    def _training_directions(self, x: Tensor, *, axes: bool = False) -> Directions:
        if self.probes is None:
            return self.field.axes() if axes else self.field.exact()
        return self._probes(x, self.probes)

    def _probes(self, x: Tensor, probes: int) -> Directions:
        return self.field.hutchinson(self.noise((probes, *x.shape), x))

    pilots: Tensor
    pilot_contexts: Tensor


@contextmanager
def whole_precision(device: torch.device) -> Iterator[None]:
    """Neither half precision nor the ten bits that GPUs leave to convolutions have digits for any of the tolerances."""
    cudnn = torch.backends.cudnn
    flags = {"enabled": cudnn.enabled, "benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
    with torch.autocast(device.type, enabled=False), cudnn.flags(**flags, allow_tf32=False):
        yield
