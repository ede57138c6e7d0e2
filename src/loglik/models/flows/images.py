"""Which spaces are images, and how they are read."""

from loglik.errors import UsageError
from loglik.spaces import Space


def image_shape(space: Space, name: str) -> tuple[int, int, int]:
    """(C, H, W) of images (H, W) or (C, H, W).

    Raises:
        UsageError: another number of axes.
    """
    if len(space.shape) == 2:
        return (1, space.shape[0], space.shape[1])
    if len(space.shape) == 3:
        return (space.shape[0], space.shape[1], space.shape[2])
    raise UsageError(f"`{name}` models images, (H, W) or (C, H, W); got {space}.")
