"""What the Row LSTM and the Diagonal BiLSTM share as models: everything but the layer."""

from collections.abc import Callable

from loglik.bijections.elementwise import Standardize
from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.heads import head_for
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.pixelcnn import raster_order
from loglik.models.flows.flow import Flow
from loglik.nets.image_lstm import ImageLayer, ImageLSTM
from loglik.spaces import Real, Space

Layer = Callable[[int, int, int, int], ImageLayer]  # of (height, columns, width, groups)


def pixel_rnn(
    name: str,
    layer: Layer,
    space: Space,
    layers: int,
    width: int | None,
    kernel: int,
    dropout: float,
    head: str | None,
    components: int,
    context: Space | None,
) -> ExactModel:
    """The model called `name`, with layers made by `layer`.

    Raises:
        UsageError: a space without rows and columns, a width that the colours do not divide, an even kernel.
    """
    if len(space.shape) not in (2, 3):
        raise UsageError(f"`{name}` models images of shape (H, W) or (C, H, W); got {space}. Use made for vectors.")
    head_of_value = head_for(space, head, components)
    colours = 1 if len(space.shape) == 2 or head_of_value.values else space.shape[0]
    width = (16 if colours == 1 else 8 * colours) if width is None else width
    if width < 1 or width % colours:
        raise UsageError(f"Expected width to be a multiple of the {colours} colours; got {width}.")
    if layers < 1:
        raise UsageError(f"Expected at least 1 layer; got {layers}. Use pixelcnn for a net without states.")
    if kernel < 3 or kernel % 2 == 0:  # a first layer of 1 x 1 with mask A sees no other pixel at all
        raise UsageError(f"Expected an odd kernel of at least 3; got {kernel}.")
    height, columns = space.shape[-2:]
    features = width

    net = ImageLSTM(
        lambda: layer(height, columns, features, colours),
        (height, columns), colours, head_of_value.inputs, width, layers, head_of_value.params, kernel,
        context.width if context else 0, dropout,
    )  # fmt: skip
    model = Autoregressive(space, net, head_of_value, raster_order(space.shape), context)
    return Flow(space, Standardize(space.shape), model) if isinstance(space, Real) else model
