"""Row LSTM and Diagonal BiLSTM: the PixelRNNs, whose states sweep over the image. They differ in the layer alone.

van den Oord, Kalchbrenner, Kavukcuoglu 2016, Pixel Recurrent Neural Networks, arXiv:1601.06759.
"""

from collections.abc import Callable

from loglik.arguments.ranges import Count, Few, Layers, Share
from loglik.contract import ExactModel
from loglik.errors import UsageError
from loglik.heads import head_for
from loglik.models.autoregressive.autoregressive import Autoregressive
from loglik.models.autoregressive.pixelrnn.diagonal import DiagonalBiLSTM
from loglik.models.autoregressive.pixelrnn.net import ImageLayer, ImageLSTM
from loglik.models.autoregressive.pixelrnn.row import RowLSTM
from loglik.models.autoregressive.raster import image_size, raster_order
from loglik.models.standardized import standardized
from loglik.spaces import Space

MakeLayer = Callable[[int, int, int, int], ImageLayer]  # of (height, columns, width, groups)


def row_lstm(
    space: Space,
    *,
    layers: Layers = 3,
    width: Count | None = None,
    kernel: Few = 7,
    dropout: Share = 0.0,
    head: str | None = None,
    components: Count = 10,
    context: Space | None = None,
) -> ExactModel:
    """`layers` Row LSTMs of `width` states (h in the paper; twice that between them), for images (H, W) or (C, H, W).

    States sweep over the image row by row. `width` must be a multiple of C and defaults to 16, or 24 in colour;
    `kernel` is the first convolution's. The head is called by name, or follows from the space. Reals are standardised
    inside the model.

    >>> import itertools, torch, loglik
    >>> model = loglik.build("row-lstm", loglik.Integer((2, 2), levels=2), width=4, layers=1, seed=0)
    >>> every = torch.tensor(list(itertools.product(range(2), repeat=4))).reshape(-1, 2, 2)
    >>> round(model.log_prob(every).exp().sum().item(), 4)
    1.0
    """
    return pixel_rnn(
        "row-lstm", RowLSTM, space=space, layers=layers, width=width, kernel=kernel, dropout=dropout, head=head,
        components=components, context=context,
    )  # fmt: skip


def diagonal_bilstm(
    space: Space,
    *,
    layers: Layers = 3,
    width: Count | None = None,
    kernel: Few = 7,
    dropout: Share = 0.0,
    head: str | None = None,
    components: Count = 10,
    context: Space | None = None,
) -> ExactModel:
    """`layers` Diagonal BiLSTMs of `width` states (the paper's h; twice that between them), for (H, W) or (C, H, W).

    States sweep over the image from both upper corners, and see all of the past. `width` must be a multiple of C and
    defaults to 16, or 24 in colour; `kernel` is the first convolution's. The head is called by name, or follows from
    the space. Reals are standardised inside the model.

    >>> import itertools, torch, loglik
    >>> model = loglik.build("diagonal-bilstm", loglik.Integer((2, 2), levels=2), width=4, layers=1, seed=0)
    >>> every = torch.tensor(list(itertools.product(range(2), repeat=4))).reshape(-1, 2, 2)
    >>> round(model.log_prob(every).exp().sum().item(), 4)
    1.0
    """
    return pixel_rnn(
        "diagonal-bilstm", DiagonalBiLSTM, space=space, layers=layers, width=width, kernel=kernel, dropout=dropout,
        head=head, components=components, context=context,
    )  # fmt: skip


def pixel_rnn(
    name: str,
    layer: MakeLayer,
    *,
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
    distribution = head_for(space, head, components)
    colours, columns, features = image_size(space, name, width, kernel, per_colour=8)
    height = space.shape[-2]
    net = ImageLSTM(
        lambda: layer(height, columns, features, colours),
        (height, columns), colours=colours, inputs=distribution.inputs, params=distribution.params,
        width=features, layers=layers, kernel=kernel, context=context.width if context else 0, dropout=dropout,
    )  # fmt: skip
    return standardized(Autoregressive(space, net, distribution, raster_order(space.shape), context))
