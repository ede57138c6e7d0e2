"""Dead leaves: discs of random place, size and brightness that lie on top of each other, as simple as images get.

Lee, Mumford, Huang 2001, Occlusion models for natural images: a statistical study of a scale-invariant dead leaves
model, IJCV 41; after Matheron 1968. Drawn from above, after Kendall, Thonnes 1999, Perfect simulation in stochastic
geometry, Pattern Recognition 32.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from loglik.data.builtin.entry import Builtin
from loglik.data.source import Dataset, Memory
from loglik.data.synthetic.drawn import SEEDS
from loglik.errors import UsageError
from loglik.spaces import Integer

LEVELS = 256
AT_ONCE = 500  # images, so that they stay in the processor's cache
DISCS_AT_ONCE = 16
ROWS = {"train": 20_000, "valid": 2_000, "test": 4_000}


@dataclass(frozen=True)
class DeadLeaves:
    """Grey images (1, size, size) of 256 levels: discs that have fallen on top of each other for ever, from above.

        radius ~ r^-3 on [smallest, largest] pixels,   brightness uniform,   pixel = round(brightness + noise eps)

    The exponent -3 makes the images scale invariant, as natural ones are. Discs are laid from the top down: a pixel
    shows the first that covers it, and an image is done when all its pixels are covered, so draws are exact. Pixels are
    points, not areas: edges are sharp. eps is standard normal, in grey levels; brightness keeps 3 noise from the ends.
    """

    size: int = 16
    smallest: float = 1.0
    largest: float = 32.0
    noise: float = 4.0

    def __post_init__(self) -> None:
        if self.size < 1 or not 0.0 < self.smallest < self.largest or not 0.0 <= 6.0 * self.noise < LEVELS - 1:
            raise UsageError(
                f"Expected size >= 1, 0 < smallest < largest and 0 <= noise < {(LEVELS - 1) / 6.0:.0f}; got {self}."
            )

    @property
    def space(self) -> Integer:
        return Integer((1, self.size, self.size), LEVELS)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """n images, (n, 1, size, size) in uint8."""
        parts = [self._covered(min(AT_ONCE, n - start), generator) for start in range(0, n, AT_ONCE)]
        grey = torch.cat(parts) + self.noise * torch.randn(n, self.size, self.size, generator=generator)
        return grey.round().clamp(0, LEVELS - 1).to(torch.uint8).unsqueeze(1)

    def _covered(self, n: int, generator: Generator) -> Tensor:
        """(n, size, size): the brightness of the topmost disc at every pixel."""
        done = torch.empty(n, self.size, self.size)
        left = torch.arange(n)  # images with pixels that no disc covers yet
        grey, bare = torch.zeros_like(done), torch.ones_like(done, dtype=torch.bool)
        while len(left):
            radius, across, down, brightness = self._discs(len(left), generator)
            for r, x, y, shade in zip(radius, across, down, brightness, strict=True):
                covered = (y[:, :, None] + x[:, None, :] <= r[:, None, None]).logical_and_(bare)
                grey += covered * shade[:, None, None]
                bare ^= covered
            unfinished = bare.flatten(1).any(1)
            done[left[~unfinished]] = grey[~unfinished]
            left, grey, bare = left[unfinished], grey[unfinished], bare[unfinished]
        return done

    def _discs(self, n: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """k discs for each of n images: r^2 (k, n), squared distances of columns and of rows from their centres
        (k, n, size), brightness (k, n). They fall anywhere where their bounding squares touch the image.
        """
        radius = self._radii(DISCS_AT_ONCE * n, generator).reshape(-1, n, 1)
        centre = torch.rand(2, DISCS_AT_ONCE, n, 1, generator=generator) * (self.size - 1 + 2.0 * radius) - radius
        across, down = (torch.arange(self.size) - centre).square()
        brightness = torch.rand(DISCS_AT_ONCE, n, generator=generator) * (LEVELS - 1 - 6.0 * self.noise)
        return radius.square().squeeze(-1), across, down, 3.0 * self.noise + brightness

    def _radii(self, n: int, generator: Generator) -> Tensor:
        """(n,): radii of discs that touch the image, with density r^-3 (size - 1 + 2 r)^2.

        It is a sum of three powers of r, each of which is drawn by inverting its distribution function.
        """
        a, b, side = self.smallest, self.largest, self.size - 1
        mass = [side**2 * (a**-2 - b**-2) / 2.0, 4.0 * side * (1.0 / a - 1.0 / b), 4.0 * math.log(b / a)]
        power = torch.multinomial(torch.tensor(mass), n, replacement=True, generator=generator)
        u = torch.rand(n, generator=generator)
        choices = [(a**-2 + u * (b**-2 - a**-2)) ** -0.5, 1.0 / (1.0 / a + u * (1.0 / b - 1.0 / a)), a * (b / a) ** u]
        return torch.stack(choices).gather(0, power[None])[0]


def load_dead_leaves() -> Dataset:
    """20 000 / 2000 / 4000 images of 16 x 16, independent of each other."""
    leaves = DeadLeaves()
    part = {
        key: Memory(leaves.space, leaves.sample(rows, torch.Generator().manual_seed(SEEDS[key])))
        for key, rows in ROWS.items()
    }
    split = {"how": "drawn with torch's generator, one seed per part", "seeds": SEEDS, **ROWS}
    return Dataset(DEAD_LEAVES.name, part["train"], part["valid"], part["test"], split)


DEAD_LEAVES = Builtin(
    "dead-leaves",
    load_dead_leaves,
    "Integer(1, 16, 16) with 256 levels",
    "discs that occlude each other, as things do",
)
