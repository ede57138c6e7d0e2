"""What the Row LSTM and the Diagonal BiLSTM share as models: everything but the layer."""

from collections.abc import Callable

from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.heads import head_for
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.raster import image_size, raster_order
from loglik.models.flows.standardized import standardized
from loglik.nets.image_lstm import ImageLayer, ImageLSTM
from loglik.spaces import Space

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
    if layers < 1:
        raise UsageError(f"Expected at least 1 layer; got {layers}. Use pixelcnn for a net without states.")
    says = head_for(space, head, components)
    colours, columns, features = image_size(space, name, width, kernel, per_colour=8)
    height = space.shape[-2]
    net = ImageLSTM(
        lambda: layer(height, columns, features, colours),
        (height, columns), colours, says.inputs, features, layers, says.params, kernel,
        context.width if context else 0, dropout,
    )  # fmt: skip
    return standardized(Autoregressive(space, net, says, raster_order(space.shape), context))
