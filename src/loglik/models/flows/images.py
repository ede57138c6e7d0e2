"""Which spaces are images, and how they are read."""

from loglik.errors import UsageError
from loglik.spaces import Space


def image_shape(space: Space, name: str) -> tuple[int, int, int]:
    """(C, H, W) of images (H, W) or (C, H, W).

    Raises:
        UsageError: another number of axes.
    """
    if space.image is None:
        raise UsageError(f"`{name}` models images, (H, W) or (C, H, W); got {space}.")
    return space.image
