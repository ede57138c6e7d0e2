"""Integrals over the whole line or plane of densities that are only known point by point.

With x = centre + spread * sinh(t) a few cells in t reach far into heavy tails (Takahasi & Mori 1974, double exponential
formulas). Densities of splines and of ReLU nets have kinks, along curves that nobody knows beforehand: the cells in
which two nested Clenshaw-Curtis rules differ most are halved, again and again (bulk marking, Doerfler 1996), until the
rules agree, the nodes have seen what the events have, and the integral stands still twice in a row. A density for which
it does not is left unjudged, not judged wrongly.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from loglik.laws.verdict import NotApplicable, require

REACHES = (5, 8, 12, 17)  # sinh(17) is 1e7 spreads away; whole, as cells begin as unit cells of the lattice in t
STEADY = 2e-5  # a fifth of what the law of mass allows
AGREEMENTS = 2  # rounds in a row; one may agree by chance
NODES = 9  # of the finer rule on each axis; the coarser one takes every other
MARKED = 0.9  # the share of all differences between the rules that is halved in a round
TALLER = 2.0  # a density so much higher at an event than at all nodes of its cell has not been seen by them
MOST_POINTS = {1: 200_000, 2: 3_000_000}
MOST_SECONDS = 120.0
AT_ONCE = 16_384
LARGER = (1, 2)  # halvings by which a neighbour may be behind
PRIMES = (2_305_843_009_213_693_951, 618_970_019, 87_178_291_199)


@dataclass(frozen=True)
class Frame:
    """x = centre + spread * sinh(t), by the quartiles of the events: (D,) each, and the shape of an event."""

    centre: Tensor
    spread: Tensor
    shape: torch.Size

    @classmethod
    def of(cls, x: Tensor) -> "Frame":
        flat = x.double().flatten(1)
        low, centre, high = flat.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64, device=x.device), dim=0)
        spread = (high - low) / 1.35
        spread = torch.where(spread > 1e-9 * (1.0 + centre.abs()), spread, torch.ones_like(spread))
        return cls(centre, spread, x.shape[1:])

    def events(self, t: Tensor) -> Tensor:
        """(N, D) -> (N, *event)"""
        return (self.centre + self.spread * torch.sinh(t)).reshape(-1, *self.shape)

    def volumes(self, t: Tensor) -> Tensor:
        """(N, D) -> (N,): |dx / dt|"""
        return (self.spread * torch.cosh(t)).prod(1)

    def places(self, x: Tensor) -> Tensor:
        """(N, *event) -> (N, D): the t of events."""
        return torch.asinh((x.double().flatten(1) - self.centre) / self.spread)


@dataclass(frozen=True)
class QuadratureGrid:
    """points (N, *event) and the volume that each stands for (N,)."""

    points: Tensor
    volumes: Tensor

    @classmethod
    def over(cls, x: Tensor, *, reach: float, points: int) -> "QuadratureGrid":
        """A grid in t in [-reach, reach]^D, centred and scaled by the quartiles of the events x."""
        frame = Frame.of(x)
        axis = torch.linspace(-reach, reach, points, dtype=torch.float64, device=x.device)
        t = _product([axis] * len(frame.centre))
        return cls(frame.events(t), frame.volumes(t) * (axis[1] - axis[0]) ** len(frame.centre))


@dataclass(frozen=True)
class Cells:
    """Cubes in t: middle (N, D), half width (N,), the integrals of the two rules (N,), and more of each (N,).

    rim: the integral over the sides that lie on the rim of the whole region   height: the largest value at the nodes
    """

    middle: Tensor
    half: Tensor
    fine: Tensor
    coarse: Tensor
    rim: Tensor
    height: Tensor

    @property
    def error(self) -> float:
        """Of the whole integral. Errors of smooth cells have one sign and add up; those at kinks, which lie in a cell
        as chance has it, scatter.
        """
        difference = self.fine - self.coarse
        return abs(float(difference.sum())) + 3.0 * float(difference.square().sum().sqrt())

    def marked(self) -> Tensor:
        """(N,) bool: the cells that make up most of the differences between the rules."""
        largest, order = (self.fine - self.coarse).abs().sort(descending=True)
        needed = largest.cumsum(0) - largest < MARKED * largest.sum()
        return torch.zeros_like(needed).scatter(0, order, needed)

    def blind(self, places: Tensor, heights: Tensor) -> Tensor:
        """(N,) bool: the cells whose nodes have missed what an event inside has seen."""
        missed = torch.zeros_like(self.half, dtype=torch.bool)
        for place, height in zip(places, heights, strict=True):
            inside = (place - self.middle).abs().amax(1) <= self.half
            missed |= inside & (height > TALLER * self.height) & (height > 0.0)
        return missed

    def take(self, which: Tensor) -> "Cells":
        return Cells(*(field[which] for field in self._fields()))

    def joined(self, others: "Cells") -> "Cells":
        return Cells(*(torch.cat(pair) for pair in zip(self._fields(), others._fields(), strict=True)))

    def inside(self) -> "Cells":
        """The same cells of a region that goes on beyond them."""
        return replace(self, rim=torch.zeros_like(self.rim))

    def _fields(self) -> list[Tensor]:
        return [self.middle, self.half, self.fine, self.coarse, self.rim, self.height]


class Probe:
    """The density in t, and how often it was asked."""

    def __init__(self, density: Callable[[Tensor], Tensor], frame: Frame) -> None:
        self.density, self.frame, self.points = density, frame, 0
        self.most, self.end = MOST_POINTS[len(frame.centre)], time.monotonic() + MOST_SECONDS

    def __call__(self, t: Tensor) -> Tensor:
        """(N, D) -> (N,)"""
        self.points += len(t)
        values = []
        for part in torch.split(t, AT_ONCE):
            if self.points > self.most or time.monotonic() > self.end:
                raise NotApplicable(
                    f"The integral does not stand still within {self.most} points and {MOST_SECONDS:.0f} s."
                )
            values.append(self.density(self.frame.events(part)) * self.frame.volumes(part))
            require(
                bool(torch.isfinite(values[-1]).all()),
                "The density is NaN or infinite somewhere; where there is none, it is 0.",
            )
        return torch.cat(values)


def resolved_integral(density: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, int]:
    """The integral of a density that has its mass where the events x are, and the number of points it took.

    Raises:
        NotApplicable: it does not stand still within MOST_POINTS and MOST_SECONDS; the message says so.
        Broken: the density is NaN or infinite somewhere.
    """
    frame = Frame.of(x)
    probe, places = Probe(density, frame), frame.places(x)
    heights = probe(places)
    cells, inner = None, 0
    for reach in REACHES:
        shell = _integrated(probe, *_shell(inner, reach, places), reach)
        cells = _resolved(shell if cells is None else cells.inside().joined(shell), probe, places, heights, reach)
        total = float(cells.fine.sum())
        # What lies beyond is about the density (in t) at the rim, if it falls at least as exp(-t).
        if float(cells.rim.sum()) < STEADY or total > 1.0 + 1e-3:  # what is too much already only grows further out
            return total, probe.points
        inner = reach
    raise NotApplicable(f"The tails reach further than the widest region; inside, the integral is {total:.5f}.")


def _resolved(cells: Cells, probe: Probe, places: Tensor, heights: Tensor, reach: int) -> Cells:
    """The cells halved where they must be until the integral stands still."""
    last, agreed = math.inf, 0
    while True:
        total, marked = float(cells.fine.sum()), cells.marked()
        steady = STEADY * max(1.0, total)
        settled = cells.error < steady
        if settled:
            blind = cells.blind(places, heights)
            marked |= blind
            settled = not blind.any()
        agreed = agreed + 1 if settled and abs(total - last) < steady else 0
        if agreed == AGREEMENTS:
            return cells
        last, marked = total, _spread(marked, cells.middle, cells.half)
        halves = _integrated(probe, *_halved(cells.middle[marked], cells.half[marked]), reach)
        cells = cells.take(~marked).joined(halves)


def _integrated(probe: Probe, middle: Tensor, half: Tensor, reach: int) -> Cells:
    """Both rules on each cell."""
    dims = middle.shape[1]
    nodes, fine, coarse = (rule.to(middle) for rule in _rules(dims))
    t = (middle[:, None] + half[:, None, None] * nodes).reshape(-1, dims)
    values = probe(t).reshape(len(middle), -1)
    on_rim = (t.abs() == reach).any(1).reshape(values.shape)
    volume, side = half**dims, half / (NODES * (NODES - 2))  # the weight of a rule's outermost node
    rim = (values * on_rim) @ fine * volume / side
    return Cells(middle, half, values @ fine * volume, values @ coarse * volume, rim, values.amax(1))


def _shell(inner: int, outer: int, places: Tensor) -> tuple[Tensor, Tensor]:
    """The unit cells of the lattice that lie inside [-outer, outer]^D and outside [-inner, inner]^D."""
    axis = torch.arange(-outer, outer, dtype=torch.float64, device=places.device) + 0.5
    middle = _product([axis] * places.shape[1])
    middle = middle[middle.abs().amax(1) > inner]
    return middle, torch.full_like(middle[:, 0], 0.5)


def _halved(middle: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """The 2^D halves of each cell."""
    dims = middle.shape[1]
    signs = _product([torch.tensor([-0.5, 0.5]).to(middle)] * dims)
    return (middle[:, None] + half[:, None, None] * signs).reshape(-1, dims), (0.5 * half).repeat_interleave(2**dims)


def _spread(marked: Tensor, middle: Tensor, half: Tensor) -> Tensor:
    """(N,) bool: `marked` and the larger neighbours of what is marked, so that sizes change by steps of two.

    A ridge that is narrower than the nodes of its large cells is thus followed from where it was seen.
    """
    keys, steps = _keys(middle, half), _product([torch.tensor([-2.0, 0.0, 2.0]).to(middle)] * middle.shape[1])
    new = marked
    while new.any():
        beside = middle[new][:, None] + half[new][:, None, None] * steps
        size = half[new][:, None].expand(beside.shape[:2])
        larger = torch.isin(keys, torch.cat([_keys(beside.flatten(0, 1), 2.0**k * size.flatten()) for k in LARGER]))
        new = larger & ~marked
        marked = marked | new
    return marked


def _keys(middle: Tensor, half: Tensor) -> Tensor:
    """(N,): a number for the cell of that size around each point. Equal ones by chance only mark a cell too many."""
    place = torch.cat([torch.floor(middle / (2.0 * half[:, None])), half.log2()[:, None]], dim=1).long()
    return (place * torch.tensor(PRIMES[: place.shape[1]]).to(place)).sum(1)


@cache
def _rules(dims: int) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes (Q, D) in [-1, 1]^D, and the weights (Q,) of the finer and of the coarser rule."""
    coarse = torch.zeros(NODES, dtype=torch.float64)
    coarse[::2] = _clenshaw_curtis(NODES // 2)
    weights = (_clenshaw_curtis(NODES - 1), coarse)
    nodes = torch.linspace(0.0, math.pi, NODES, dtype=torch.float64).cos()
    finer, coarser = (_product([w] * dims).prod(1) for w in weights)
    return _product([nodes] * dims), finer, coarser


def _clenshaw_curtis(n: int) -> Tensor:
    """The weights of the n + 1 nodes cos(j pi / n), n even: exact for polynomials (Waldvogel 2006)."""
    j = torch.arange(n + 1, dtype=torch.float64)
    weights = torch.ones_like(j)
    for k in range(1, n // 2 + 1):
        weights -= (1.0 if 2 * k == n else 2.0) / (4 * k * k - 1) * torch.cos(2.0 * math.pi * k * j / n)
    weights *= 2.0 / n
    weights[[0, -1]] *= 0.5
    return weights


def _product(axes: list[Tensor]) -> Tensor:
    """The grid of all combinations, (N, D)."""
    return torch.cartesian_prod(*axes).reshape(-1, len(axes))
