"""Densities in the plane whose log p is exact, so that a model's regret is measured in nats, not judged by eye.

The shapes are those of the flow literature (Grathwohl et al. 2019, FFJORD, arXiv:1810.01367), defined anew where the
usual sampler has no computable density. All lie within about [-4, 4]^2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor

from loglik.data.builtin.entry import Builtin
from loglik.data.source import Dataset
from loglik.data.synthetic.drawn import drawn
from loglik.data.synthetic.plane import LOG_TAU, Blurred, Toy, direction, normal, rotate
from loglik.spaces import Real

GRAIN = 1 << 20  # a uniform draw is one of so many points, exact in float32: rounding crosses no edge
TRAIN = 100_000  # so many that what a model loses is its own fault: with 20 000, nets lose up to 0.03 nats to chance


@dataclass(frozen=True)
class Rings(Toy):
    """Circles of several radii, blurred by a normal:  x = R (cos a, sin a) + sigma eps,  a uniform,  R uniform.

        p(x) = mean_R 1/(2 pi sigma^2) exp(-(r^2 + R^2) / (2 sigma^2)) I_0(r R / sigma^2),   r = |x|

    The integral over the angle is the Bessel function I_0 (Rice 1945).
    """

    radii: tuple[float, ...] = (1.0, 2.0, 3.0)
    sigma: float = 0.1

    def sample(self, n: int, generator: Generator) -> Tensor:
        radii = torch.tensor(self.radii, dtype=torch.float64)
        R = radii[torch.randint(len(radii), (n,), generator=generator)]
        angle = 2.0 * math.pi * torch.rand(n, dtype=torch.float64, generator=generator)
        return R[:, None] * direction(angle) + self.sigma * normal(n, generator)

    def log_density(self, x: Tensor) -> Tensor:
        R = torch.tensor(self.radii, dtype=torch.float64)
        r = torch.linalg.vector_norm(x.double(), dim=1, keepdim=True)  # (n, 1)
        # i0e(t) = exp(-t) I_0(t) turns the exponent into -(r - R)^2 / (2 sigma^2), which cannot overflow.
        log_bessel: Tensor = torch.special.i0e(r * R / self.sigma**2).log()
        log_p: Tensor = log_bessel - 0.5 * ((r - R) / self.sigma) ** 2 - LOG_TAU - 2.0 * math.log(self.sigma)
        return log_p.logsumexp(dim=1) - math.log(len(self.radii))


@dataclass(frozen=True)
class Pinwheel(Toy):
    """Normal blades, wound up by a rotation that grows with the radius.

        y ~ N((1, 0), diag(radial^2, tangential^2)),   x = scale Rot(2 pi k / blades + rate |y|) y,   k uniform

    A rotation by an angle that depends on the radius alone keeps the radius, so it is undone exactly, and it keeps
    areas: its determinant is 1, the scale's is scale^2, and p(x) is an exact mixture of the blades.
    """

    blades: int = 5
    rate: float = 0.7
    scale: float = 2.0
    radial: float = 0.3
    tangential: float = 0.1

    def sample(self, n: int, generator: Generator) -> Tensor:
        spread = torch.tensor([self.radial, self.tangential], dtype=torch.float64)
        y = normal(n, generator) * spread + torch.tensor([1.0, 0.0], dtype=torch.float64)
        turn = torch.randint(self.blades, (n,), generator=generator) * (2.0 * math.pi / self.blades)
        return self.scale * rotate(y, turn + self.rate * torch.linalg.vector_norm(y, dim=1))

    def log_density(self, x: Tensor) -> Tensor:
        y = x.double() / self.scale
        r = torch.linalg.vector_norm(y, dim=1, keepdim=True)  # (n, 1)
        turns = torch.arange(self.blades, dtype=torch.float64) * (2.0 * math.pi / self.blades)
        back = rotate(y[:, None], -(turns + self.rate * r))  # (n, blades, 2)
        square = ((back[..., 0] - 1.0) / self.radial) ** 2 + (back[..., 1] / self.tangential) ** 2
        log_p = -0.5 * square - LOG_TAU - math.log(self.radial * self.tangential)
        return log_p.logsumexp(dim=1) - math.log(self.blades) - 2.0 * math.log(self.scale)


@dataclass(frozen=True)
class Checkerboard(Toy):
    """Uniform on the eight black fields, 2 x 2 each, of a 4 x 4 board on [-4, 4]^2:  p(x) = 1/32 there, 0 elsewhere.

    Edges belong to the black fields, so no draw falls off them.
    """

    entropy = math.log(32.0)

    def sample(self, n: int, generator: Generator) -> Tensor:
        black = torch.tensor([[i, j] for i in range(4) for j in range(4) if (i + j) % 2 == 0], dtype=torch.float64)
        field = black[torch.randint(len(black), (n,), generator=generator)]
        within = torch.randint(GRAIN, (n, 2), generator=generator).double() / GRAIN
        return 2.0 * (field + within) - 4.0

    def log_density(self, x: Tensor) -> Tensor:
        u = x.double() / 2.0 + 2.0
        low, high = u.floor(), u.ceil() - 1.0  # the two fields that share an edge; the same one off the edges
        inside = torch.zeros(len(x), dtype=torch.bool)
        for i in (low[:, 0], high[:, 0]):
            for j in (low[:, 1], high[:, 1]):
                on_board = (i >= 0) & (i < 4) & (j >= 0) & (j < 4)
                inside |= on_board & ((i + j) % 2 == 0)
        log_p = torch.full((len(x),), -math.inf, dtype=torch.float64)
        return log_p.masked_fill(inside, -self.entropy)


def eight_gaussians() -> Blurred:
    """Eight clusters of width 0.35 on a circle of radius 3."""
    return Blurred(3.0 * direction(torch.arange(8, dtype=torch.float64) * (math.pi / 4.0)), sigma=0.35)


def moons() -> Blurred:
    """Two interleaved half circles of radius 2: scikit-learn's `make_moons`, centred and twice the size."""
    upper = 2.0 * direction(math.pi * midpoints(64)) - torch.tensor([1.0, 0.5], dtype=torch.float64)
    return Blurred(torch.cat([upper, -upper]), sigma=0.2)


def spirals() -> Blurred:
    """Two Archimedean arms r = t / 3 of one and a half turns, even along their length: t grows as a square root."""
    t = 3.0 * math.pi * midpoints(400).sqrt()
    arm = (t / 3.0)[:, None] * direction(t)
    return Blurred(torch.cat([arm, -arm]), sigma=0.1)


def swiss_roll() -> Blurred:
    """The plane section of scikit-learn's swiss roll: r = t / 4, t uniform on [1.5 pi, 4.5 pi]."""
    t = 1.5 * math.pi * (1.0 + 2.0 * midpoints(400))
    return Blurred((t / 4.0)[:, None] * direction(t), sigma=0.1)


def midpoints(n: int) -> Tensor:
    """n evenly spaced points of (0, 1)."""
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


TOYS: dict[str, tuple[Callable[[], Toy], str]] = {
    "moons": (moons, "two interleaved half circles"),
    "rings": (Rings, "three concentric circles"),
    "pinwheel": (Pinwheel, "five curved blades"),
    "checkerboard": (Checkerboard, "the black fields of a board, sharp edges"),
    "spirals": (spirals, "two spiral arms"),
    "eight-gaussians": (eight_gaussians, "eight clusters on a circle"),
    "swiss-roll": (swiss_roll, "a rolled-up line"),
}


def load_toy(name: str) -> Dataset:
    """100 000 / 2000 / 10 000 draws, computed in float64 and stored as float32, with their exact log density."""
    toy = TOYS[name][0]()
    return drawn(name, Real((2,)), sample=toy.sample, log_density=toy.log_density, entropy=toy.entropy, train=TRAIN)


TOY_SETS = tuple(
    Builtin(name, partial(load_toy, name), "Real(2,)", f"{about}; log p known") for name, (_, about) in TOYS.items()
)
