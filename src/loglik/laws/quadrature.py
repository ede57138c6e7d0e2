"""Integrals over the whole line or plane of densities that are only known point by point.

With x = centre + spread * sinh(t) the trapezoidal rule in t reaches far into heavy tails with few points, and its error
falls exponentially for smooth densities (Takahasi & Mori 1974, double exponential formulas). The grid grows in reach
and in points until the integral stands still; a density for which it does not is left unjudged, not judged wrongly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from loglik.laws.verdict import NotApplicable, require

REACHES = (5.0, 8.0, 12.0, 17.0)  # sinh(17) is 1e7 spreads away
# Densities with kinks, such as those of splines, need many: coarse grids may agree by chance.
POINTS = {1: (513, 2049, 8193, 32769), 2: (61, 121, 241, 481, 721)}
STEADY = 1e-5
AT_ONCE = 131_072


@dataclass(frozen=True)
class Grid:
    """points (N, *event), the volume that each stands for (N,), and whether it lies on the rim (N,)."""

    points: Tensor
    volumes: Tensor
    rim: Tensor

    @classmethod
    def over(cls, x: Tensor, *, reach: float, points: int) -> "Grid":
        """A grid in t in [-reach, reach]^D, centred and scaled by the quartiles of the events x."""
        flat = x.double().flatten(1)
        low, centre, high = flat.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64, device=x.device), dim=0)
        spread = (high - low) / 1.35
        spread = torch.where(spread > 1e-9 * (1.0 + centre.abs()), spread, torch.ones_like(spread))
        t = torch.linspace(-reach, reach, points, dtype=torch.float64, device=x.device)
        step = 2.0 * reach / (points - 1)
        axes = [c + s * torch.sinh(t) for c, s in zip(centre, spread, strict=True)]
        sizes = [s * torch.cosh(t) * step for s in spread]
        edge = torch.zeros(points, dtype=torch.bool, device=x.device)
        edge[[0, -1]] = True
        grid = torch.cartesian_prod(*axes).reshape(-1, flat.shape[1])
        volumes = torch.cartesian_prod(*sizes).reshape(-1, flat.shape[1]).prod(1)
        rim = torch.cartesian_prod(*[edge] * len(axes)).reshape(-1, flat.shape[1]).any(1)
        return cls(grid.reshape(-1, *x.shape[1:]), volumes, rim)


def resolved_integral(density: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, int]:
    """The integral of a density that has its mass where the events x are, and the number of points it took.

    Raises:
        NotApplicable: it does not stand still on the finest grid; the message says so.
        Broken: the density is NaN or infinite somewhere.
    """
    dims = x[0].numel()
    total, rim = 0.0, 0.0
    for reach in REACHES:
        last = None
        for points in POINTS[dims]:
            grid = Grid.over(x, reach=reach, points=points)
            values = torch.cat([density(part) for part in torch.split(grid.points, AT_ONCE)])
            require(
                bool(torch.isfinite(values).all()),
                "The density is NaN or infinite somewhere; where there is none, it is 0.",
            )
            mass = grid.volumes * values
            total, rim = float(mass.sum()), float(mass[grid.rim].sum())
            if last is not None and abs(total - last) < STEADY:
                break
            last = total
        else:
            raise NotApplicable(f"The integral does not stand still on the finest grid; last {total:.5f}.")
        # What lies beyond is about the density (in t) at the rim, if it falls at least as exp(-t).
        step = 2.0 * reach / (points - 1)
        if rim / step < STEADY or total > 1.0 + 1e-3:  # what is too much already only grows further out
            return total, len(grid.points)
    raise NotApplicable(f"The tails reach further than the widest grid; inside, the integral is {total:.5f}.")
