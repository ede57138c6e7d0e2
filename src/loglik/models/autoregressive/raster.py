"""What models of images share: the raster order, and what sizes an image and a layer may have."""

import torch
from torch import Tensor

from loglik.errors import UsageError
from loglik.spaces import Space

LARGEST_FIRST = 27  # pixels; the cost of a kernel grows with its area


def raster_order(shape: tuple[int, ...]) -> Tensor:
    """(C, H, W) or (H, W): indices of the flattened event, pixel by pixel in raster order, colours innermost."""
    colours = 1 if len(shape) == 2 else shape[0]
    return torch.arange(colours * shape[-2] * shape[-1]).reshape(colours, -1).T.flatten()


def image_size(space: Space, name: str, width: int | None, kernel: int, *, per_colour: int) -> tuple[int, int, int]:
    """Colours, columns, and features of a layer of the model `name`, for images (H, W) or (C, H, W).

    A layer has `per_colour` features for each colour by default, twice as many for a single one.

    Raises:
        UsageError: a space without rows and columns, a width that the colours do not divide, an even kernel.
    """
    if len(space.shape) not in (2, 3):
        raise UsageError(f"`{name}` models images of shape (H, W) or (C, H, W); got {space}. Use made for vectors.")
    colours = 1 if len(space.shape) == 2 else space.shape[0]
    width = (2 if colours == 1 else colours) * per_colour if width is None else width
    if width < 1 or width % colours:
        raise UsageError(f"Expected width to be a multiple of the {colours} colours; got {width}.")
    if kernel < 3 or kernel % 2 == 0:  # a first layer of 1 x 1 with mask A sees no other pixel at all
        raise UsageError(f"Expected an odd kernel of at least 3; got {kernel}.")
    return colours, space.shape[-1], width


def first_kernel(shape: tuple[int, ...]) -> int:
    """The size of a first kernel that sees a whole image (H, W) or (C, H, W) from each of its pixels, up to 27."""
    return max(3, min(2 * max(shape[-2:]) - 1, LARGEST_FIRST))
